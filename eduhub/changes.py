"""Rows that travel between machines, and how two machines that changed them agree.

A class that inherits `Travelling` is logged by itself: on every flush, each changed field
becomes one row of the `change` table, in the same transaction, with a version
(Lamport counter, machine). No wall clock decides anything. For each field the highest
version wins; a *sticky* field that once has a value beats every "no value" (that is how a
withdrawal cannot be undone by an older or newer edit of another machine). The order is
total, so any two machines that have seen the same changes hold the same values, in whatever
order they saw them. The value that lost stays in `change`, where `history` finds it.

Changes of tables and fields that this release does not know are kept and relayed.

This module must not know which tables travel or who may change them. See docs/formats/changes.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Index, String, UniqueConstraint, event, func, insert, inspect, select, update
from sqlalchemy.orm import Mapped, Mapper, ORMExecuteState, Session, UOWTransaction, mapped_column

from eduhub import clock
from eduhub.db import Base, Json
from eduhub.errors import BadFormat, BadInput
from eduhub.uids import new_uid, parse_uid

# A counter above this is a lie: a thousand writes a second for 280,000 years. Refusing it keeps
# a hostile machine from pushing everybody's counter to the end of the number range.
MAX_COUNTER = 2**53 - 1


class Travelling:
    """Mixin of every row that leaves its machine: `class Person(Travelling, Base)`.

    No unique constraint but the uid, and no foreign key: rows arrive in any order, from
    machines that could not ask each other.
    """

    sticky: ClassVar[frozenset[str]] = frozenset()

    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_uid: Mapped[str] = mapped_column(String(36), index=True)

    def __init__(self, **values: Any) -> None:
        values.setdefault("uid", new_uid())
        for column in inspect(type(self)).columns:  # defaults now, so that the log sees them
            if column.key not in values and column.default is not None and column.default.is_scalar:
                values[column.key] = column.default.arg
        super().__init__(**values)


class Machine(Base):
    """This machine's name in versions and its Lamport counter. One row."""

    __tablename__ = "machine"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    uid: Mapped[str] = mapped_column(String(36))
    counter: Mapped[int] = mapped_column(default=0)


class Change(Base):
    """One field of one row, changed once, here or elsewhere. Never updated."""

    __tablename__ = "change"
    __table_args__ = (
        UniqueConstraint("machine_uid", "counter", "table_name", "row_uid", "field"),
        Index("ix_change_row", "table_name", "row_uid"),
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    table_name: Mapped[str] = mapped_column(String(40))
    row_uid: Mapped[str] = mapped_column(String(36))
    field: Mapped[str] = mapped_column(String(40))
    value: Mapped[Any] = mapped_column(Json, nullable=True)
    org_uid: Mapped[str] = mapped_column(String(36), index=True)
    counter: Mapped[int]
    machine_uid: Mapped[str] = mapped_column(String(36))
    made_ms: Mapped[int]
    by_uid: Mapped[str | None] = mapped_column(String(36))


class FieldVersion(Base):
    """The winning change of each field."""

    __tablename__ = "field_version"
    table_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    row_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    field: Mapped[str] = mapped_column(String(40), primary_key=True)
    change_seq: Mapped[int]


class Tombstone(Base):
    """A row that was erased for good; its changes are refused from then on."""

    __tablename__ = "tombstone"
    row_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(40))
    org_uid: Mapped[str] = mapped_column(String(36), index=True)
    erased_ms: Mapped[int]


@dataclass(frozen=True, order=True)
class FieldChange:
    """One change as it travels. `by_uid` and `made_ms` are for showing only."""

    table_name: str
    row_uid: str
    field: str
    counter: int
    machine_uid: str
    org_uid: str
    value: Any
    made_ms: int
    by_uid: str | None = None

    def as_json(self) -> list[Any]:
        """The travelling form: a list in the order of the fields above."""
        return [
            self.table_name, self.row_uid, self.field, self.counter, self.machine_uid,
            self.org_uid, self.value, self.made_ms, self.by_uid,
        ]  # fmt: skip

    @classmethod
    def from_json(cls, found: Any) -> "FieldChange":
        """Raises BadFormat for anything that `as_json` cannot have written."""
        if not isinstance(found, list) or len(found) < 9:  # a later release may add to the end
            raise BadFormat("a change is a list of nine")
        change = cls(*found[:9])
        try:
            parse_uid(change.row_uid), parse_uid(change.machine_uid), parse_uid(change.org_uid)
        except (BadInput, TypeError) as error:
            raise BadFormat("a change names rows, machines and organisations by uid") from error
        names_fit = all(isinstance(name, str) and 0 < len(name) <= 40 for name in (change.table_name, change.field))
        numbers_fit = type(change.counter) is int and 0 < change.counter <= MAX_COUNTER and type(change.made_ms) is int
        if not names_fit or not numbers_fit or not isinstance(change.by_uid, str | None):
            raise BadFormat("a change has a table, a field, a counter and a time")
        return change


# --- writing here -------------------------------------------------------------------


