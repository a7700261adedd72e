"""Node: what of the coming school days is here: of each planned lesson whether it can be watched, and what is missing.

A lesson is *whole* when all wanted parts of its newest revision are held, *useful* when it can be shown, else *missing*;
what a plan names may also be taken back, or not be published yet. A day's lamp is green when every lesson of it can be
watched, red when one of today or of the next school day cannot, else amber. Days are those of the schedule clock; while
that is unknown there are none, and the whole plan is looked at.

This module must not know how anything is fetched, nor pages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from eduhub.courses.models import Lesson, PlanRow
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.schools import calendars
from eduhub.schools.models import SchoolCalendar
from eduhub.sync.allowance import schedule_clock, wishes
from eduhub.sync.allowance.allowing import Standing
from eduhub.sync.fetching import wanted
from eduhub.sync.models import FetchState
from eduhub.sync.status import forecast
from eduhub.sync.status.forecast import Inflow

DAYS = 7
WHOLE, USEFUL, MISSING, TAKEN_BACK, NOT_PUBLISHED = "whole", "useful", "missing", "taken_back", "not_published"
STATES = (WHOLE, USEFUL, MISSING, TAKEN_BACK, NOT_PUBLISHED)
GREEN, AMBER, RED, NOTHING, UNKNOWN = "green", "amber", "red", "nothing", "unknown"
LAMPS = (RED, UNKNOWN, AMBER, GREEN, NOTHING)  # the worst first
NEXT = ""  # the 'day' of what is planned as what comes next


@dataclass(frozen=True)
class Held:
    """What is here of one lesson, and the bytes until it can be watched and until it is whole; None: nobody knows yet."""

    state: str
    floor_left: int | None = 0
    left: int | None = 0


@dataclass(frozen=True)
class LessonReady:
    """A planned lesson. `in_s`: when it can be watched, or where it can, when it is whole; seconds from now, None: not known."""

    lesson_uid: str
    held: Held
    in_s: float | None = None

    @property
    def can_be_watched(self) -> bool:
        """Whether children can watch it here."""
        return self.held.state in (WHOLE, USEFUL)


@dataclass(frozen=True)
class DayReady:
    """The planned lessons of one day, in the order in which they are taught; `day` is NEXT for those without one."""

    day: str
    lessons: tuple[LessonReady, ...]
    lamp: str

    def count(self, state: str) -> int:
        """How many of them are in a state."""
        return sum(lesson.held.state == state for lesson in self.lessons)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many are in each of STATES."""
        return tuple(self.count(state) for state in STATES)


@dataclass(frozen=True)
class Readiness:
    """The coming school days, today's first. `today` is None while the box does not know what day it is."""

    today: str | None
    coming: str | None  # the next school day after today
    days: tuple[DayReady, ...]
    lamp: str
    queue: tuple["ToCome", ...] = ()  # what is still to come, in the order in which it is fetched
    wished: frozenset[str] = frozenset()  # the lessons that somebody wants now

    @property
    def missing(self) -> list[LessonReady]:
        """The lessons that are to come and cannot be watched yet, each once, the soonest first."""
        found = {lesson.lesson_uid: lesson for day in self.days for lesson in day.lessons if lesson.held.state == MISSING}
        return list(found.values())

    def of(self, day: str | None) -> DayReady | None:
        """One day."""
        return next((found for found in self.days if found.day == day), None)


@dataclass(frozen=True)
class Place:
    """Where a lesson stands in a plan."""

    lesson_uid: str
    day: str  # or NEXT
    period: int | None = None


def tally(counts: Sequence[int]) -> tuple[int, int]:
    """Of counts in the order of STATES (a later release may count more): how many lessons can be watched, and how many there are."""
    return sum(counts[:2]), sum(counts[: len(STATES)])


# --- decided ------------------------------------------------------------------------


