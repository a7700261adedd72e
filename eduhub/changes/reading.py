"""Reading the log: the present versions of a row, its history, and what is new in it."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub.changes.log import as_field_change, winning
from eduhub.changes.models import Change
from eduhub.changes.values import FieldChange


def versions(session: Session, table_name: str, row_uid: str) -> list[FieldChange]:
    """The winning change of every field of one row."""
    session.flush()
    return winning(session.connection(), table_name, [row_uid])


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


def latest_seq(session: Session) -> int:
    """The end of this machine's log; 0 when it is empty."""
    return session.execute(select(func.max(Change.seq))).scalar() or 0
