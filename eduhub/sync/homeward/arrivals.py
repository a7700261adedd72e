"""Hub: at which schools a lesson has arrived, by what their boxes have said.

A box says `arrived` when it can show a package, `dropped` when it let it go for another, and `no_disk` when it has no room; how far it has read the catalog
it says each time it calls. Boxes' clocks are wrong, so what was said later is what came home later: each
word is written down here as it comes, in the order of the box's own numbers. A state is the one that is proved:
a box that has said nothing of a lesson is on its way only if it is known to have read of it.

Counted are the schools with a box whose classes take the course, or have the lesson in their plan, and that its
audience takes in; for a course that is open to everybody every school with a box. A site's policy for the course may
say otherwise: nothing of it, only what is planned, or all of it. This is what boxes go by, too (`fetching/wanted.py`). A
school has a lesson when all its boxes that want it do.

This module must not know pages.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import audience
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.learning.models import Event
from eduhub.schools import calendars, organisations
from eduhub.schools.models import Group
from eduhub.sync.allowance import policies
from eduhub.sync.fetching import wanted
from eduhub.sync.models import Arrival, Node, NodeContact

HERE, EARLIER, ON_ITS_WAY, GONE, NO_DISK, NOT_TOLD = "here", "earlier", "on_its_way", "gone", "no_disk", "not_told"
NOT_WANTED = "not_wanted"  # of one box only: of several, those that do not want a lesson count for nothing
_SHOWN = frozenset({HERE, EARLIER})
# Of several boxes of one school the state of the one that is worst off counts.
_WORST_FIRST = (NOT_TOLD, NO_DISK, GONE, ON_ITS_WAY, EARLIER, HERE)
_KINDS = frozenset({"arrived", "dropped", "no_disk"})


@dataclass(frozen=True)
class AtSchool:
    """How far a lesson is at one school, and when its box said so by the hub's clock (None: it has not)."""

    org_uid: str
    state: str
    since_ms: int | None

    @property
    def is_shown(self) -> bool:
        """Whether children can watch it there."""
        return self.state in _SHOWN


@dataclass(frozen=True)
class Reach:
    """The schools that are to have a lesson."""

    schools: tuple[AtSchool, ...]

    @property
    def arrived(self) -> int:
        """At how many of them children can watch it."""
        return sum(school.is_shown for school in self.schools)


def note(session: Session, node: Node, event: Event) -> None:
    """Write down what a box says of itself; call it once for each event that counts, in the order they came home."""
    if event.context != "system" or event.quarantined is not None or event.kind not in _KINDS:
        return
    contact = session.get(NodeContact, node.uid)
    if contact is None:
        contact = NodeContact(node_uid=node.uid, last_ms=clock.now_ms(), version="", stream_sequence=0, catalog_sequence=0)
        session.add(contact)
    if event.kind == "no_disk":
        contact.disk_full_ms = clock.now_ms()
        return
    if event.kind == "dropped":
        gone = session.get(Arrival, (node.uid, event.lesson_uid)) if event.lesson_uid else None
        if gone is not None and gone.package_id == event.part:  # of what it was never said to have, or an earlier one, it says nothing
            gone.dropped_ms = clock.now_ms()
        return
    contact.disk_full_ms = None
    package = session.get(PackageRow, event.part) if event.part else None
    if package is None or package.lesson_uid != event.lesson_uid:
        return
    row = session.get(Arrival, (node.uid, package.lesson_uid))
    if row is None:
        row = Arrival(node_uid=node.uid, lesson_uid=package.lesson_uid, revision=0)
        session.add(row)
    if package.revision >= row.revision:
        row.package_id, row.revision, row.told_ms, row.dropped_ms = package.id, package.revision, clock.now_ms(), None
    session.flush()