def school_days(calendar: SchoolCalendar | None, today: str, planned: Iterable[str]) -> list[str]:
    """The school days from today on, a week: in a term, from Monday to Friday; and every day for which something is planned."""
    taught = set(planned)
    first = date.fromisoformat(today)
    week = [first + timedelta(days=number) for number in range(DAYS)]
    return [
        day.isoformat() for day in week
        if day.isoformat() in taught or (day.weekday() < 5 and calendars.is_school_day(calendar, day.isoformat()))
    ]  # fmt: skip


def judged(places: Sequence[Place], held: dict[str, Held], days: Sequence[str], today: str | None) -> Readiness:
    """The readiness of these days. A lesson of which nothing is known here is not published yet."""
    coming = next((day for day in days if today is not None and day > today), None)
    soon = {day for day in (today, coming) if day is not None}
    found = []
    for day in [*days, NEXT]:
        of_day = sorted((place for place in places if place.day == day), key=lambda place: (place.period is None, place.period or 0))
        uids = dict.fromkeys(place.lesson_uid for place in of_day)
        lessons = tuple(LessonReady(uid, held.get(uid, Held(NOT_PUBLISHED, None, None))) for uid in uids)
        if lessons or day != NEXT:
            found.append(DayReady(day, lessons, _lamp(lessons, is_soon=day in soon)))
    lamp = min((day.lamp for day in found), key=LAMPS.index, default=NOTHING)
    return Readiness(today, coming, tuple(found), UNKNOWN if today is None else lamp)


def _lamp(lessons: Sequence[LessonReady], *, is_soon: bool) -> str:
    states = {lesson.held.state for lesson in lessons}
    if not states:
        return NOTHING
    if MISSING in states:
        return RED if is_soon else AMBER
    return AMBER if states & {TAKEN_BACK, NOT_PUBLISHED} else GREEN


@dataclass(frozen=True)
class ToCome:
    """What is still to come of one lesson, in bytes. `is_first`: somebody wants it now, before all others."""

    lesson_uid: str
    floor_left: int
    rest: int
    is_first: bool = False


def with_times(ready: Readiness, queue: Sequence[ToCome], inflow: Inflow, at_ms: int | None) -> Readiness:
    """The same with when each lesson comes. The queue is in the order of fetching: whole what is wanted now, then what is
    needed of all the others, then what makes each better.
    """
    before, useful_after, whole_after = 0, {}, {}
    later = [row for row in queue if not row.is_first]
    for row in [*(row for row in queue if row.is_first), *later]:
        before += row.floor_left
        useful_after[row.lesson_uid] = before
        if row.is_first:
            before += row.rest
            whole_after[row.lesson_uid] = before
    for row in later:
        before += row.rest
        whole_after[row.lesson_uid] = before

    curve = forecast.Curve(inflow, at_ms)

    def timed(lesson: LessonReady) -> LessonReady:
        after = useful_after if lesson.held.state == MISSING else whole_after
        if lesson.held.state not in (MISSING, USEFUL) or lesson.lesson_uid not in after:
            return lesson
        return replace(lesson, in_s=curve.in_s(after[lesson.lesson_uid]))

    days = tuple(replace(day, lessons=tuple(timed(lesson) for lesson in day.lessons)) for day in ready.days)
    return replace(ready, days=days)


# --- looked up ----------------------------------------------------------------------


def at_box(session: Session, now: Standing, inflow: Inflow) -> Readiness:
    """The readiness of this box for its school (where it has none: for whatever is planned here); six questions."""
    today = schedule_clock.day(now.time_zone, now.at_ms)
    if today is None:
        planned, days = _planned(now.org_uid), []
        places = [replace(place, day=NEXT) for place in _places(session, planned)]
    else:
        until = (date.fromisoformat(today) + timedelta(days=DAYS - 1)).isoformat()
        planned = _planned(now.org_uid).where(PlanRow.day.is_(None) | PlanRow.day.between(today, until))
        places = _places(session, planned)
        days = school_days(now.calendar, today, (place.day for place in places if place.day))
    left = _left(session)
    wished = wishes.alive(session)
    ready = judged(places, _held(session, planned, left), days, today)
    coming = _queue(session, now, today, left, wished)
    return replace(with_times(ready, coming, inflow, now.at_ms), queue=tuple(coming), wished=frozenset(wished))


