"""Which travelling rows the boxes of one school may see. Nothing else may decide that.

Children are shown to the school they learn at and to no other; a row that is not named here
does not leave the hub. Roles of operators, passwords, TOTP secrets and home tokens never do.

Each question can be asked of all rows, or of some of them only: what changed is judged by the same words as the
whole (`moved` says what has to be asked again). This module must not know sequences, pages or signatures.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from eduhub import db
from eduhub.accounts import credentials
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.courses import audience
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow, Unit
from eduhub.schools import organisations
from eduhub.schools.models import ChildrenSignIn, Enrolment, Group, LearnerRecord, Organisation, SchoolCalendar, Site
from eduhub.sync.mirrors import grants
from eduhub.sync.models import CoursePolicy, Node, SitePolicy
from eduhub.sync.releases.models import ReleaseOffer

Key = tuple[str, str]  # table, row uid
Uids = Collection[str]

# Whose rights reach beyond one school: a box must not even know who they are.
OPERATOR_ROLES = frozenset({"operator", "region_operator"})
# Tables of which a person decides whether a row is seen; progress goes with them.
OF_PEOPLE = frozenset({"person", "enrolment", "learner_record", "role_grant", "credential"})
OF_COURSES = frozenset({"course", "unit", "lesson"})
# A lesson of another school is sent from its first publication on; a withdrawn one too, so that boxes hide it.
SHARED_STATES = frozenset({"published", "withdrawn"})


def may_travel(session: Session, table: str, uid: str) -> bool:
    """Whether a row, as it stands here now, may be in any school's stream: no operator's role, no credential but a card or a word for
    boxes, and none of these for an operator. One that is not here may.
    """
    if table == RoleGrant.__tablename__:
        return session.scalar(select(RoleGrant.role).where(RoleGrant.uid == uid)) not in OPERATOR_ROLES
    if table != Credential.__tablename__:
        return True
    found = session.execute(select(Credential.kind, Credential.person_uid).where(Credential.uid == uid)).first()
    operators = select(RoleGrant.uid).where(RoleGrant.role.in_(OPERATOR_ROLES), RoleGrant.ended_on.is_(None))
    return found is None or (
        found.kind in credentials.TRAVELS and session.scalars(operators.where(RoleGrant.person_uid == found.person_uid)).first() is None
    )


@dataclass(frozen=True)
class Visible:
    """What one school's boxes see: rows, and the learners whose progress travels with them."""

    rows: frozenset[Key]
    learners: frozenset[str]
    people: frozenset[str]


def of_school(session: Session, org_uid: str, today: str) -> Visible:
    """All rows that one school's boxes see on the ISO day `today`."""
    sight = Sight(session, org_uid, today)
    people = sight.people(None)
    return Visible(frozenset(sight.plain(None) | people.rows | sight.courses(None)), people.learners, people.people)


