"""Hub: for which schools something may have moved, without making their streams.

Each change of the log is looked at once in each process, however many boxes ask; a box that asks then costs one look into
a table. It may name a school too many: that box reads an empty page. It may miss one in the corners that are named below:
a poll is a hint, and the full round that every box makes once an hour reads the stream itself.

This module must not know HTTP, nor what an entry looks like.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.changes import Change, Tombstone
from eduhub.courses.models import Course, Lesson, Unit
from eduhub.learning.models import Progress
from eduhub.schools import organisations
from eduhub.schools.models import Enrolment, Group, Organisation
from eduhub.sync.models import StreamRow
from eduhub.sync.school_stream.moved import Written, whose_days_turn
from eduhub.sync.school_stream.scope import OF_COURSES, OF_PEOPLE, SHARED_STATES, portions
from eduhub.sync.school_stream.streams import Ends

MOST_CHANGES = 5_000  # looked at in detail; after more, every school is asked to look itself


class Stands(Protocol):
    """How far a school's stream has come (`StreamState`); None: there is none yet, or it has to be made as a whole."""

    @property
    def change_seq(self) -> int | None: ...
    @property
    def progress_seq(self) -> int | None: ...
    @property
    def erased_counter(self) -> int | None: ...
    @property
    def day(self) -> str | None: ...


class Watch:
    """What one process knows of who has to look. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: Ends | None = None
        self._all: Ends | None = None  # everybody has to come so far
        self._of: dict[str, Ends] = {}  # one school has to come so far

    def look(self, now: Ends, session: Callable[[], AbstractContextManager[Session]]) -> None:
        """Take in what was written since the last call, until the ends that are now; `session` opens where anything was."""
        with self._lock:
            before = self._seen
            if before is None:  # this process just began, and knows nothing of what was before
                self._seen = self._all = now
                return
            # Erasing makes the log shorter; what was seen stays seen.
            now = replace(now, change_seq=max(now.change_seq, before.change_seq))
            if now == before:
                return
            with session() as reading:
                touched = concerned(reading, before, now)
            if touched is None:
                self._all, self._of = now, {}
            else:
                self._of |= dict.fromkeys(touched, now)
            self._seen = now

    def has_moved(self, org_uid: str, state: Stands) -> bool:
        """Whether a school's stream, as it stands in the database, may have to be brought on."""
        if state.change_seq is None or state.progress_seq is None or state.day is None or state.erased_counter is None:
            return True
        with self._lock:
            marks = [mark for mark in (self._all, self._of.get(org_uid)) if mark is not None]
        return any(
            state.change_seq < mark.change_seq or state.progress_seq < mark.progress_seq
            or state.erased_counter < mark.erased_counter or state.day < mark.day
            for mark in marks
        )  # fmt: skip


def concerned(session: Session, before: Ends, now: Ends) -> set[str] | None:
    """The schools that may see what was written between two ends; None: all of them."""
    if now.change_seq - before.change_seq > MOST_CHANGES:
        return None
    written = Written(
        changes.fields_changed_after(session, before.change_seq), changes.erased_after(session, before.erased_counter)
    )
    if written.decisive("organisation"):
        return None  # the tree: rare, and everything may be other
    found = _below(session, _owners(session, before, written) | written.of("organisation"))
    found |= _where_placed(session, written)
    shared = _of_courses(session, written)
    if shared is None:
        return None
    found |= shared
    people = _people(session, written) | (whose_days_turn(session, (before.day, now.day)) if before.day != now.day else set())
    found |= _of_people(session, people)
    if now.progress_seq > before.progress_seq:
        found |= _of_learning(session, before.progress_seq)
    return found


def _owners(session: Session, before: Ends, written: Written) -> set[str]:
    """Whose the rows are: of courses, people are asked below, and all others are seen by their owner's word."""
    apart = OF_COURSES | OF_PEOPLE
    owners: set[str] = set()
    if written.fields:
        new = Change.seq > before.change_seq, Change.table_name.not_in(apart)
        owners.update(session.scalars(select(Change.org_uid).where(*new)))  # not DISTINCT: that would go through the whole log
        moved = session.scalars(select(Change.value).where(*new, Change.field == "org_uid")).all()
        owners.update(uid for uid in moved if isinstance(uid, str))  # who wrote it may have said another one
    if written.erased:
        owners.update(session.scalars(select(Tombstone.org_uid).where(Tombstone.counter > before.erased_counter).distinct()))
    return owners