def machine_uid(session: Session) -> str:
    """This machine's name in versions, made at its first use."""
    return _machine(session).uid


def renew_machine(session: Session) -> str:
    """A new name after a restore or a copy: the old one may have given out the next counters already."""
    machine = _machine(session)
    machine.uid = new_uid()
    session.flush()
    return machine.uid


def _machine(session: Session) -> Machine:
    machine = session.get(Machine, 1)
    if machine is None:
        machine = Machine(id=1, uid=new_uid(), counter=0)
        session.add(machine)
        session.flush()
    return machine


def _tick(session: Session) -> tuple[int, str]:
    """The next version. Taking it holds the machine row, so commits have the order of `seq`."""
    connection = session.connection()
    table = Machine.__table__
    taken = connection.execute(
        update(table).where(table.c.id == 1).values(counter=table.c.counter + 1).returning(table.c.counter, table.c.uid)
    ).first()
    if taken is None:
        uid = new_uid()
        connection.execute(insert(table).values(id=1, uid=uid, counter=1))
        return 1, uid
    return int(taken.counter), str(taken.uid)


@event.listens_for(Session, "before_flush")
def _log_flush(session: Session, _context: UOWTransaction, _instances: object) -> None:
    if any(isinstance(row, Travelling) for row in session.deleted):
        raise TypeError("a travelling row is never deleted: end it, or erase it with changes.erase")
    changed = {row: fields for row in (*session.new, *session.dirty) if (fields := _changed_fields(row))}
    if not changed:
        return
    counter, machine = _tick(session)
    for row, fields in changed.items():
        for field, value in fields.items():
            _record(session, FieldChange(
                row.__tablename__, row.uid, field, counter, machine, row.org_uid, value,
                clock.now_ms(), session.info.get("by_uid"),
            ))  # fmt: skip


def _changed_fields(row: Any) -> dict[str, Any]:
    if not isinstance(row, Travelling):
        return {}
    state = inspect(row)
    keys = [column.key for column in state.mapper.columns if column.key != "uid"]
    if state.key is None:  # new
        return {key: getattr(row, key) for key in keys}
    changed = {}
    for key in keys:
        history = state.attrs[key].history
        if history.has_changes():
            changed[key] = getattr(row, key)
            if key in row.sticky and changed[key] is None and history.deleted and history.deleted[0] is not None:
                raise BadInput(f"{key} of {type(row).__name__} stays once it is set")
    return changed


@event.listens_for(Session, "do_orm_execute")
def _refuse_bulk_writes(state: ORMExecuteState) -> None:
    mapper: Mapper[Any] | None = state.bind_mapper
    if (state.is_update or state.is_delete or state.is_insert) and mapper and issubclass(mapper.class_, Travelling):
        raise TypeError("travelling rows are written one by one through the session, so that they are logged")


# --- merging what others wrote ------------------------------------------------------


def merge(session: Session, changes: Iterable[FieldChange]) -> set[tuple[str, str]]:
    """Take in changes from elsewhere, in any order, any number of times.

    Returns the (table, row uid) pairs whose values changed. A row shows up in its table once
    every field that must have a value has arrived. Raises BadFormat when a value does not fit
    its column; the caller's transaction then keeps nothing of the batch.
    """
    session.flush()
    touched: set[tuple[str, str]] = set()
    highest = 0
    for change in changes:
        highest = max(highest, change.counter)
        if session.get(Tombstone, change.row_uid) is None and _record(session, change):
            touched.add((change.table_name, change.row_uid))
    if highest:
        machine = _machine(session)
        session.refresh(machine)
        machine.counter = max(machine.counter, highest)
        session.flush()
    tables = _travelling_tables()
    for table_name, row_uid in sorted(touched):
        if table_name in tables:
            _materialise(session, tables[table_name], row_uid)
    return touched


def _record(session: Session, change: FieldChange) -> bool:
    """Log `change` and make it the field's value if it wins; False when it lost or was known."""
    connection = session.connection()
    table = Change.__table__
    known = connection.execute(
        select(table.c.seq).where(
            table.c.machine_uid == change.machine_uid, table.c.counter == change.counter,
            table.c.table_name == change.table_name, table.c.row_uid == change.row_uid, table.c.field == change.field,
        )  # fmt: skip
    ).first()
    if known:
        return False
    logged = connection.execute(
        insert(table).values(
            table_name=change.table_name, row_uid=change.row_uid, field=change.field, value=change.value,
            org_uid=change.org_uid, counter=change.counter, machine_uid=change.machine_uid,
            made_ms=change.made_ms, by_uid=change.by_uid,
        ).returning(table.c.seq)  # fmt: skip
    ).scalar_one()
    held = FieldVersion.__table__
    key = (
        held.c.table_name == change.table_name,
        held.c.row_uid == change.row_uid,
        held.c.field == change.field,
    )
    winner = connection.execute(select(table).join(held, held.c.change_seq == table.c.seq).where(*key)).first()
    if winner is None:
        connection.execute(
            insert(held).values(
                table_name=change.table_name, row_uid=change.row_uid, field=change.field, change_seq=logged
            )
        )
        return True
    if _rank(change, change.value) <= _rank(winner, winner.value):
        return False
    connection.execute(update(held).where(*key).values(change_seq=logged))
    return True


