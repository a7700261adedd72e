"""Writing to the log: this machine's name and counter, and which change of a field wins."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, text, update
from sqlalchemy.orm import Session

from eduhub.changes.models import Change, FieldVersion, Machine
from eduhub.changes.values import FieldChange, value_hash
from eduhub.db import Database, portions
from eduhub.uids import new_uid

_change: Any = Change.__table__
_held: Any = FieldVersion.__table__
_machine: Any = Machine.__table__
_HELD = select(_machine.c.uid).where(_machine.c.id == 1).with_for_update()
_ADD_MACHINE = text("INSERT INTO machine (id, uid, counter) VALUES (1, :uid, 0) ON CONFLICT DO NOTHING")


def machine_uid(session: Session) -> str:
    """This machine's name in versions, made at its first use."""
    connection = session.connection()
    found = connection.execute(select(_machine.c.uid)).scalar()
    if found is None:
        connection.execute(_ADD_MACHINE, {"uid": new_uid()})
        found = connection.execute(select(_machine.c.uid)).scalar_one()
    return str(found)


def hold_machine(session: Session) -> str:
    """The same, with the machine's row held until the transaction ends: the line in which writers of the log, of events and of the outbox stand."""
    connection = session.connection()
    found = connection.execute(_HELD).scalar()
    if found is None:
        machine_uid(session)
        found = connection.execute(_HELD).scalar_one()
    return str(found)


@contextmanager
def writing(database: Database) -> Iterator[Session]:
    """One transaction that may write the log: it stands in that line from its beginning.

    Whoever locked a lesson first and came to the log then would wait for one who writes the log already and wants that
    lesson. It also lets a check hold until what was checked for is written. SQLite's writers come one by one anyway.
    """
    with database.write() as session:
        if not database.is_sqlite:
            hold_machine(session)
        yield session


def renew_machine(session: Session) -> str:
    """A new name after a restore or a copy: the old one may have given out the next counters already."""
    machine_uid(session)
    uid = new_uid()
    session.connection().execute(update(_machine).values(uid=uid))
    session.expire_all()
    return uid


def tick(session: Session, at_least: int = 0, step: int = 1) -> tuple[int, str]:
    """The next version, at least `at_least`; `step` 0 only looks.

    It holds the machine row until the transaction ends, so that one transaction after another
    writes the log: commits have the order of `seq`, and no two judge the same field at once.
    """
    connection = session.connection()
    higher = _machine.c.counter + step
    taking = (
        update(_machine).where(_machine.c.id == 1).values(counter=higher).returning(_machine.c.counter, _machine.c.uid)
    )
    taken = connection.execute(taking).first()
    if taken is None:
        connection.execute(_ADD_MACHINE, {"uid": new_uid()})
        taken = connection.execute(taking).one()
    if taken.counter < at_least:
        connection.execute(update(_machine).where(_machine.c.id == 1).values(counter=at_least))
        return at_least, str(taken.uid)
    return int(taken.counter), str(taken.uid)


def record(session: Session, changes: Sequence[FieldChange], *, made_here: bool) -> dict[tuple[str, str, str], FieldChange]:
    """Log the changes that are not known yet; returns the new winner of each field that got one.

    The caller holds the machine row (`tick`).
    """
    connection = session.connection()
    known, winners = _known(connection, changes), _winners(connection, changes)
    had = set(winners)
    new: list[FieldChange] = []
    won: dict[tuple[str, str, str], int] = {}
    for change in changes:
        key, name = _key(change), _name(change)
        if name in known:
            continue
        known.add(name)
        new.append(change)
        if key not in winners or change.rank > winners[key].rank:
            winners[key] = change
            won[key] = len(new) - 1
    if not new:
        return {}
    seqs = _append(connection, new, made_here)
    _point(connection, {key: seqs[place] for key, place in won.items()}, had)
    return {key: winners[key] for key in won}


def _key(change: FieldChange) -> tuple[str, str, str]:
    return change.table_name, change.row_uid, change.field


def _name(change: FieldChange) -> tuple[str, str, str, int, str, str]:
    return (*_key(change), change.counter, change.machine_uid, value_hash(change.value))