def of_course(session: Session, course: Course, lessons: Sequence[Lesson], today: str) -> dict[str, Reach]:
    """Where each published lesson of a course is, by lesson uid. Six questions, however many schools there are."""
    published = {lesson.uid: lesson for lesson in lessons if lesson.state == "published" and lesson.package_id}
    boxes = _boxes(session, course)
    takers, planned = _takers(session, course, today), _planned(session, published)
    words = policies.words_for(session, course.uid)
    packages = _packages(session, published)
    said = _said(session, published)
    found = {}
    for uid, lesson in published.items():
        newest, days = packages.get(str(lesson.package_id)), planned.get(uid, {})
        wanting = {
            org_uid: [box for box in nodes if _wants(course, words.get(box.site_uid), org_uid in takers, days.get(org_uid, ()), today)]
            for org_uid, nodes in boxes.items()
        }
        states = (_at_school(org_uid, nodes, newest, said.get(uid, {})) for org_uid, nodes in wanting.items() if nodes)
        found[uid] = Reach(tuple(sorted(states, key=lambda school: (_WORST_FIRST.index(school.state), school.org_uid))))
    return found


# --- inside -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Box:
    uid: str
    site_uid: str
    catalog_sequence: int
    disk_full_ms: int | None


@dataclass(frozen=True)
class _Said:
    package_id: str
    told_ms: int
    is_withdrawn: bool
    dropped_ms: int | None


def _boxes(session: Session, course: Course) -> dict[str, list[_Box]]:
    """The boxes that are in use, by school, of the schools that the course reaches."""
    rows = session.execute(
        select(Node.uid, Node.site_uid, Node.org_uid, NodeContact.catalog_sequence, NodeContact.disk_full_ms)
        .outerjoin(NodeContact, NodeContact.node_uid == Node.uid)
        .where(Node.revoked_on.is_(None), Node.ended_on.is_(None))
        .order_by(Node.uid)
    )
    found: dict[str, list[_Box]] = {}
    for uid, site_uid, org_uid, sequence, full_ms in rows:
        found.setdefault(org_uid, []).append(_Box(uid, site_uid, sequence or 0, full_ms))
    paths = organisations.paths(session)
    return {org_uid: nodes for org_uid, nodes in found.items() if audience.reaches(course, paths.get(org_uid, (org_uid,)))}


def _wants(course: Course, word: str | None, is_taken: bool, days: Collection[str | None], today: str) -> bool:
    """Whether a box gets a lesson by its site's word for the course (None: none), as `wanted` decides it at the box."""
    is_planned = bool(days) and wanted.when(days, today).rank < wanted.UNPLANNED
    if word == policies.NOTHING:
        return False  # but for a wish, which only the box knows
    if word == policies.PLANNED:
        return is_planned
    return word == policies.ALL or is_taken or bool(days) or course.audience == "open"


def _takers(session: Session, course: Course, today: str) -> set[str]:
    takes = (GroupCourse.course_uid == course.uid, or_(GroupCourse.ended_on.is_(None), GroupCourse.ended_on > today))
    return set(session.scalars(select(Group.org_uid).join(GroupCourse, GroupCourse.group_uid == Group.uid).where(*takes)))


def _planned(session: Session, lesson_uids: Iterable[str]) -> dict[str, dict[str, set[str | None]]]:
    """The days for which lessons are planned (None: 'next'), by lesson and school."""
    rows = session.execute(
        select(PlanRow.lesson_uid, Group.org_uid, PlanRow.day)
        .join(Group, Group.uid == PlanRow.group_uid)
        .where(PlanRow.lesson_uid.in_(list(lesson_uids)), PlanRow.dropped_on.is_(None))
        .distinct()
    )
    found: dict[str, dict[str, set[str | None]]] = {}
    for lesson_uid, org_uid, day in rows:
        found.setdefault(lesson_uid, {}).setdefault(org_uid, set()).add(day)
    return found


def _packages(session: Session, lessons: Mapping[str, Lesson]) -> dict[str, tuple[str, int | None]]:
    ids = [lesson.package_id for lesson in lessons.values()]
    rows = session.execute(select(PackageRow.id, PackageRow.sequence).where(PackageRow.id.in_(ids)))
    return {package_id: (package_id, sequence) for package_id, sequence in rows}


