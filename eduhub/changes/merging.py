"""Taking in what others wrote, in any order and any number of times."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from eduhub.changes.log import by_table, record, tick, winning
from eduhub.changes.models import FieldVersion, Tombstone, Travelling
from eduhub.changes.values import MAX_COUNTER, MAX_LEAD, FieldChange, check_fits, check_plain
from eduhub.db import Base
from eduhub.errors import BadFormat

_AT_ONCE = 500  # rows


def merge(session: Session, changes: Iterable[FieldChange]) -> set[tuple[str, str]]:
    """Take in changes from elsewhere, in any order, any number of times.

    Returns the (table, row uid) pairs whose values changed. A row shows up in its table once
    every field that must have a value has arrived. Raises BadFormat when a value does not fit
    its column or a counter is out of all reason; the caller's transaction then keeps nothing of
    the batch.
    """
    arrived = list(changes)
    if not arrived:
        return set()
    session.flush()
    own, _machine = tick(session, step=0)
    tables = travelling_tables()
    for change in arrived:
        _check(change, tables.get(change.table_name), own)
    tick(session, at_least=max(change.counter for change in arrived), step=0)
    erased = _erased(session, arrived)
    won = record(session, [change for change in arrived if change.row not in erased], made_here=False)
    touched = {(table_name, row_uid) for table_name, row_uid, _field in won}
    for table_name, row_uids in by_table(touched):
        if table_name in tables:
            _materialise(session, tables[table_name], row_uids)
    return touched


def take_up(session: Session, new_columns: Mapping[str, Collection[str]]) -> None:
    """Write into tables what had come for them before this program knew of them. `new_columns` are by table.

    An older program keeps changes of tables and fields that it does not know; nobody sends them a second time. What
    does not fit its column now stays in the log alone.
    """
    tables = travelling_tables()
    versions: Any = FieldVersion.__table__
    for name in sorted(tables.keys() & new_columns.keys()):
        waiting = select(versions.c.row_uid).where(versions.c.table_name == name, versions.c.field.in_(new_columns[name])).distinct()
        row_uids = sorted(session.connection().execute(waiting).scalars())
        for at in range(0, len(row_uids), _AT_ONCE):
            _take_up(session, tables[name], row_uids[at : at + _AT_ONCE])


def _take_up(session: Session, model: Any, row_uids: list[str]) -> None:
    try:
        with session.begin_nested():
            _materialise(session, model, row_uids)
    except (BadFormat, DBAPIError):
        if len(row_uids) == 1:
            return
        for row_uid in row_uids:
            _take_up(session, model, [row_uid])


def _check(change: FieldChange, model: type[Any] | None, own_counter: int) -> None:
    if not 0 < change.counter <= min(MAX_COUNTER, own_counter + MAX_LEAD):
        raise BadFormat(f"the counter {change.counter} is out of all reason")
    if model is not None and change.field in model.__mapper__.columns:
        check_fits(model, change.field, change.value)
    else:
        check_plain(change.value)


def _erased(session: Session, changes: Sequence[FieldChange]) -> set[tuple[str, str]]:
    table: Any = Tombstone.__table__
    found: set[tuple[str, str]] = set()
    for table_name, uids in by_table(change.row for change in changes):
        erased = select(table.c.row_uid).where(table.c.table_name == table_name, table.c.row_uid.in_(uids))
        found.update((table_name, row_uid) for row_uid in session.connection().execute(erased).scalars())
    return found


def _materialise(session: Session, model: Any, row_uids: list[str]) -> None:
    """Write the winning values of some rows into their table."""
    connection = session.connection()
    mapper, table = inspect(model), model.__table__
    columns = {column.key: column for column in mapper.columns if column.key != "uid"}
    values: dict[str, dict[str, Any]] = {row_uid: {} for row_uid in row_uids}
    for change in winning(connection, table.name, row_uids):
        if change.field in columns:
            # It fitted the release that took it in, which may not have been this one.
            check_fits(model, change.field, change.value)
            values[change.row_uid][change.field] = change.value
    there = set(connection.execute(select(table.c.uid).where(table.c.uid.in_(row_uids))).scalars())
    alike: dict[tuple[bool, tuple[str, ...]], list[dict[str, Any]]] = {}  # those that one statement can write
    for row_uid, found in values.items():
        if any(not column.nullable and found.get(key) is None for key, column in columns.items()):
            continue
        written = {f"to_{key}": found[key] for key in sorted(found)} | {"of_uid": row_uid}
        alike.setdefault((row_uid in there, tuple(sorted(found))), []).append(written)
    for (is_there, keys), rows in alike.items():
        to: dict[str, Any] = {key: bindparam(f"to_{key}") for key in keys}
        writing = update(table).where(table.c.uid == bindparam("of_uid")) if is_there else insert(table)
        connection.execute(writing.values(to if is_there else to | {"uid": bindparam("of_uid")}), rows)
    for row_uid in row_uids:
        held = session.identity_map.get(mapper.identity_key_from_primary_key((row_uid,)))
        if held is not None:
            session.expire(held)


def travelling_tables() -> dict[str, Any]:
    """The classes that travel, by the name of their table."""
    classes: list[Any] = [mapper.class_ for mapper in Base.registry.mappers]
    return {found.__tablename__: found for found in classes if issubclass(found, Travelling)}
