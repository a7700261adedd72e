"""Hub: what the rules look at for some rows of a box, asked for all of them at once.

This module must not know the rules.
"""

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts.models import Person, RoleGrant
from eduhub.changes import Change, FieldChange, Machine
from eduhub.db import portions
from eduhub.schools.models import Group, LearnerRecord
from eduhub.sync.models import StreamRow
from eduhub.sync.school_stream import scope
from eduhub.sync.school_stream.scope import Key


class Seen:
    """Each thing is asked for when it is needed first."""

    def __init__(self, session: Session, org_uid: str, rows: Collection[list[FieldChange]]) -> None:
        self._session, self._org_uid, self._fields = session, org_uid, [change for asked in rows for change in asked]
        self._rows: dict[str, set[str]] = {}
        for change in self._fields:
            self._rows.setdefault(change.table_name, set()).add(change.row_uid)

    @cached_property
    def counter(self) -> int:
        """How far the hub has counted."""
        return self._session.scalar(select(Machine.counter)) or 0

    @cached_property
    def owners(self) -> dict[Key, set[str]]:
        """The organisations that ever held each row."""
        found: dict[Key, set[str]] = {}
        held = select(Change.table_name, Change.row_uid, Change.org_uid).distinct()
        for table, row_uid, org_uid in self._of_rows(held, Change.table_name, Change.row_uid):
            found.setdefault((table, row_uid), set()).add(org_uid)
        return found

    @cached_property
    def values(self) -> dict[Key, dict[str, Any]]:
        """The present value of each field of each row."""
        found: dict[Key, dict[str, Any]] = {}
        for table, uids in self._rows.items():
            for some in portions(uids):
                for version in changes.versions(self._session, table, *some):
                    found.setdefault(version.row, {})[version.field] = version.value
        return found

    @cached_property
    def erased_rows(self) -> set[Key]:
        """Those of the rows that were erased."""
        return {(table, uid) for table, uids in self._rows.items() for uid in changes.erased(self._session, table, uids)}

    @cached_property
    def only_at_the_box(self) -> set[Key]:
        """Those of the rows that this school's boxes were told to drop, and of which nothing is here: they were refused before."""
        placed = select(StreamRow.table_name, StreamRow.row_uid).where(StreamRow.org_uid == self._org_uid, StreamRow.kind == "removal")
        told = {(table, uid) for table, uid in self._of_rows(placed, StreamRow.table_name, StreamRow.row_uid)}
        return told - self.owners.keys()

    @cached_property
    def homes(self) -> dict[str, str]:
        """The organisations of the people who are named, where they are known."""
        return self._orgs(Person, self._people)

    @cached_property
    def erased_people(self) -> set[str]:
        """Those of them who were erased."""
        return changes.erased(self._session, Person.__tablename__, self._people)

    @cached_property
    def groups(self) -> dict[str, str]:
        """The organisations of the groups that are named, where they are known."""
        return self._orgs(Group, self._named("group_uid", "scope_uid"))

    @cached_property
    def reach_further(self) -> set[str]:
        """Those of the people who are written to who have an open role beyond a school."""
        asked = select(RoleGrant.person_uid).where(RoleGrant.ended_on.is_(None), RoleGrant.role.in_(scope.OPERATOR_ROLES))
        people = portions(self._rows.get(Person.__tablename__, ()))
        return {uid for some in people for uid in self._session.scalars(asked.where(RoleGrant.person_uid.in_(some)))}

    @property
    def _people(self) -> set[str]:
        return {*self._rows.get(LearnerRecord.__tablename__, ()), *self._named("person_uid")}

    def _named(self, *fields: str) -> set[str]:
        return {change.value for change in self._fields if change.field in fields and isinstance(change.value, str)}

    def _orgs(self, model: Any, uids: Collection[str]) -> dict[str, str]:
        found = select(model.uid, model.org_uid)
        return {row[0]: row[1] for some in portions(uids) for row in self._session.execute(found.where(model.uid.in_(some)))}

    def _of_rows(self, asked: Any, table_name: Any, row_uid: Any) -> Iterator[Any]:
        for table, uids in self._rows.items():
            for some in portions(uids):
                yield from self._session.execute(asked.where(table_name == table, row_uid.in_(some)))