def _said(session: Session, lesson_uids: Iterable[str]) -> dict[str, dict[str, _Said]]:
    rows = session.execute(
        select(Arrival.lesson_uid, Arrival.node_uid, Arrival.package_id, Arrival.told_ms, PackageRow.withdrawn, Arrival.dropped_ms)
        .join(PackageRow, PackageRow.id == Arrival.package_id)
        .where(Arrival.lesson_uid.in_(list(lesson_uids)))
    )
    found: dict[str, dict[str, _Said]] = {}
    for lesson_uid, node_uid, package_id, told_ms, is_withdrawn, dropped_ms in rows:
        found.setdefault(lesson_uid, {})[node_uid] = _Said(package_id, told_ms, is_withdrawn, dropped_ms)
    return found


def _at_school(
    org_uid: str, boxes: Iterable[_Box], newest: tuple[str, int | None] | None, said: Mapping[str, _Said]
) -> AtSchool:
    states = [_at_box(box, newest, said.get(box.uid)) for box in boxes]
    state, since_ms = min(states, key=lambda found: _WORST_FIRST.index(found[0]))
    return AtSchool(org_uid, state, since_ms)


def _at_box(box: _Box, newest: tuple[str, int | None] | None, said: _Said | None) -> tuple[str, int | None]:
    if said is not None and newest is not None and said.package_id == newest[0]:
        return (HERE, said.told_ms) if said.dropped_ms is None else (GONE, said.dropped_ms)
    if said is not None and not said.is_withdrawn and said.dropped_ms is None:
        return EARLIER, said.told_ms
    if box.disk_full_ms is not None:
        return NO_DISK, box.disk_full_ms
    is_told = newest is not None and newest[1] is not None and box.catalog_sequence >= newest[1]
    return (ON_ITS_WAY, None) if is_told else (NOT_TOLD, None)


# --- one box ------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    """What a box has said to have got on one day of its school: lessons, and the bytes of their packages at most."""

    day: str
    lessons: int
    bytes: int


def of_box(session: Session, node_uid: str, lessons: Sequence[Lesson]) -> dict[str, AtSchool]:
    """Where published lessons that are planned there are at one box, by lesson uid; NOT_WANTED where its site takes nothing of the course."""
    published = {lesson.uid: lesson for lesson in lessons if lesson.state == "published" and lesson.package_id}
    node, contact = session.get_one(Node, node_uid), session.get(NodeContact, node_uid)
    box = _Box(node_uid, node.site_uid, contact.catalog_sequence if contact else 0, contact.disk_full_ms if contact else None)
    packages, said = _packages(session, published), _said(session, published)
    words = policies.of_site(session, node.site_uid).wanted
    found = {}
    for uid, lesson in published.items():
        state, since_ms = _at_box(box, packages.get(str(lesson.package_id)), said.get(uid, {}).get(node_uid))
        if words.get(lesson.course_uid) == policies.NOTHING and state not in _SHOWN:
            state, since_ms = NOT_WANTED, None
        found[uid] = AtSchool(node.org_uid, state, since_ms)
    return found


def by_day(session: Session, node_uid: str, org_uid: str) -> list[Day]:
    """What arrived at a box, the newest day first. A box that took some parts only got fewer bytes than the package has."""
    zone = calendars.zone_of(session, org_uid)
    sizes = dict(session.execute(
        select(PartRow.package_id, func.sum(PartRow.bytes))
        .where(PartRow.package_id.in_(select(Arrival.package_id).where(Arrival.node_uid == node_uid)))
        .group_by(PartRow.package_id)
    ).all())  # fmt: skip
    days: dict[str, tuple[int, int]] = {}
    for row in session.scalars(select(Arrival).where(Arrival.node_uid == node_uid)):
        day = clock.day_of(row.told_ms, zone)
        lessons, size = days.get(day, (0, 0))
        days[day] = lessons + 1, size + int(sizes.get(row.package_id) or 0)
    return [Day(day, lessons, size) for day, (lessons, size) in sorted(days.items(), reverse=True)]
