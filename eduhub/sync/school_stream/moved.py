"""What of a school's sight has to be asked again after some rows were written or erased.

It may name too much and never too little: `scope` then says of what was named whether it is seen. People are asked
again as a whole (a person, and all that hangs on this person); courses row by row, and with their units and lessons
only where the school came into their sight or left it.

This module must not know sequences, pages or signatures.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts import credentials
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.courses.models import GroupCourse, Lesson, PlanRow, Unit
from eduhub.schools import organisations
from eduhub.schools.models import Enrolment, Group, LearnerRecord
from eduhub.sync.models import StreamRow
from eduhub.sync.school_stream import scope
from eduhub.sync.school_stream.scope import Key, Sight, portions

# What of a row may change without anybody seeing more or less for it.
_WORDS: Mapping[str, Set[str]] = {
    "organisation": frozenset({"names", "kind"}),
    "course": frozenset({"titles", "asks_review"}),
    "learner_group": frozenset(column.key for column in Group.__table__.columns) - {"uid", "org_uid"},
}


@dataclass(frozen=True)
class Written:
    """What was written since a school's stream was last brought up to date: fields by row, and rows that were erased."""

    fields: Mapping[Key, Set[str]]
    erased: Set[Key]

    def of(self, *tables: str) -> set[str]:
        """The uids of the rows of some tables, erased ones too."""
        return {uid for table, uid in (*self.fields, *self.erased) if table in tables}

    def decisive(self, table: str) -> set[str]:
        """The uids of the rows of a table of which more than words was written; all of them that were erased or are new."""
        return {
            uid
            for named, uid in (*self.fields, *self.erased)
            if named == table and ((named, uid) in self.erased or not self.fields[(named, uid)] <= _WORDS[table])
        }


@dataclass
class Asked:
    """What has to be asked again: rows by table, and people with all that hangs on them (None: everybody)."""

    rows: dict[str, set[str]] = field(default_factory=dict)
    people: set[str] | None = field(default_factory=set)
    is_all: bool = False

    def add(self, table: str, uids: Collection[str]) -> None:
        """Ask again for rows of a table."""
        if uids:
            self.rows.setdefault(table, set()).update(uids)

    def add_people(self, uids: Collection[str]) -> None:
        """Ask again for people."""
        if self.people is not None:
            self.people.update(uids)


def asked_again(session: Session, sight: Sight, org_uid: str, written: Written, days: tuple[str, str]) -> Asked:
    """What has to be asked again for a school; `days`: the day its stream holds for, and today."""
    asked = Asked()
    if written.decisive("organisation") & set(organisations.decide_path(session, org_uid)):
        return Asked(is_all=True)  # other places above it: everything may be other
    if written.decisive("organisation") and organisations.is_region(session, org_uid):
        return Asked(is_all=True)  # other places below it: a county mirror sees their courses
    for table, uid in (*written.fields, *written.erased):
        if table in sight.plain_tables or table in scope.OF_PEOPLE or table in scope.OF_COURSES:
            asked.add(table, {uid})
    _people(session, asked, written)
    _groups(session, asked, org_uid, written)
    _courses(session, asked, sight, org_uid, written)
    asked.add_people(whose_days_turn(session, days))
    return asked


def _people(session: Session, asked: Asked, written: Written) -> None:
    asked.add_people(written.of("person", "learner_record"))
    for model in (Enrolment, RoleGrant, Credential):
        table = model.__tablename__
        if model is not Credential and any(named == table for named, _uid in written.erased):
            asked.people = None  # nobody knows any more whose it was
        uids = written.of(table)
        moved = {uid for uid in uids if "person_uid" in written.fields.get((table, uid), ())}
        for portion in portions(uids):
            asked.add_people(set(session.scalars(select(model.person_uid).where(model.uid.in_(portion or ())))))
        for portion in portions(moved):
            asked.add_people(changes.values_ever(session, table, "person_uid", portion or ()))


def _groups(session: Session, asked: Asked, org_uid: str, written: Written) -> None:
    """A class that is new here, or no longer here: all that hangs on it."""
    for portion in portions(written.decisive("learner_group")):
        here = select(Group.uid).where(Group.uid.in_(portion or ()), Group.org_uid == org_uid)
        uids = set(session.scalars(here)) | _placed(session, org_uid, "learner_group", portion or ())
        asked.add_people(set(session.scalars(select(Enrolment.person_uid).where(Enrolment.group_uid.in_(uids)))))
        asked.add_people(_with_role_at(session, "group", uids))
        for model in (GroupCourse, PlanRow):
            hangs_on: Any = select(model.uid).where(model.group_uid.in_(uids))
            asked.add(model.__tablename__, set(session.scalars(hangs_on)))


def _courses(session: Session, asked: Asked, sight: Sight, org_uid: str, written: Written) -> None:
    """A course that is seen now and was not, or the other way round, or has another owner: its units and lessons."""
    for portion in portions(written.decisive("course")):
        uids = set(portion or ())
        turned = set(sight.reaching(uids)) ^ _placed(session, org_uid, "course", uids)
        handed_over = {uid for uid in uids if "org_uid" in written.fields.get(("course", uid), ("org_uid",))}
        asked.add_people(_with_role_at(session, "course", handed_over))
        for model in (Unit, Lesson):
            of_them: Any = select(model.uid).where(model.course_uid.in_(turned | handed_over))
            asked.add(model.__tablename__, set(session.scalars(of_them)))


def _placed(session: Session, org_uid: str, table: str, uids: Collection[str]) -> set[str]:
    """Those of some rows that a school's stream shows."""
    return set(session.scalars(
        select(StreamRow.row_uid).where(
            StreamRow.org_uid == org_uid, StreamRow.table_name == table, StreamRow.row_uid.in_(uids), StreamRow.kind == "row"
        )
    ))  # fmt: skip


def _with_role_at(session: Session, scope_kind: str, uids: Collection[str]) -> set[str]:
    at = select(RoleGrant.person_uid).where(RoleGrant.scope_kind == scope_kind, RoleGrant.scope_uid.in_(uids))
    return set(session.scalars(at)) if uids else set()


def whose_days_turn(session: Session, days: tuple[str, str]) -> set[str]:
    """People one of whose spans or words ends between the two days, without anybody writing a row. A clock may also have gone back."""
    first, last = sorted(days)
    if first == last:
        return set()
    found: set[str] = set()
    for model in (Enrolment, RoleGrant):
        found.update(session.scalars(select(model.person_uid).where(model.ended_on > first, model.ended_on <= last)))
    words = select(Credential.person_uid).where(*credentials.of_box_words(after=first, until=last))
    return found.union(session.scalars(words))


def hangs_on(session: Session, people: Collection[str]) -> set[Key]:
    """Every row that may be seen because of some people, whether it is or not."""
    found = {(table, uid) for uid in people for table in (Person.__tablename__, LearnerRecord.__tablename__)}
    for model in (Enrolment, RoleGrant, Credential):
        for portion in portions(people):
            rows: Any = select(model.uid).where(model.person_uid.in_(portion or ()))
            found |= {(model.__tablename__, uid) for uid in session.scalars(rows)}
    return found
