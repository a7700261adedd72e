"""Reading the log: the present versions of a row, its history, and what is new in it."""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub.changes.log import as_field_change, winning
from eduhub.changes.models import Change, Tombstone
from eduhub.changes.values import FieldChange


def versions(session: Session, table_name: str, *row_uids: str) -> list[FieldChange]:
    """The winning change of every field of one row, or of some of one table."""
    session.flush()
    return winning(session.connection(), table_name, row_uids)


def history(session: Session, table_name: str, row_uid: str) -> list[FieldChange]:
    """Everything that was ever written to a row, also what lost, oldest counter first."""
    found = session.execute(
        select(Change)
        .where(Change.table_name == table_name, Change.row_uid == row_uid)
        .order_by(Change.counter, Change.machine_uid, Change.field, Change.value_hash)
    ).scalars()
    return [as_field_change(row) for row in found]


def made_here(session: Session, *, after_seq: int, limit: int) -> Sequence[Change]:
    """Changes that this database wrote itself, under any of its names, after a line of the log, in order."""
    return session.execute(
        select(Change).where(Change.seq > after_seq, Change.made_here).order_by(Change.seq).limit(limit)
    ).scalars().all()  # fmt: skip


def rows_changed_after(session: Session, after_seq: int) -> Iterator[tuple[str, str, int]]:
    """(table, row uid, highest seq) of every row that changed after a line of the log."""
    found = session.execute(
        select(Change.table_name, Change.row_uid, func.max(Change.seq))
        .where(Change.seq > after_seq)
        .group_by(Change.table_name, Change.row_uid)
    )
    yield from ((row[0], row[1], row[2]) for row in found)


def fields_changed_after(session: Session, after_seq: int) -> dict[tuple[str, str], set[str]]:
    """The fields of each row that were written after a line of the log, whether they won or not."""
    found: dict[tuple[str, str], set[str]] = {}
    # Not DISTINCT: SQLite would then go through an index of the whole log.
    asked = select(Change.table_name, Change.row_uid, Change.field).where(Change.seq > after_seq)
    for table_name, row_uid, field in session.execute(asked):
        found.setdefault((table_name, row_uid), set()).add(field)
    return found


def values_ever(session: Session, table_name: str, field: str, row_uids: Collection[str]) -> set[str]:
    """Every text that was ever written to a field of some rows of one table, also what lost."""
    asked = select(Change.value).where(Change.table_name == table_name, Change.row_uid.in_(row_uids), Change.field == field)
    return {value for value in session.scalars(asked) if isinstance(value, str)}


def erased_after(session: Session, counter: int) -> set[tuple[str, str]]:
    """(table, row uid) of every row that was buried here after this machine's counter stood there."""
    asked = select(Tombstone.table_name, Tombstone.row_uid).where(Tombstone.counter > counter)
    return {(row[0], row[1]) for row in session.execute(asked)}


def latest_erasure(session: Session) -> int:
    """The counter of the newest tombstone; 0 when there is none that was counted."""
    return session.execute(select(func.max(Tombstone.counter))).scalar() or 0


def latest_seq(session: Session) -> int:
    """The end of this machine's log; 0 when it is empty."""
    return session.execute(select(func.max(Change.seq))).scalar() or 0
