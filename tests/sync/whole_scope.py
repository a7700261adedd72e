"""What the boxes of one school may see, said a second time and plainly: every row is asked for, each time.

`eduhub/sync/school_stream/scope.py` and what brings a stream on by parts are held to this by test_streams_brought_on.py. A table that
is added to the scope is added here, in other words.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.courses import audience
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow, Unit
from eduhub.schools import organisations
from eduhub.schools.models import ChildrenSignIn, Enrolment, Group, LearnerRecord, Organisation, SchoolCalendar, Site
from eduhub.sync.models import Node
from eduhub.sync.releases.models import ReleaseOffer

Key = tuple[str, str]  # table, row uid

# Whose rights reach beyond one school: a box must not even know who they are.
OPERATOR_ROLES = frozenset({"operator", "region_operator"})
# A lesson of another school is sent from its first publication on; a withdrawn one too, so that boxes hide it.
_SHARED_STATES = frozenset({"published", "withdrawn"})


@dataclass(frozen=True)
class Visible:
    """What one school's boxes see: rows, and the learners whose progress travels with them."""

    rows: frozenset[Key]
    learners: frozenset[str]
    people: frozenset[str]


def of_school(session: Session, org_uid: str, today: str) -> Visible:
    """The rows one school's boxes see on the ISO day `today`."""
    path = [str(uid) for uid in organisations.path(session, org_uid)]
    groups = _uids(session, Group.uid, Group.org_uid == org_uid)
    learners = _learners(session, org_uid, groups, today)
    grants = _grants(session, org_uid, path, groups, today)
    staff = {grant.person_uid for grant in grants if grant.role != "student"}
    people = _uids(session, Person.uid, Person.uid.in_(learners | staff))
    courses = {course.uid: course for course in session.scalars(select(Course)) if audience.reaches(course, path)}
    rows: set[Key] = set()
    rows |= _keys(session, Organisation, Organisation.uid.in_(path))
    rows |= _keys(session, Site, Site.org_uid == org_uid)
    rows |= _keys(session, SchoolCalendar, SchoolCalendar.uid == org_uid)
    rows |= _keys(session, ChildrenSignIn, ChildrenSignIn.uid == org_uid)
    rows |= _keys(session, Node, Node.org_uid == org_uid)
    rows |= _keys(session, ReleaseOffer, ReleaseOffer.org_uid.in_(path))
    rows |= {("learner_group", uid) for uid in groups} | {("person", uid) for uid in people}
    rows |= _keys(session, Enrolment, Enrolment.group_uid.in_(groups), Enrolment.person_uid.in_(learners))
    rows |= _keys(session, LearnerRecord, LearnerRecord.uid.in_(learners))
    rows |= {("role_grant", grant.uid) for grant in grants if grant.person_uid in people}
    rows |= _keys(
        session, Credential, Credential.kind == "card", Credential.person_uid.in_(people), Credential.org_uid.in_(path)
    )
    words = session.scalars(select(Credential).where(Credential.kind == "box_word", Credential.org_uid == org_uid))
    rows |= {
        ("credential", word.uid) for word in words
        if word.person_uid in people & staff and word.revoked_on is None and today < word.verifier[6:16]
    }  # fmt: skip
    rows |= {("course", uid) for uid in courses} | _keys(session, Unit, Unit.course_uid.in_(courses))
    rows |= _lessons(session, courses, org_uid)
    rows |= _keys(session, GroupCourse, GroupCourse.group_uid.in_(groups), GroupCourse.org_uid == org_uid)
    rows |= _keys(session, PlanRow, PlanRow.group_uid.in_(groups), PlanRow.org_uid == org_uid)
    return Visible(frozenset(rows), frozenset(learners & people), frozenset(people))


def _learners(session: Session, org_uid: str, groups: set[str], today: str) -> set[str]:
    """Who learns here: everyone in a group now, and who belongs to the school and was never put into a group."""
    enrolled, ever_enrolled = set(), set()
    for span in session.scalars(select(Enrolment).where(Enrolment.group_uid.in_(groups))):
        ever_enrolled.add(span.person_uid)
        if not _ended(span.ended_on, today):
            enrolled.add(span.person_uid)
    at_home = _uids(session, Person.uid, Person.org_uid == org_uid)
    staff = set(session.scalars(select(RoleGrant.person_uid).where(RoleGrant.role != "student")))
    return enrolled | (at_home - ever_enrolled - staff)


def _grants(session: Session, org_uid: str, path: list[str], groups: set[str], today: str) -> list[RoleGrant]:
    own_courses = _uids(session, Course.uid, Course.org_uid == org_uid)
    found = session.scalars(
        select(RoleGrant).where(
            or_(
                (RoleGrant.scope_kind == "organisation") & RoleGrant.scope_uid.in_(path),
                (RoleGrant.scope_kind == "group") & RoleGrant.scope_uid.in_(groups),
                (RoleGrant.scope_kind == "course") & RoleGrant.scope_uid.in_(own_courses),
            )
        )
    ).all()
    operators = session.scalars(select(RoleGrant).where(RoleGrant.role.in_(OPERATOR_ROLES)))
    reaching_further = {grant.person_uid for grant in operators if not _ended(grant.ended_on, today)}
    return [
        grant for grant in found if grant.person_uid not in reaching_further and not _ended(grant.ended_on, today)
    ]


def _lessons(session: Session, courses: dict[str, Course], org_uid: str) -> set[Key]:
    found = session.execute(
        select(Lesson.uid, Lesson.course_uid, Lesson.state).where(Lesson.course_uid.in_(courses))
    )
    return {
        ("lesson", row.uid)
        for row in found
        if courses[row.course_uid].org_uid == org_uid or row.state in _SHARED_STATES
    }


def _ended(ended_on: str | None, today: str) -> bool:
    return ended_on is not None and ended_on <= today


def _uids(session: Session, column: InstrumentedAttribute[str], *where: ColumnElement[bool]) -> set[str]:
    return set(session.scalars(select(column).where(*where)))


def _keys(session: Session, model: type, *where: ColumnElement[bool]) -> set[Key]:
    return {(model.__tablename__, uid) for uid in session.scalars(select(model.uid).where(*where))}  # type: ignore[attr-defined]