def by_table(rows: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    """(table, row uids) in portions that fit into one statement."""
    uids: dict[str, list[str]] = {}
    for table_name, row_uid in sorted(set(rows)):
        uids.setdefault(table_name, []).append(row_uid)
    for table_name, found in uids.items():
        for some in portions(found):
            yield table_name, some


def _known(connection: Connection, changes: Sequence[FieldChange]) -> set[tuple[str, str, str, int, str, str]]:
    lowest = min((change.counter for change in changes), default=0)
    c = _change.c
    found: set[tuple[str, str, str, int, str, str]] = set()
    for table_name, uids in by_table(change.row for change in changes):
        rows = connection.execute(
            select(c.table_name, c.row_uid, c.field, c.counter, c.machine_uid, c.value_hash)
            .where(c.table_name == table_name, c.row_uid.in_(uids), c.counter >= lowest)
        )  # fmt: skip
        found.update((row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows)
    return found


def _winners(connection: Connection, changes: Sequence[FieldChange]) -> dict[tuple[str, str, str], FieldChange]:
    found = {}
    for table_name, uids in by_table(change.row for change in changes):
        for winner in winning(connection, table_name, uids):
            found[_key(winner)] = winner
    return found


def winning(connection: Connection, table_name: str, row_uids: Sequence[str]) -> list[FieldChange]:
    """The winning change of every field of some rows of one table."""
    rows = connection.execute(
        select(_change)
        .join(_held, _held.c.change_seq == _change.c.seq)
        .where(_held.c.table_name == table_name, _held.c.row_uid.in_(row_uids))
        .order_by(_change.c.row_uid, _change.c.field)
    )
    return [as_field_change(row) for row in rows]


def as_field_change(row: Any) -> FieldChange:
    """A row of the log in the form that travels."""
    return FieldChange(
        row.table_name, row.row_uid, row.field, row.counter, row.machine_uid,
        row.org_uid, row.value, row.made_ms, row.by_uid,
    )  # fmt: skip


def _append(connection: Connection, changes: Sequence[FieldChange], made_here: bool) -> list[int]:
    values = [
        {
            "table_name": change.table_name, "row_uid": change.row_uid, "field": change.field,
            "value": change.value, "value_hash": value_hash(change.value), "org_uid": change.org_uid,
            "counter": change.counter, "machine_uid": change.machine_uid, "made_here": made_here,
            "made_ms": change.made_ms, "by_uid": change.by_uid,
        }
        for change in changes
    ]  # fmt: skip
    if connection.dialect.name == "sqlite" and len(values) > 1:
        return _append_to_sqlite(connection, values)
    appending = insert(_change).returning(_change.c.seq, sort_by_parameter_order=True)
    return list(connection.execute(appending, values).scalars())


def _append_to_sqlite(connection: Connection, values: list[dict[str, Any]]) -> list[int]:
    """SQLite does not say in which order it returns numbers, so SQLAlchemy would insert line by line. Nobody else writes meanwhile,
    and numbers grow from one line to the next.
    """
    before = connection.execute(select(func.max(_change.c.seq))).scalar() or 0
    connection.execute(insert(_change), values)
    return list(connection.execute(select(_change.c.seq).where(_change.c.seq > before).order_by(_change.c.seq)).scalars())


def _point(connection: Connection, seqs: dict[tuple[str, str, str], int], had: set[tuple[str, str, str]]) -> None:
    new = [_pointer(key, seq) for key, seq in seqs.items() if key not in had]
    changed = [_pointer(key, seq) for key, seq in seqs.items() if key in had]
    if new:
        connection.execute(
            insert(_held).values(
                table_name=bindparam("of_table"), row_uid=bindparam("of_row"), field=bindparam("of_field"),
                change_seq=bindparam("to_seq"),
            ),
            new,
        )  # fmt: skip
    if changed:
        connection.execute(
            update(_held)
            .where(
                _held.c.table_name == bindparam("of_table"), _held.c.row_uid == bindparam("of_row"),
                _held.c.field == bindparam("of_field"),
            )
            .values(change_seq=bindparam("to_seq")),
            changed,
        )  # fmt: skip


def _pointer(key: tuple[str, str, str], seq: int) -> dict[str, Any]:
    return {"of_table": key[0], "of_row": key[1], "of_field": key[2], "to_seq": seq}
