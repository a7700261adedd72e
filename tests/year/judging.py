"""Whether the county is as it should be: after each deed that nothing half is shown, at the end that all are equal and nothing is lost."""

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts import audit
from eduhub.accounts.models import AuditEntry, Person
from eduhub.changes import Change, FieldVersion, Tombstone
from eduhub.changes.merging import travelling_tables
from eduhub.delivery import catalog
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.learning.models import Event, Progress
from eduhub.schools.models import Enrolment
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.boxes import joining
from eduhub.sync.fetching import wanted
from eduhub.sync.homeward import outbox
from eduhub.sync.school_stream import scope
from tests.year.machine import Machine
from tests.year.promised import Promised, held

# What a box may be refused: it did not know yet that the child was erased.
_MAY_BE_PUT_ASIDE = frozenset({"erased"})
Row = tuple[str, str]
Versions = dict[Row, dict[str, tuple[int, str, Any]]]
_verified: dict[tuple[int, int], str] = {}


def half_shown(machine: Machine) -> Iterator[str]:
    """Lessons that are shown here and are not whole; every file is read once."""
    data = machine.settings.data_dir
    with machine.here.database.read() as session:
        shown = select(PackageRow.id).where(PackageRow.floor_held.is_(True), PackageRow.withdrawn.is_(False))
        floors = select(PartRow).where(PartRow.package_id.in_(shown), PartRow.is_floor.is_(True), PartRow.held.is_(False))
        for part in session.scalars(floors):
            yield f"{machine.name} shows half a lesson: {part.kind} of {part.package_id[:8]}"
        parts = session.scalars(select(PartRow).where(PartRow.held.is_(True))).all()
    for part in parts:
        path = data / "packages" / part.package_id / part.sha256
        if not path.is_file():
            yield f"{machine.name} shows a part that cannot be read: {part.kind} of {part.package_id[:8]}"
        elif _hash_of(path) != part.sha256:
            yield f"{machine.name} shows other bytes: {part.kind} of {part.package_id[:8]}"


def corrupt(machine: Machine) -> Iterator[str]:
    """Files whose bytes are not those of their name, rows without files, a database that is damaged."""
    data = machine.settings.data_dir
    with machine.here.database.read() as session:
        told = session.connection().exec_driver_sql("PRAGMA integrity_check").scalar_one()
        rows = set(session.scalars(select(BlobRow.sha256)))
    if told != "ok":
        yield f"{machine.name}: {told}"
    names = set()
    for path in (data / "blobs").glob("[0-9a-f][0-9a-f]/*"):
        names.add(path.name)
        if _hash_of(path) != path.name:
            yield f"{machine.name}: {path.name[:8]} has other bytes"
    yield from (f"{machine.name}: no file of {name[:8]}" for name in rows - names)


