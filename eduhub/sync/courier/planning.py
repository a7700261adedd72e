"""Hub: which blobs the boxes lack, in the order in which a stick is filled: so that a full stick is still the best one.

Manifests first, since nothing can be judged without them; then what every lesson needs at least, the coming days' before
the others; then what makes them better, in the same order; then the program. Which packages a school may have is what
`passes` says.

This module must not know sticks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import audience
from eduhub.courses.models import Course, PlanRow
from eduhub.delivery import catalog, published
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest, Part
from eduhub.schools import calendars, organisations
from eduhub.schools.models import Group
from eduhub.sync.allowance import policies, schedule_clock
from eduhub.sync.allowance.policies import Rules
from eduhub.sync.courier import program, wants
from eduhub.sync.courier.wants import Want
from eduhub.sync.fetching import wanted
from eduhub.sync.models import Arrival, CourierWant, Node, NodeContact

MANIFEST, FLOOR, BETTER, PROGRAM = 0, 1, 2, 3
_NOT_PLANNED, _PAST = "9", "8"


@dataclass(frozen=True, order=True)
class Item:
    """One blob for a stick. Small ones first."""

    tier: int
    day: str  # on which its lesson is taught first; '9': nobody has planned it
    position: int  # of the lesson among its school's
    sha256: str
    bytes: int
    lesson_uid: str  # of the program: the release


def lacking(session: Session, nodes: Iterable[Node]) -> list[Item]:
    """What these boxes lack, each blob once, in the order of writing."""
    best: dict[str, Item] = {}
    for node in nodes:
        for item in _of_node(session, node):
            if item.sha256 not in best or item < best[item.sha256]:
                best[item.sha256] = item
    return sorted(best.values())


def known_want(session: Session, node: Node) -> Want | None:
    """The newest want-list that this hub has read of a box, and that is of the present epoch; None without one."""
    row = session.get(CourierWant, node.uid)
    if row is None or row.document.get("epoch") != catalog.state(session).epoch:
        return None
    return wants.from_document(row.document)


def stream_after(session: Session, node: Node, want: Want | None) -> int:
    """From where on a box needs its school stream: it may have read further by its link, never less."""
    epoch = catalog.state(session).epoch
    if want is not None:
        return want.stream_sequence if want.stream_epoch == epoch else 0
    contact = session.get(NodeContact, node.uid)
    return contact.stream_sequence if contact is not None and epoch == 1 else 0


def _of_node(session: Session, node: Node) -> Iterable[Item]:
    today = schedule_clock.day(calendars.zone_of(session, node.org_uid), clock.now_ms()) or ""
    want, days = known_want(session, node), _days(session, node.org_uid, today)
    arrived = set() if want is not None else set(
        session.scalars(select(Arrival.package_id).where(Arrival.node_uid == node.uid, Arrival.dropped_ms.is_(None)))
    )  # fmt: skip
    rows = _packages(session, node, today)
    sequences = {name: found.sequence for name, found in published.of(session, [row.id for row in rows]).items()}
    rules = policies.of_site(session, node.site_uid)
    held = _held(rows, sequences, want, rules)
    for position, row in enumerate(rows):
        sequence = sequences.get(row.id)
        if sequence is None or (want is not None and want.has_whole(sequence)):
            continue
        place = (days.get(row.lesson_uid, _NOT_PLANNED), position)
        yield Item(MANIFEST, *place, row.id, len(row.manifest), row.lesson_uid)
        manifest = Manifest.from_bytes(row.manifest)
        floor, choice = {part.sha256 for part in manifest.floor_parts}, rules.of(row.course_uid)
        for number, part in enumerate(manifest.parts):
            is_there = part.sha256 in held or (want is not None and want.has_part(sequence, number))
            if is_there or not wanted.is_wanted(part, choice) or (row.id in arrived and part.sha256 in floor):
                continue
            tier = FLOOR if part.sha256 in floor else BETTER
            yield from _blobs(tier, place, part, row.lesson_uid)
    said = program.heard(want.document.get("program"), want.version) if want is not None else None
    if want is None or said is not None:
        for release_id, sha256, size in program.lacking(session, node, said):
            yield Item(PROGRAM, _NOT_PLANNED, 0 if sha256 == release_id else 1, sha256, size, release_id)


def _blobs(tier: int, place: tuple[str, int], part: Part, lesson_uid: str) -> Iterable[Item]:
    if part.pieces:
        yield Item(tier, *place, part.pieces, part.piece_list_bytes, lesson_uid)
    yield Item(tier, *place, part.sha256, part.bytes, lesson_uid)


def _packages(session: Session, node: Node, today: str) -> list[PackageRow]:
    """Packages that the box wants and its school may have, in the order of courses and lessons."""
    path = organisations.path(session, node.org_uid)
    found = []
    for package_id in wanted.wanted_packages(session, node.org_uid, today, policies.of_site(session, node.site_uid)):
        row = session.get(PackageRow, package_id)
        course = session.get(Course, row.course_uid) if row is not None and row.course_uid else None
        if row is not None and not row.withdrawn and course is not None and audience.reaches(course, path):
            found.append(row)
    return found


def _held(rows: Iterable[PackageRow], sequences: dict[str, int], want: Want | None, rules: Rules) -> set[str]:
    """Blobs that lie at the box as parts of one package and are, perhaps, parts of another."""
    held: set[str] = set()
    for row in rows:
        sequence = sequences.get(row.id)
        if want is None or sequence is None or sequence > want.catalog_sequence:
            continue
        for number, part in enumerate(Manifest.from_bytes(row.manifest).parts):
            if wanted.is_wanted(part, rules.of(row.course_uid)) and want.has_part(sequence, number):
                held.add(part.sha256)
    return held


def _days(session: Session, org_uid: str, today: str) -> dict[str, str]:
    """By lesson, the first day from today on for which it is planned; one that is 'next' counts as today's."""
    groups = select(Group.uid).where(Group.org_uid == org_uid)
    found: dict[str, str] = {}
    planned = select(PlanRow.lesson_uid, PlanRow.day).where(PlanRow.group_uid.in_(groups), PlanRow.dropped_on.is_(None))
    for lesson_uid, day in session.execute(planned):
        when = today if day is None else day if day >= today else _PAST
        found[lesson_uid] = min(found.get(lesson_uid, _NOT_PLANNED), when)
    return found