class Sight:
    """What one school's boxes see on one ISO day. Every question takes the uids it is about; None: all there are."""

    def __init__(self, session: Session, org_uid: str, today: str) -> None:
        self._session, self._org_uid, self._today = session, org_uid, today
        self.path = [str(uid) for uid in organisations.path(session, org_uid)]
        # The box of a region is a mirror for the schools below: it sees their courses, and of nobody who learns or works.
        self._reached = grants.organisations_around(session, org_uid)
        self._is_region = organisations.is_region(session, org_uid)
        self._groups = select(Group.uid).where(Group.org_uid == org_uid)
        self._own_courses = select(Course.uid).where(Course.org_uid == org_uid)
        # A table whose rows are seen by what stands in them: one line each.
        of_its_groups = GroupCourse.group_uid.in_(self._groups), PlanRow.group_uid.in_(self._groups)
        self._rules: dict[str, tuple[Any, ColumnElement[bool]]] = {
            model.__tablename__: (model, rule)
            for model, rule in (
                (Organisation, Organisation.uid.in_(self.path)),
                (Site, Site.org_uid == org_uid),
                (SchoolCalendar, SchoolCalendar.uid == org_uid),
                (ChildrenSignIn, ChildrenSignIn.uid == org_uid),
                (Node, Node.org_uid == org_uid),
                (SitePolicy, SitePolicy.org_uid == org_uid),
                (CoursePolicy, CoursePolicy.org_uid == org_uid),
                (ReleaseOffer, ReleaseOffer.org_uid.in_(self.path)),
                (Group, Group.org_uid == org_uid),
                (GroupCourse, of_its_groups[0] & (GroupCourse.org_uid == org_uid)),
                (PlanRow, of_its_groups[1] & (PlanRow.org_uid == org_uid)),
            )
        }  # fmt: skip

    @property
    def plain_tables(self) -> Collection[str]:
        """The tables that `plain` knows."""
        return self._rules.keys()

    def plain(self, only: Mapping[str, Uids] | None) -> set[Key]:
        """Rows that are seen by what stands in them; `only`: of these, by table."""
        found: set[Key] = set()
        for table, (model, rule) in self._rules.items():
            for uids in portions(None if only is None else only.get(table, ())):
                found |= self._keys(model, rule, *_among(model.uid, uids))
        return found

    # --- people ---------------------------------------------------------------------

    def people(self, only: Uids | None) -> Visible:
        """People who learn or work here, and what is seen of them; `only`: of these people."""
        rows: set[Key] = set()
        learners: set[str] = set()
        people: set[str] = set()
        for uids in () if self._is_region else portions(only):
            learning = self._learners(uids)
            grants = self._grants(uids)
            staff = _at_work(grants)
            known = self._each(select(Person.uid), Person.uid, learning | staff)
            learners |= learning & known
            people |= known
            rows |= {("person", uid) for uid in known}
            rows |= {("role_grant", grant.uid) for grant in grants if grant.person_uid in known}
            rows |= self._keys_of(Enrolment, Enrolment.person_uid, learning, Enrolment.group_uid.in_(self._groups))
            rows |= self._keys_of(LearnerRecord, LearnerRecord.uid, learning)
            is_card = (Credential.kind == "card") & Credential.org_uid.in_(self.path)
            rows |= self._keys_of(Credential, Credential.person_uid, known, is_card)
            rows |= self._keys_of(Credential, Credential.person_uid, known & staff, *self._is_word())
        return Visible(frozenset(rows), frozenset(learners), frozenset(people))

    def staff(self) -> set[str]:
        """People whose roles here a box is told of."""
        return set() if self._is_region else _at_work(self._grants(None))

    def _is_word(self) -> tuple[ColumnElement[bool], ...]:
        """A word for this school's boxes, as long as it opens one: a stolen box holds no other."""
        in_use = Credential.org_uid == self._org_uid, Credential.revoked_on.is_(None)
        return (*credentials.of_box_words(after=self._today), *in_use)

    def _learners(self, only: Uids | None) -> set[str]:
        """Who learns here: everyone in a group now, and who belongs to the school and was never put into a group."""
        enrolled, ever_enrolled = set(), set()
        spans = select(Enrolment.person_uid, Enrolment.ended_on).where(Enrolment.group_uid.in_(self._groups))
        for span in self._session.execute(spans.where(*_among(Enrolment.person_uid, only))):
            ever_enrolled.add(span.person_uid)
            if not self._has_ended(span.ended_on):
                enrolled.add(span.person_uid)
        at_home = select(Person.uid).where(Person.org_uid == self._org_uid, *_among(Person.uid, only))
        works = select(RoleGrant.person_uid).where(RoleGrant.role != "student", RoleGrant.person_uid.in_(at_home))
        return enrolled | (set(self._session.scalars(at_home)) - ever_enrolled - set(self._session.scalars(works)))

    def _grants(self, only: Uids | None) -> list[RoleGrant]:
        reaches = or_(
            (RoleGrant.scope_kind == "organisation") & RoleGrant.scope_uid.in_(self.path),
            (RoleGrant.scope_kind == "group") & RoleGrant.scope_uid.in_(self._groups),
            (RoleGrant.scope_kind == "course") & RoleGrant.scope_uid.in_(self._own_courses),
        )
        found = self._session.scalars(select(RoleGrant).where(reaches, *_among(RoleGrant.person_uid, only))).all()
        grants = [grant for grant in found if not self._has_ended(grant.ended_on)]
        operators = select(RoleGrant.person_uid, RoleGrant.ended_on).where(RoleGrant.role.in_(OPERATOR_ROLES))
        reaching_further = {
            row.person_uid
            for uids in portions({grant.person_uid for grant in grants})
            for row in self._session.execute(operators.where(*_among(RoleGrant.person_uid, uids)))
            if not self._has_ended(row.ended_on)
        }
        return [grant for grant in grants if grant.person_uid not in reaching_further]

    def _has_ended(self, ended_on: str | None) -> bool:
        return ended_on is not None and ended_on <= self._today

    # --- courses --------------------------------------------------------------------

    def courses(self, only: Mapping[str, Uids] | None) -> set[Key]:
        """Courses whose audience takes the school in, their units, and their lessons; `only`: of these rows, by table."""
        units = [row for uids in portions(None if only is None else only.get("unit", ()))
                 for row in self._session.execute(select(Unit.uid, Unit.course_uid).where(*_among(Unit.uid, uids)))]  # fmt: skip
        states = select(Lesson.uid, Lesson.course_uid, Lesson.state)
        lessons = [row for uids in portions(None if only is None else only.get("lesson", ()))
                   for row in self._session.execute(states.where(*_among(Lesson.uid, uids)))]  # fmt: skip
        named = None if only is None else set(only.get("course", ()))
        courses = self.reaching(None if named is None else named.union(row.course_uid for row in (*units, *lessons)))
        found: set[Key] = {("course", uid) for uid in courses if named is None or uid in named}
        found |= {("unit", row.uid) for row in units if row.course_uid in courses}
        return found | {
            ("lesson", row.uid)
            for row in lessons
            if row.course_uid in courses and (courses[row.course_uid] == self._org_uid or row.state in SHARED_STATES)
        }

    def reaching(self, only: Uids | None) -> dict[str, str]:
        """The courses that the school sees, with the owner of each; `only`: of these."""
        return {
            course.uid: course.org_uid
            for uids in portions(only)
            for course in self._session.scalars(select(Course).where(*_among(Course.uid, uids)))
            if audience.reaches(course, self._reached)
        }

    # --- questions ------------------------------------------------------------------

    def _keys(self, model: Any, *where: ColumnElement[bool]) -> set[Key]:
        return {(model.__tablename__, uid) for uid in self._session.scalars(select(model.uid).where(*where))}

    def _keys_of(self, model: Any, column: InstrumentedAttribute[str], uids: Uids, *where: ColumnElement[bool]) -> set[Key]:
        return {(model.__tablename__, uid) for uid in self._each(select(model.uid).where(*where), column, uids)}

    def _each(self, question: Select[Any], column: InstrumentedAttribute[str], uids: Uids) -> set[str]:
        return {uid for portion in portions(uids) for uid in self._session.scalars(question.where(*_among(column, portion)))}


def _at_work(grants: list[RoleGrant]) -> set[str]:
    return {grant.person_uid for grant in grants if grant.role != "student"}


def portions(uids: Uids | None) -> Iterator[Uids | None]:
    """As many as one question takes; once None, for all; nothing for none."""
    if uids is None:
        yield None
        return
    yield from db.portions(uids)


def _among(column: InstrumentedAttribute[str], uids: Uids | None) -> tuple[ColumnElement[bool], ...]:
    return () if uids is None else (column.in_(uids),)
