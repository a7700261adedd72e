"""What was changed in a school, by whom and when: the log of changes, told as acts.

An act is what one flush wrote to one row: all its changes bear one version. The order is that in
which this machine heard of them; the times are what each machine's clock said, for showing.

This module must not know words or pages; what an act means is `web/school/history_words.py`'s to say, and
taking it back is `undoing.py`'s.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts.models import Credential, RoleGrant
from eduhub.changes import Change
from eduhub.changes.values import as_text
from eduhub.courses.models import GroupCourse, PlanRow
from eduhub.errors import NotFound
from eduhub.schools.models import Enrolment
from eduhub.uids import parse_uid

KINDS: dict[str, tuple[str, ...]] = {
    "people": ("person", "role_grant", "learner_record"),
    "cards": ("credential",),
    "classes": ("learner_group", "enrolment"),
    "courses": ("group_course",),
    "plan": ("plan_row",),
    "calendar": ("school_calendar",),
}
_TABLES = tuple(table for tables in KINDS.values() for table in tables)
ActKey = tuple[str, str, int, str]  # table, row uid, counter, machine uid
_KEY = (Change.table_name, Change.row_uid, Change.counter, Change.machine_uid)


@dataclass(frozen=True)
class Field:
    """One changed field: what stood there before, what was written, and whether that ever held."""

    before: Any
    after: Any
    lost: bool  # another change that was made at the same time held instead
    holds: bool  # it is the field's value now


@dataclass(frozen=True)
class Act:
    """What was written to one row at once."""

    table: str
    row_uid: str
    counter: int
    machine_uid: str
    by_uid: str | None
    made_ms: int
    made_here: bool
    is_new: bool  # it made the row
    fields: Mapping[str, Field]
    row: Mapping[str, Any]  # the row's values now

    @property
    def key(self) -> str:
        """What a form names the act by."""
        return ":".join((self.table, self.row_uid, str(self.counter), self.machine_uid))

    @property
    def lost(self) -> bool:
        """Whether any of it gave way to a change that was made at the same time."""
        return any(field.lost for field in self.fields.values())


@dataclass(frozen=True)
class Asked:
    """Which acts are wanted: of some kinds, of or by a person, of a class."""

    kind: str = ""
    person_uid: str = ""
    group_uid: str = ""


def count(session: Session, org_uid: str, asked: Asked) -> int:
    """How many acts there are."""
    return session.scalar(select(func.count()).select_from(_acts(org_uid, asked).subquery())) or 0


def newest(session: Session, org_uid: str, asked: Asked, *, limit: int, skip: int = 0) -> list[Act]:
    """The acts of a school, the last that came here first."""
    last = func.max(Change.seq)
    found = session.execute(_acts(org_uid, asked).order_by(last.desc()).limit(limit).offset(skip))
    return _told(session, [(row[0], row[1], row[2], row[3]) for row in found])


def by_key(session: Session, org_uid: str, key: str) -> Act:
    """The act of a school that a form names. Raises NotFound."""
    parts = key.split(":")
    if len(parts) != 4 or parts[0] not in _TABLES or not (parts[2].isdecimal() and len(parts[2]) < 17):
        raise NotFound("no such act")
    row = parts[0], parse_uid(parts[1]), int(parts[2]), parse_uid(parts[3])
    found = select(*_KEY).where(
        Change.org_uid == org_uid, *(column == value for column, value in zip(_KEY, row, strict=True))
    )
    acts = _told(session, [row] if session.execute(found.limit(1)).first() else [])
    if not acts:
        raise NotFound("no such act")
    return acts[0]


def made_since(session: Session, org_uid: str, seq: int, by_uid: str | None) -> list[str]:
    """The keys of what somebody has done on this machine after a line of the log, the newest first."""
    own = changes.machine_uid(session)
    found = session.execute(
        select(*_KEY)
        .where(Change.seq > seq, Change.org_uid == org_uid, Change.by_uid == by_uid, Change.machine_uid == own)
        .where(Change.table_name.in_(_TABLES))
        .group_by(*_KEY)
        .order_by(func.max(Change.seq).desc())
    )
    return [":".join((row[0], row[1], str(row[2]), row[3])) for row in found]


# --- inside -------------------------------------------------------------------------


def _acts(org_uid: str, asked: Asked) -> Select[str, str, int, str]:
    tables = KINDS.get(asked.kind, _TABLES)
    students = select(RoleGrant.uid).where(RoleGrant.role == "student")  # goes with every child; says nothing of its own
    wanted = select(*_KEY).where(
        Change.org_uid == org_uid, Change.table_name.in_(tables),
        ~and_(Change.table_name == "role_grant", Change.row_uid.in_(students)),
    )  # fmt: skip
    if asked.person_uid:
        wanted = wanted.where(or_(Change.by_uid == asked.person_uid, Change.row_uid.in_(_rows_of_person(asked.person_uid))))
    if asked.group_uid:
        wanted = wanted.where(Change.row_uid.in_(_rows_of_group(asked.group_uid)))
    return wanted.group_by(*_KEY)


def _rows_of_person(uid: str) -> Any:
    rows = [select(model.uid).where(model.person_uid == uid) for model in (Enrolment, RoleGrant, Credential)]
    own = select(Change.row_uid).where(Change.row_uid == uid, Change.table_name.in_(("person", "learner_record")))
    return own.union(*rows)


def _rows_of_group(uid: str) -> Any:
    rows = [select(model.uid).where(model.group_uid == uid) for model in (Enrolment, GroupCourse, PlanRow)]
    return select(Change.row_uid).where(Change.row_uid == uid, Change.table_name == "learner_group").union(*rows)


def _told(session: Session, keys: Sequence[ActKey]) -> list[Act]:
    logs = _logs(session, {row[:2] for row in keys})
    return [_act(logs[row[:2]], row) for row in keys if row[:2] in logs]


def _logs(session: Session, rows: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Change]]:
    """Everything that was ever written to these rows, in the order of versions."""
    logs: dict[tuple[str, str], list[Change]] = {}
    for table in {table for table, _uid in rows}:
        found = session.scalars(
            select(Change)
            .where(Change.table_name == table, Change.row_uid.in_([uid for of, uid in rows if of == table]))
            .order_by(Change.counter, Change.machine_uid, Change.seq)
        )
        for change in found:
            logs.setdefault((table, change.row_uid), []).append(change)
    return logs


def _act(log: Sequence[Change], key: ActKey) -> Act:
    version = key[2], key[3]
    own = [change for change in log if (change.counter, change.machine_uid) == version]
    by_field: dict[str, list[Change]] = {}
    for change in sorted(log, key=_rank):
        by_field.setdefault(change.field, []).append(change)
    first = (log[0].counter, log[0].machine_uid) == version
    return Act(
        key[0], key[1], key[2], key[3], own[0].by_uid, own[0].made_ms, own[0].made_here, first,
        {change.field: _field(change, by_field[change.field]) for change in own},
        {name: changed[-1].value for name, changed in by_field.items()},
    )  # fmt: skip


def _rank(change: Change) -> tuple[bool, int, str, str]:
    """The order that decides which change holds, as `FieldChange.rank`."""
    is_set_for_good = change.field in changes.STICKY_FIELDS and change.value is not None
    return is_set_for_good, change.counter, change.machine_uid, as_text(change.value)


def _field(change: Change, of_field: Sequence[Change]) -> Field:
    at = next(number for number, other in enumerate(of_field) if other.seq == change.seq)
    before = of_field[at - 1].value if at else None
    above = [other for other in of_field[at + 1 :] if other.machine_uid != change.machine_uid]
    # It came when a stronger one was here already, or both bear one number: neither had seen the other.
    lost = any(other.seq < change.seq or other.counter == change.counter for other in above)
    return Field(before, change.value, lost, at == len(of_field) - 1)
