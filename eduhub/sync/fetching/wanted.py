"""Node: which lessons this box wants, and in which order their parts come: every floor before any better part.

Wanted are the published lessons that a group of this school takes or has in its plan, and those that are open to
everybody, as far as the school's rules say so (`policies`). Both floors and better parts come by the plan: today,
tomorrow, this week, what is next, what is later, what is in no plan, what was taught long ago; then by course. A lesson
that somebody wishes for comes before all of them. Of better parts the smallest of each lesson come first.

This module must not know how anything is fetched.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest, Part
from eduhub.schools.models import Group, Organisation
from eduhub.sync.allowance import policies
from eduhub.sync.allowance.policies import Choice, Rules

# The box of a region is a mirror for its schools (docs/county-mirror.md): it keeps every lesson that reaches it.
_REGION = select(Organisation.uid).where(Organisation.kind == "region")
# What a phone of ten years ago decodes: it always comes.
_PLAYABLE = ("avc1.", "mp4a.40.2")
_AT_ONCE = 400  # ids in one question
NOW, TODAY, TOMORROW, WEEK, NEXT, LATER, UNPLANNED, TAUGHT = range(8)
DAYS = 7  # the coming ones count as a week; a lesson that was planned for one of the last ones may be caught up with
_ALL = Choice()


class When(NamedTuple):
    """How soon a lesson is needed: the smaller the sooner. `day` orders what is in one plan."""

    rank: int = UNPLANNED
    day: str = ""


_ANY_TIME = When()


@dataclass(frozen=True)
class Wanted:
    """A lesson that this box should hold."""

    package_id: str
    lesson_uid: str
    course_uid: str
    when: When = _ANY_TIME


@dataclass(frozen=True)
class Want:
    """One blob to get. Small numbers first."""

    tier: int  # 0: floor, 1: better
    bytes: int
    package_id: str
    sha256: str
    pieces: str | None
    when: When = _ANY_TIME


def when(days: Iterable[str | None], today: str | None) -> When:
    """How soon a lesson is needed that is planned for these days (None: 'next'). Without a day of today, whatever is planned is near."""
    return min((_when(day, today) for day in days), default=When())


def _when(day: str | None, today: str | None) -> When:
    if day is None:
        return When(NEXT)
    if today is None:
        return When(WEEK, day)
    if day == today:
        return When(TODAY)
    if day == _shifted(today, 1):
        return When(TOMORROW)
    if today < day <= _shifted(today, DAYS):
        return When(WEEK, day)
    return When(LATER if day >= _shifted(today, -DAYS) else TAUGHT, day)


def _shifted(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def lessons(
    session: Session, org_uid: str, today: str | None, rules: Rules | None = None, wishes: Sequence[str] = ()
) -> list[Wanted]:
    """The lessons this box should hold, in the order in which they are needed. Without a day, every span counts as open."""
    rules = rules or Rules()
    groups = select(Group.uid).where(Group.org_uid == org_uid)
    open_now = GroupCourse.ended_on.is_(None)
    taken = select(GroupCourse.course_uid).where(
        GroupCourse.group_uid.in_(groups), or_(open_now, GroupCourse.ended_on > today) if today else open_now
    )
    days: dict[str, list[str | None]] = {}
    for lesson_uid, day in session.execute(
        select(PlanRow.lesson_uid, PlanRow.day).where(PlanRow.group_uid.in_(groups), PlanRow.dropped_on.is_(None))
    ):
        days.setdefault(lesson_uid, []).append(day)
    planned = select(PlanRow.lesson_uid).where(PlanRow.group_uid.in_(groups), PlanRow.dropped_on.is_(None))
    whole = [uid for uid, word in rules.wanted.items() if word == policies.ALL]
    found = session.execute(
        select(Lesson.package_id, Lesson.uid, Lesson.course_uid)
        .where(
            Lesson.state == "published", Lesson.package_id.is_not(None),
            or_(
                Lesson.course_uid.in_(taken), Lesson.uid.in_(planned), Lesson.uid.in_(wishes), Lesson.course_uid.in_(whole),
                Lesson.course_uid.in_(select(Course.uid).where(Course.audience == "open")),
                exists(_REGION.where(Organisation.uid == org_uid)),
            ),
        )
        .order_by(Lesson.course_uid, Lesson.position, Lesson.uid)
    )  # fmt: skip
    rows = [
        Wanted(str(package_id), uid, course_uid, _judged(uid, when(days.get(uid, ()), today), wishes))
        for package_id, uid, course_uid in found
    ]
    return sorted((row for row in rows if _is_allowed(row, rules)), key=lambda row: row.when)


def _judged(lesson_uid: str, planned: When, wishes: Sequence[str]) -> When:
    return When(NOW, f"{wishes.index(lesson_uid):04}") if lesson_uid in wishes else planned


def _is_allowed(row: Wanted, rules: Rules) -> bool:
    word = rules.wanted.get(row.course_uid)
    if word == policies.NOTHING:
        return row.when.rank == NOW
    return word != policies.PLANNED or row.when.rank < UNPLANNED


def wanted_packages(session: Session, org_uid: str, today: str | None, rules: Rules | None = None) -> dict[str, str]:
    """The packages this box should hold but for wishes, with the course of each, in the order of `lessons`."""
    return {row.package_id: row.course_uid for row in lessons(session, org_uid, today, rules)}


def is_wanted(part: Part, choice: Choice) -> bool:
    """Whether a box fetches a part: the floor, all that is small, and of sound and pictures what is played and chosen."""
    if part.floor:
        return True
    if part.kind in {"video", "download"} and not _is_low_enough(part.height, choice.max_height):
        return False
    if part.kind in {"audio", "captions"} and not _is_spoken(part.language, choice.languages):
        return False
    return part.kind not in {"audio", "video"} or part.codec is None or _is_played(part.codec, choice.codecs)


def _is_low_enough(height: int | None, max_height: int | None) -> bool:
    return max_height is None or (max_height > 0 and (height is None or height <= max_height))


def _is_spoken(language: str | None, languages: Collection[str]) -> bool:
    """`zh` takes in `zh-Hans`."""
    if not languages or language is None:
        return True
    return any(language.lower() == tag.lower() or language.lower().startswith(f"{tag.lower()}-") for tag in languages)


def _is_played(codec: str, codecs: Collection[str]) -> bool:
    return codec.startswith(_PLAYABLE) or any(codec.startswith(policies.CODECS[name]) for name in codecs)


def plan(
    manifests: Mapping[str, Manifest], held: Collection[tuple[str, str]], whens: Mapping[str, When] | None = None,
    choices: Mapping[str, Choice] | None = None,
) -> list[Want]:  # fmt: skip
    """What to get, in order. `manifests` by package, in the order of courses and lessons; `held` are the (package, sha256)
    that are revealed already; `whens` and `choices`, by package, say how soon and which parts.
    """
    found: list[tuple[tuple[bool, int, When, int, int, int], Want]] = []
    for place, (package_id, manifest) in enumerate(manifests.items()):
        needed = (whens or {}).get(package_id, When())
        choice = (choices or {}).get(package_id, _ALL)
        better = sorted((part for part in manifest.parts if not part.floor and is_wanted(part, choice)), key=lambda part: part.bytes)
        steps = [(0, 0, part) for part in manifest.parts if part.floor] + [(1, step, part) for step, part in enumerate(better)]
        for tier, step, part in steps:
            if (package_id, part.sha256) not in held:
                key = (needed.rank != NOW, tier, needed, step, place, part.bytes)
                found.append((key, Want(tier, part.bytes, package_id, part.sha256, part.pieces, needed)))
    return [want for _key, want in sorted(found, key=lambda pair: pair[0])]


def complete(session: Session, package_ids: Iterable[str]) -> set[str]:
    """Those of some packages that are here and of which every wanted part is revealed."""
    found: set[str] = set()
    ids = sorted(package_ids)
    waits = (PartRow.package_id == PackageRow.id) & PartRow.held.is_(False) & PartRow.wanted.is_(True)
    for at in range(0, len(ids), _AT_ONCE):
        asked = select(PackageRow.id).where(PackageRow.id.in_(ids[at : at + _AT_ONCE]), ~exists().where(waits))
        found.update(session.scalars(asked))
    return found


def revealed(session: Session, package_ids: Iterable[str]) -> set[tuple[str, str]]:
    """(package, sha256) of the parts of some packages that are shown here."""
    found: set[tuple[str, str]] = set()
    ids = sorted(package_ids)
    for at in range(0, len(ids), _AT_ONCE):
        asked = select(PartRow.package_id, PartRow.sha256).where(PartRow.package_id.in_(ids[at : at + _AT_ONCE]), PartRow.held)
        found.update((row.package_id, row.sha256) for row in session.execute(asked))
    return found
