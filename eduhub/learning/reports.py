"""Reports: what was watched of lessons, for those who teach.

Of the classes they are about a report knows the children; of other schools it counts. A lesson was *watched* by whoever
played any of it on its present time axis, and *finished* by whoever has seen nine tenths. Days are those of the devices'
clocks: for showing.

Everything is read from progress and tallies, by index, and is bounded by the lessons and children that are asked about;
no report reads events. Who may see which report is decided above.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from eduhub.accounts.models import RoleGrant
from eduhub.accounts.roles import STAFF
from eduhub.courses.models import GroupCourse, Lesson, PlanRow
from eduhub.delivery.models import PackageRow
from eduhub.learning import events, tallies
from eduhub.learning.models import Progress, WatchTally
from eduhub.schools import enrolment
from eduhub.schools.models import Group

FINISHED_PERCENT = 90
DAYS = 28
_AT_ONCE = 400  # people in one question: both engines bound how many values it may hold


@dataclass(frozen=True)
class Summary:
    """How a lesson was watched by the children asked about."""

    watched: int = 0
    finished: int = 0
    median_percent: int = 0


@dataclass(frozen=True)
class Watched:
    """Several lessons: a summary of each; and for each day how often a child watched one of them, once for each of the two."""

    of_lesson: dict[str, Summary]
    by_day: dict[str, int]


@dataclass(frozen=True)
class Timeline:
    """One lesson, slot by slot of `tallies.SLOT_MS`: how many saw it, stopped in it, and played it again."""

    duration_ms: int
    summary: Summary = Summary()
    seen: list[int] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)


def lengths(session: Session, lessons: Iterable[Lesson]) -> dict[str, int]:
    """How long each published lesson is on its present time axis, by lesson uid."""
    by_package = {lesson.package_id: lesson.uid for lesson in lessons if lesson.package_id}
    rows = session.execute(select(PackageRow.id, PackageRow.manifest).where(PackageRow.id.in_(by_package)))
    return {by_package[package_id]: events.duration_ms(manifest) for package_id, manifest in rows}


def classes_taking(session: Session, course_uid: str, org_uids: Collection[str], on: str) -> list[Group]:
    """The classes of some schools that take a course on a day, or have one of its lessons in their plan."""
    takes = select(GroupCourse.group_uid).where(
        GroupCourse.course_uid == course_uid, GroupCourse.starts_on <= on,
        or_(GroupCourse.ended_on.is_(None), GroupCourse.ended_on > on),
    )  # fmt: skip
    lessons = select(Lesson.uid).where(Lesson.course_uid == course_uid)
    plans = select(PlanRow.group_uid).where(PlanRow.lesson_uid.in_(lessons), PlanRow.dropped_on.is_(None))
    return list(session.scalars(
        select(Group)
        .where(Group.org_uid.in_(org_uids), or_(Group.uid.in_(takes), Group.uid.in_(plans)))
        .where(or_(Group.closed_on.is_(None), Group.closed_on > on))
        .order_by(Group.uid)
    ))  # fmt: skip


def children_of(session: Session, groups: Iterable[Group], on: str) -> dict[str, set[str]]:
    """The children of each class on a day, by its uid."""
    return {
        group.uid: {span.person_uid for span in enrolment.current(session, group_uid=group.uid, on=on)} for group in groups
    }


def watched(
    session: Session, lessons: Sequence[Lesson], duration_ms: dict[str, int], children: Collection[str], until: str
) -> Watched:
    """How these children watched these lessons, and on which of the last days up to `until`."""
    axis = {lesson.uid: lesson.timeline_uid for lesson in lessons}
    percents: dict[str, list[int]] = {}
    days: Counter[str] = Counter()
    for _person, lesson_uid, timeline_uid, seen_ms, on_days in _rows(session, children, list(axis)):
        days.update(on_days or ())
        if seen_ms and axis[lesson_uid] == timeline_uid:
            percents.setdefault(lesson_uid, []).append(_percent(seen_ms, duration_ms.get(lesson_uid, 0)))
    return Watched({uid: summary(found) for uid, found in percents.items()}, {day: days[day] for day in last_days(until)})


def percents_of(
    session: Session, lessons: Sequence[Lesson], duration_ms: dict[str, int], children: Collection[str]
) -> dict[tuple[str, str], int]:
    """How much each child has seen of each lesson, 1 to 100, by (person, lesson). What nobody opened is not there."""
    axis = {lesson.uid: lesson.timeline_uid for lesson in lessons}
    return {
        (person, lesson_uid): _percent(seen_ms, duration_ms.get(lesson_uid, 0))
        for person, lesson_uid, timeline_uid, seen_ms, _days in _rows(session, children, list(axis))
        if seen_ms and axis[lesson_uid] == timeline_uid
    }


def timeline(session: Session, lesson: Lesson, duration_ms: int, children: Collection[str], org_uids: Collection[str]) -> Timeline:
    """One lesson along its time axis: by these children, and played again at these schools."""
    slots = -(-duration_ms // tallies.SLOT_MS)
    seen, stopped, percents = [0] * (slots + 1), [0] * slots, []
    for chunk in _chunks(children):
        rows = session.execute(select(Progress.spans, Progress.seen_ms, Progress.position_ms).where(
            Progress.person_uid.in_(chunk), Progress.lesson_uid == lesson.uid, Progress.timeline_uid == lesson.timeline_uid
        ))  # fmt: skip
        for spans, seen_ms, position_ms in rows:
            percents.append(_percent(seen_ms, duration_ms))
            for start, end in _slots_of(spans, slots):
                seen[start] += 1
                seen[end] -= 1
            if slots and percents[-1] < FINISHED_PERCENT:
                stopped[min(slots - 1, position_ms // tallies.SLOT_MS)] += 1
    for slot in range(1, slots):
        seen[slot] += seen[slot - 1]
    played = tallies.summed(list(session.scalars(select(WatchTally.played_ms).where(
        WatchTally.lesson_uid == lesson.uid, WatchTally.timeline_uid == lesson.timeline_uid, WatchTally.org_uid.in_(org_uids)
    ))))  # fmt: skip
    plays = [round(ms / tallies.SLOT_MS) for ms in (*played, *([0] * slots))][:slots]
    again = [max(0, plays[slot] - seen[slot]) for slot in range(slots)]
    return Timeline(duration_ms, summary(percents), seen[:slots], stopped, again)


def elsewhere(session: Session, lesson: Lesson, org_uids: Collection[str]) -> dict[str, int]:
    """How many children of every other school watched a lesson: a count for each school.

    Everybody is counted by the index alone and the adults are taken off: looking each of twenty thousand up takes seconds.
    """
    on_axis = (Progress.lesson_uid == lesson.uid, Progress.timeline_uid == lesson.timeline_uid)
    rows = session.execute(select(Progress.org_uid, func.count()).where(*on_axis).group_by(Progress.org_uid)).all()
    counts = {org_uid: count for org_uid, count in rows if org_uid not in org_uids}
    adults = session.scalars(select(RoleGrant.person_uid).where(RoleGrant.role.in_(STAFF)).distinct()).all()
    for chunk in _chunks(adults):
        for org_uid in session.scalars(select(Progress.org_uid).where(Progress.person_uid.in_(chunk), *on_axis)):
            if org_uid in counts:
                counts[org_uid] -= 1
    return {org_uid: count for org_uid, count in sorted(counts.items()) if count > 0}


def summary(percents: Sequence[int]) -> Summary:
    """How many watched and finished, and the median of what they have seen."""
    if not percents:
        return Summary()
    return Summary(len(percents), sum(p >= FINISHED_PERCENT for p in percents), round(median(percents)))


def last_days(until: str) -> list[str]:
    """The days up to one, oldest first."""
    last = date.fromisoformat(until)
    return [(last - timedelta(days=ago)).isoformat() for ago in reversed(range(DAYS))]


# --- inside -------------------------------------------------------------------------


def _rows(session: Session, children: Collection[str], lesson_uids: list[str]) -> Iterable[tuple[str, str, str, int, list[str] | None]]:
    columns = (Progress.person_uid, Progress.lesson_uid, Progress.timeline_uid, Progress.seen_ms, Progress.days)
    for chunk in _chunks(children):
        yield from session.execute(
            select(*columns).where(Progress.person_uid.in_(chunk), Progress.lesson_uid.in_(lesson_uids))
        )


def _chunks(children: Collection[str]) -> Iterable[list[str]]:
    ordered = sorted(children)
    return (ordered[at : at + _AT_ONCE] for at in range(0, len(ordered), _AT_ONCE))


def _percent(seen_ms: int, duration_ms: int) -> int:
    """At least 1: something was seen."""
    return max(1, min(100, 100 * seen_ms // duration_ms)) if duration_ms else 1


def _slots_of(spans: Iterable[Sequence[int]], slots: int) -> list[tuple[int, int]]:
    """The slots that spans touch, as [first, end) without overlaps, so that nobody counts twice in one."""
    found: list[tuple[int, int]] = []
    for start_ms, end_ms in spans:
        start, end = min(slots, start_ms // tallies.SLOT_MS), min(slots, -(-end_ms // tallies.SLOT_MS))
        if found and start < found[-1][1]:
            start = found[-1][1]
        if start < end:
            found.append((start, end))
    return found