def _planned(org_uid: str | None) -> Select[str]:
    rows = select(PlanRow.lesson_uid).where(PlanRow.dropped_on.is_(None))
    return rows.where(PlanRow.org_uid == org_uid) if org_uid else rows


def _places(session: Session, planned: Select[str]) -> list[Place]:
    rows = session.execute(planned.add_columns(PlanRow.day, PlanRow.period).order_by(PlanRow.uid))
    return [Place(uid, day or NEXT, period) for uid, day, period in rows]


def _held(session: Session, planned: Select[str], left: Mapping[str, tuple[int, int]]) -> dict[str, Held]:
    can_be_shown = (
        select(PackageRow.id)
        .where(PackageRow.lesson_uid == Lesson.uid, PackageRow.floor_held.is_(True), PackageRow.withdrawn.is_(False))
        .correlate(Lesson)
        .exists()
    )
    rows = session.execute(
        select(Lesson.uid, Lesson.state, PackageRow.id, can_be_shown)
        .outerjoin(PackageRow, PackageRow.id == Lesson.package_id)
        .where(Lesson.uid.in_(planned))
    ).all()
    return {
        uid: _state(lesson_state, is_shown=is_shown, left=None if package_id is None else left.get(package_id, (0, 0)))
        for uid, lesson_state, package_id, is_shown in rows
    }


def _state(lesson_state: str, *, is_shown: bool, left: tuple[int, int] | None) -> Held:
    """`left`: bytes of the newest revision that are still to come; None: it is not known here yet."""
    if lesson_state == "withdrawn":
        return Held(TAKEN_BACK)
    if lesson_state != "published":
        return Held(NOT_PUBLISHED, None, None)
    if left is None:
        return Held(USEFUL if is_shown else MISSING, None, None)
    floor_left, rest = left
    if is_shown and floor_left + rest == 0:
        return Held(WHOLE)
    return Held(USEFUL if is_shown else MISSING, floor_left, floor_left + rest)


def _left(session: Session) -> dict[str, tuple[int, int]]:
    """Bytes that are wanted and not here: of the floor, and of the rest, by package of those that are a lesson's newest. What came
    of a part counts as here.
    """
    come = func.coalesce(FetchState.bytes, 0)
    to_come = case((PartRow.bytes > come, PartRow.bytes - come), else_=0)
    rows = session.execute(
        select(
            PartRow.package_id, func.sum(case((PartRow.is_floor.is_(True), to_come), else_=0)),
            func.sum(case((PartRow.is_floor.is_(True), 0), else_=to_come)),
        )
        .outerjoin(FetchState, FetchState.sha256 == PartRow.sha256)
        .where(PartRow.wanted.is_(True), PartRow.held.is_(False), PartRow.package_id.in_(select(Lesson.package_id)))
        .group_by(PartRow.package_id)
    )  # fmt: skip
    return {package_id: (int(floor), int(rest)) for package_id, floor, rest in rows}


def _queue(
    session: Session, now: Standing, today: str | None, left: Mapping[str, tuple[int, int]], wished: Sequence[str]
) -> list[ToCome]:
    """What is still to come of the lessons that this box wants, in the order in which it fetches them.

    A lesson whose manifest is not here yet is not in it: nobody knows how large it is.
    """
    if now.node is None or not left:
        return []
    rows = wanted.lessons(session, now.node.org_uid, today, now.rules, wished)
    return [
        ToCome(row.lesson_uid, *left[row.package_id], is_first=row.when.rank == wanted.NOW) for row in rows if row.package_id in left
    ]
