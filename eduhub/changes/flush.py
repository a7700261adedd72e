"""What happens on every flush: changed fields of travelling rows go into the log, in the same transaction."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import event, inspect, select
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, UOWTransaction

from eduhub import clock
from eduhub.changes.log import by_table, record, tick
from eduhub.changes.models import Tombstone, Travelling
from eduhub.changes.values import FieldChange, check_fits
from eduhub.errors import BadFormat, BadInput


@event.listens_for(Session, "before_flush")
def _log_flush(session: Session, _context: UOWTransaction, _instances: object) -> None:
    if any(isinstance(row, Travelling) for row in session.deleted):
        raise TypeError("a travelling row is never deleted: end it, or erase it with changes.erase")
    changed = {row: fields for row in (*session.new, *session.dirty) if (fields := _changed_fields(row))}
    if not changed:
        return
    for row, fields in changed.items():
        _check(row, fields)
    counter, machine = tick(session)
    _refuse_erased(session, [row for row in changed if inspect(row).key is None])
    by_uid, now_ms = session.info.get("by_uid"), clock.now_ms()
    made = {
        (row, key): FieldChange(
            row.__tablename__, row.uid, key, counter, machine, row.org_uid, value, now_ms, by_uid
        )
        for row, fields in changed.items()
        for key, value in fields.items()
    }  # fmt: skip
    won = record(session, list(made.values()), made_here=True)
    for (row, key), change in made.items():
        if (change.table_name, change.row_uid, key) not in won:
            # Ours has the highest counter, so only a sticky field that was set can have beaten it.
            raise BadInput(f"{key} of {type(row).__name__} stays once it is set")


def _changed_fields(row: Any) -> dict[str, Any]:
    if not isinstance(row, Travelling):
        return {}
    state = inspect(row)
    keys = [column.key for column in state.mapper.columns if column.key != "uid"]
    if state.key is None:  # new
        return {key: getattr(row, key) for key in keys}
    return {key: getattr(row, key) for key in keys if state.attrs[key].history.has_changes()}


def _check(row: Any, fields: dict[str, Any]) -> None:
    for key, value in fields.items():
        try:
            check_fits(type(row), key, value)
        except BadFormat as error:
            raise BadInput(error.detail) from error


def _refuse_erased(session: Session, rows: Iterable[Any]) -> None:
    table: Any = Tombstone.__table__
    for table_name, uids in by_table((row.__tablename__, row.uid) for row in rows):
        erased = select(table.c.row_uid).where(table.c.table_name == table_name, table.c.row_uid.in_(uids))
        if session.connection().execute(erased).first():
            raise BadInput(f"a row of {table_name} was erased for good; a new one needs a new uid")


@event.listens_for(Session, "do_orm_execute")
def _refuse_bulk_writes(state: ORMExecuteState) -> None:
    mapper: Mapper[Any] | None = state.bind_mapper
    if (state.is_update or state.is_delete or state.is_insert) and mapper and issubclass(mapper.class_, Travelling):
        raise TypeError("travelling rows are written one by one through the session, so that they are logged")
