"""Removing a row for good. Its uid stays, so that no late change brings it back."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.changes.log import tick
from eduhub.changes.merging import travelling_tables
from eduhub.changes.models import Change, FieldVersion, Tombstone, Travelling
from eduhub.db import portions


def erase(session: Session, row: Travelling) -> None:
    """Remove a row, its history and its values here, for good, leaving a tombstone of its uid."""
    session.flush()
    bury(session, inspect(type(row)).local_table.name, row.uid, row.org_uid)


def erased(session: Session, table_name: str, row_uids: Collection[str]) -> set[str]:
    """Those of some rows that were erased."""
    asked = select(Tombstone.row_uid).where(Tombstone.table_name == table_name)
    return {uid for some in portions(row_uids) for uid in session.scalars(asked.where(Tombstone.row_uid.in_(some)))}


def bury(session: Session, table_name: str, row_uid: str, org_uid: str) -> None:
    """Take in a tombstone: whatever is held of the row goes, and whatever comes later is refused. Safe to repeat."""
    session.flush()
    counter, _machine = tick(session)  # a merge that runs at the same time is over, or waits until the tombstone stands
    if session.get(Tombstone, (table_name, row_uid)) is None:
        session.add(Tombstone(
            table_name=table_name, row_uid=row_uid, org_uid=org_uid, erased_ms=clock.now_ms(), counter=counter
        ))  # fmt: skip
        session.flush()
    erase_values(session, table_name, row_uid)


def erase_values(session: Session, table_name: str, row_uid: str) -> None:
    """Remove what is held of a row, and leave its tombstone to the caller."""
    tick(session)  # the log gets shorter by it; only the counter tells a reader that something changed
    connection = session.connection()
    for table in (Change.__table__, FieldVersion.__table__):
        connection.execute(
            table.delete().where(table.c.table_name == table_name, table.c.row_uid == row_uid)  # type: ignore[attr-defined]
        )
    model: type[Any] | None = travelling_tables().get(table_name)
    if model is not None:
        connection.execute(model.__table__.delete().where(model.__table__.c.uid == row_uid))
        held = session.identity_map.get(inspect(model).identity_key_from_primary_key((row_uid,)))
        if held is not None:
            session.expunge(held)