def _hash_of(path: Any) -> str:
    facts = path.stat()
    key = (facts.st_ino, facts.st_mtime_ns)
    if key not in _verified:
        _verified[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _verified[key]


def diverged(hub: Machine, boxes: list[Machine]) -> Iterator[str]:
    """Rows, progress, catalog and lessons that are not alike at the hub and at a box that may see them."""
    with hub.at_work(), hub.here.database.read() as at_hub:
        truth, today = _versions(at_hub), clock.now().date().isoformat()
        yield from _tables_differ(at_hub, hub.name, truth)
        end = (catalog.state(at_hub).epoch, catalog.state(at_hub).sequence, catalog.state(at_hub).hash)
        for box in boxes:
            with box.here.database.read() as session:
                node = joining.own_node(session)
                assert node is not None
                visible = scope.of_school(at_hub, node.org_uid, today)
                here = _versions(session)
                yield from _tables_differ(session, box.name, here)
                yield from _rows_differ(box.name, {row: truth.get(row, {}) for row in visible.rows}, here)
                yield from _progress_differs(box.name, _progress(at_hub, visible.learners), _progress(session, None))
                state = catalog.state(session)
                if (state.epoch, state.sequence, state.hash) != end:
                    yield f"{box.name} has another catalog: {(state.epoch, state.sequence)} for {end[:2]}"
                if outbox.waiting(session):
                    yield f"{box.name} still has {outbox.waiting(session)} rows to bring home"
                yield from _lessons_missing(session, box, node.org_uid)


def _lessons_missing(session: Session, box: Machine, org_uid: str) -> Iterator[str]:
    at_ms = schedule_clock.now_ms(session, box.here.steady)
    asked = wanted.wanted_packages(session, org_uid, schedule_clock.day("Asia/Shanghai", at_ms))
    for package_id in asked:
        row = session.get(PackageRow, package_id)
        missing = select(PartRow.kind).where(PartRow.package_id == package_id, PartRow.wanted.is_(True), PartRow.held.is_(False))
        if row is None or not row.floor_held or session.scalars(missing).first() is not None:
            yield f"{box.name} lacks parts of {package_id[:8]}"


def _versions(session: Session) -> Versions:
    found: Versions = {}
    winners = select(Change).join(FieldVersion, FieldVersion.change_seq == Change.seq)
    for change in session.scalars(winners):
        row = found.setdefault((change.table_name, change.row_uid), {})
        row[change.field] = (change.counter, change.machine_uid, change.value)
    return found


def _tables_differ(session: Session, name: str, versions: Versions) -> Iterator[str]:
    """Whether tables say what the log says."""
    for table, model in travelling_tables().items():
        rows = {row.uid: row for row in session.scalars(select(model))}
        logged = {uid: fields for (of, uid), fields in versions.items() if of == table}
        for uid in rows.keys() | logged.keys():
            if uid not in rows:
                yield f"{name}: {table} {uid} is in the log and not in its table"
            elif uid not in logged:
                yield f"{name}: {table} {uid} is in its table and not in the log"
            else:
                wrong = [key for key, version in logged[uid].items() if getattr(rows[uid], key, version[2]) != version[2]]
                if wrong:
                    yield f"{name}: {table} {uid} says something else of {wrong}"


def _rows_differ(name: str, truth: Versions, here: Versions) -> Iterator[str]:
    for row in truth.keys() | here.keys():
        if row not in here:
            yield f"{name} lacks {row}"
        elif row not in truth:
            yield f"{name} still has {row}"
        elif truth[row] != here[row]:
            differing = [key for key in truth[row].keys() | here[row].keys() if truth[row].get(key) != here[row].get(key)]
            yield f"{name} has another {row}: {[(key, truth[row].get(key), here[row].get(key)) for key in differing]}"


def _progress(session: Session, learners: frozenset[str] | None) -> dict[tuple[str, str, str], Any]:
    rows = session.scalars(select(Progress))
    return {
        (row.person_uid, row.lesson_uid, row.timeline_uid): ([list(span) for span in row.spans], row.watched_ms, row.position_ms)
        for row in rows if learners is None or row.person_uid in learners
    }  # fmt: skip


def _progress_differs(name: str, truth: dict[Any, Any], here: dict[Any, Any]) -> Iterator[str]:
    learners = {key[0] for key in truth}
    for key in truth.keys() | here.keys():
        if key not in truth and key[0] not in learners:
            yield f"{name} still has progress of {key[0]}"
        elif truth.get(key) != here.get(key):
            yield f"{name} has other progress of {key}: {truth.get(key)} at the hub, {here.get(key)} there"


def lost(hub: Machine, boxes: list[Machine], promised: Promised) -> Iterator[str]:
    """What was told and is not at the hub; what counts for nothing there; progress that is not what the events say."""
    at_hub = held(hub)
    with hub.here.database.read() as session:
        buried = {(row[0], row[1]) for row in session.execute(select(Tombstone.table_name, Tombstone.row_uid))}
        for uid, reason in session.execute(select(Event.uid, Event.quarantined).where(Event.quarantined.is_not(None))):
            if uid not in promised.quarantined:
                yield f"event {uid} counts for nothing: {reason}"
        for action in session.scalars(select(AuditEntry.action).where(AuditEntry.action.startswith(audit.PUT_ASIDE))):
            if action.removeprefix(f"{audit.PUT_ASIDE}.") not in _MAY_BE_PUT_ASIDE:
                yield f"a row was put aside: {action}"
        yield from _miscounted(session)
    for child in promised.erased - at_hub.tombstones:
        yield f"{child} was erased and is back"
    for uid in promised.missing(at_hub) - promised.of_the_erased:
        yield f"event {uid} is lost"
    for change in promised.changes - at_hub.changes:
        if change[:2] not in buried and not promised.is_of_the_erased(change[:2]):
            yield f"change {change} is lost"
    for machine in (hub, *boxes):
        yield from _left_of_the_erased(machine, promised.erased)


def _left_of_the_erased(machine: Machine, erased: set[str]) -> Iterator[str]:
    with machine.here.database.read() as session:
        for child in session.scalars(select(Person.uid).where(Person.uid.in_(erased))):
            yield f"{child} was erased and is still at {machine.name}"
        for uid in session.scalars(select(Event.uid).where(Event.actor_uid.in_(erased))):
            yield f"event {uid} of an erased child is still at {machine.name}"


def _miscounted(session: Session) -> Iterator[str]:
    """Progress at the hub, counted again from its events in another way: five seconds by five seconds."""
    counted: dict[tuple[str, str, str], tuple[set[int], int]] = {}
    orgs = {(row[0], row[1]) for row in session.execute(select(Enrolment.person_uid, Enrolment.org_uid))}
    homes = {row[0]: row[1] for row in session.execute(select(Person.uid, Person.org_uid))}
    step = 5_000
    for event in session.scalars(select(Event).where(Event.kind == "watched", Event.quarantined.is_(None))):
        if event.subject_uids:
            who = [uid for uid in event.subject_uids if homes.get(uid) == event.org_uid or (uid, event.org_uid) in orgs]
        else:
            who = [event.actor_uid] if event.actor_uid else []
        for person in who:
            if person not in homes:
                continue
            seen, watched = counted.get((person, event.lesson_uid or "", event.timeline_uid or ""), (set(), 0))
            seen = seen | set(range((event.from_ms or 0) // step, (event.to_ms or 0) // step))
            counted[person, event.lesson_uid or "", event.timeline_uid or ""] = (seen, watched + (event.watched_ms or 0))
    held_rows = _progress(session, None)
    for key in counted.keys() | held_rows.keys():
        spans, watched_ms = held_rows.get(key, ([], 0, 0))[:2]
        seen = {at for start, end in spans for at in range(start // step, end // step)}
        if (seen, watched_ms) != counted.get(key, (set(), 0)):
            yield f"progress of {key} is {len(seen)} steps and {watched_ms} ms, its events say {counted.get(key)}"