def _rank(change: Any, value: Any) -> tuple[bool, int, str]:
    """The total order of the changes of one field (FieldChange, or a row of `change`)."""
    model = _travelling_tables().get(change.table_name)
    is_sticky = model is not None and change.field in model.sticky
    return (is_sticky and value is not None, change.counter, change.machine_uid)


def _materialise(session: Session, model: type[Any], row_uid: str) -> None:
    values = {version.field: version.value for version in versions(session, model.__tablename__, row_uid)}
    mapper = inspect(model)
    columns = {column.key: column for column in mapper.columns if column.key != "uid"}
    known = {key: _fitting(columns[key], value) for key, value in values.items() if key in columns}
    if any(not column.nullable and known.get(key) is None for key, column in columns.items()):
        return
    table = model.__table__
    connection = session.connection()
    if connection.execute(update(table).where(table.c.uid == row_uid).values(**known)).rowcount == 0:
        connection.execute(insert(table).values(uid=row_uid, **known))
    held = session.identity_map.get(mapper.identity_key_from_primary_key((row_uid,)))
    if held is not None:
        session.expire(held)


def _fitting(column: Any, value: Any) -> Any:
    if value is None:
        return None
    wanted = dict | list if isinstance(column.type, type(Json)) else column.type.python_type
    fits = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
    if not fits or (wanted is str and column.type.length is not None and len(value) > column.type.length):
        raise BadFormat(f"{column.table.name}.{column.key} cannot hold this value")
    return value


def _travelling_tables() -> dict[str, type[Any]]:
    return {
        mapper.class_.__tablename__: mapper.class_
        for mapper in Base.registry.mappers
        if issubclass(mapper.class_, Travelling)
    }


# --- reading ------------------------------------------------------------------------


def _as_field_change(row: Any) -> FieldChange:
    return FieldChange(
        row.table_name, row.row_uid, row.field, row.counter, row.machine_uid,
        row.org_uid, row.value, row.made_ms, row.by_uid,
    )  # fmt: skip


def versions(session: Session, table_name: str, row_uid: str) -> list[FieldChange]:
    """The winning change of every field of one row."""
    found = session.execute(
        select(Change)
        .join(FieldVersion, FieldVersion.change_seq == Change.seq)
        .where(FieldVersion.table_name == table_name, FieldVersion.row_uid == row_uid)
        .order_by(Change.field)
    ).scalars()
    return [_as_field_change(row) for row in found]


def history(session: Session, table_name: str, row_uid: str) -> list[FieldChange]:
    """Everything that was ever written to a row, also what lost, oldest counter first."""
    found = session.execute(
        select(Change)
        .where(Change.table_name == table_name, Change.row_uid == row_uid)
        .order_by(Change.counter, Change.machine_uid, Change.field)
    ).scalars()
    return [_as_field_change(row) for row in found]


def made_here(session: Session, *, after_seq: int, limit: int) -> Sequence[Change]:
    """Changes of this machine's present name after a place in the log, in order."""
    return session.execute(
        select(Change)
        .where(Change.seq > after_seq, Change.machine_uid == machine_uid(session))
        .order_by(Change.seq)
        .limit(limit)
    ).scalars().all()  # fmt: skip


def rows_changed_after(session: Session, after_seq: int) -> Iterator[tuple[str, str, int]]:
    """(table, row uid, highest seq) of every row that changed after a place in the log."""
    found = session.execute(
        select(Change.table_name, Change.row_uid, func.max(Change.seq))
        .where(Change.seq > after_seq)
        .group_by(Change.table_name, Change.row_uid)
    )
    yield from ((row[0], row[1], row[2]) for row in found)


def latest_seq(session: Session) -> int:
    """The end of this machine's log; 0 when it is empty."""
    return session.execute(select(func.max(Change.seq))).scalar() or 0


def erase(session: Session, row: Travelling) -> None:
    """Remove a row, its history and its values here, for good, leaving a tombstone of its uid."""
    session.flush()
    table_name = inspect(type(row)).local_table.name
    session.add(Tombstone(row_uid=row.uid, table_name=table_name, org_uid=row.org_uid, erased_ms=clock.now_ms()))
    session.flush()
    erase_values(session, table_name, row.uid)


def erase_values(session: Session, table_name: str, row_uid: str) -> None:
    """Remove what is held of a row, as `erase` does here and a received tombstone elsewhere."""
    connection = session.connection()
    for table in (Change.__table__, FieldVersion.__table__):
        connection.execute(
            table.delete().where(table.c.table_name == table_name, table.c.row_uid == row_uid)  # type: ignore[attr-defined]
        )
    model = _travelling_tables().get(table_name)
    if model is not None:
        connection.execute(model.__table__.delete().where(model.__table__.c.uid == row_uid))
        held = session.identity_map.get(inspect(model).identity_key_from_primary_key((row_uid,)))
        if held is not None:
            session.expunge(held)