def _below(session: Session, org_uids: Collection[str]) -> set[str]:
    """These places and everything below them: a region's word may reach its schools."""
    if not org_uids:
        return set()
    has_any = select(Organisation.uid).where(Organisation.parent_uid.in_(org_uids)).limit(1)
    if session.execute(has_any).first() is None:
        return set(org_uids)
    wanted = set(org_uids)
    return {uid for uid, path in organisations.paths(session).items() if not wanted.isdisjoint(path)} | wanted


def _where_placed(session: Session, written: Written) -> set[str]:
    """Schools whose streams show one of the rows."""
    found: set[str] = set()
    for table in {table for table, _uid in (*written.fields, *written.erased)}:
        for portion in portions(written.of(table)):
            found.update(session.scalars(
                select(StreamRow.org_uid).where(StreamRow.table_name == table, StreamRow.row_uid.in_(portion or ())).distinct()
            ))  # fmt: skip
    return found


def _of_courses(session: Session, written: Written) -> set[str] | None:
    """Schools that see courses, units or lessons that are new or were changed; None: all of them."""
    found: set[str] = set()
    lessons = _rows(session, select(Lesson.uid, Lesson.course_uid, Lesson.state), Lesson.uid, written.of("lesson"))
    # What is written into a draft is nobody's but its owner's.
    drafts = {row.uid for row in lessons if row.state not in SHARED_STATES}
    shared = {row.course_uid for row in lessons if row.uid not in drafts}
    shared |= {row.course_uid for row in _rows(session, select(Unit.course_uid), Unit.uid, written.of("unit"))}
    shared |= written.of("course")
    owned = {row.course_uid for row in lessons if row.uid in drafts}
    courses = {course.uid: course for portion in portions(shared | owned)
               for course in session.scalars(select(Course).where(Course.uid.in_(portion or ())))}  # fmt: skip
    for uid, course in courses.items():
        if uid not in shared:
            found.add(course.org_uid)
        elif course.audience in {"all", "open"}:
            return None
        else:
            named = {course.org_uid, *(course.listed_org_uids or ())} if course.audience == "listed" else {course.org_uid}
            found |= _below(session, named)
    return found


def _people(session: Session, written: Written) -> set[str]:
    """People of whom something was written. Whose an erased row was nobody knows; its owner and its readers are told."""
    found = written.of("person", "learner_record")
    for model in (Enrolment, RoleGrant, Credential):
        rows = _rows(session, select(model.person_uid), model.uid, written.of(model.__tablename__))
        found |= {row.person_uid for row in rows}
    groups = written.decisive("learner_group")
    found |= {row.person_uid for row in _rows(session, select(Enrolment.person_uid), Enrolment.group_uid, groups)}
    return found


def _of_people(session: Session, people: Collection[str]) -> set[str]:
    """Schools to which people belong, where they are or were in a class, or where a role of theirs reaches."""
    found = {row.org_uid for row in _rows(session, select(Person.org_uid), Person.uid, people)}
    in_classes = select(Group.org_uid).join(Enrolment, Enrolment.group_uid == Group.uid)
    found |= {row.org_uid for row in _rows(session, in_classes, Enrolment.person_uid, people)}
    grants = _rows(session, select(RoleGrant.scope_kind, RoleGrant.scope_uid), RoleGrant.person_uid, people)
    scopes = {kind: {row.scope_uid for row in grants if row.scope_kind == kind and row.scope_uid} for kind in ("organisation", "group", "course")}
    found |= {row.org_uid for row in _rows(session, select(Group.org_uid), Group.uid, scopes["group"])}
    found |= {row.org_uid for row in _rows(session, select(Course.org_uid), Course.uid, scopes["course"])}
    return found | _below(session, scopes["organisation"])


def _of_learning(session: Session, since: int) -> set[str]:
    """Schools to which somebody is shown who has learned something."""
    asked = (
        select(StreamRow.org_uid)
        .join(Progress, Progress.person_uid == StreamRow.row_uid)
        .where(Progress.change_seq > since, StreamRow.table_name == "person", StreamRow.kind == "row")
        .distinct()
    )
    return set(session.scalars(asked))


def _rows(session: Session, question: Any, column: Any, uids: Iterable[str]) -> list[Any]:
    return [row for portion in portions(set(uids)) for row in session.execute(question.where(column.in_(portion or ())))]
