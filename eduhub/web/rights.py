"""Which rule each page has, and what the reader's own roles open.

The rules themselves are in `guard.py`. A course is edited by those who hold a teacher's role on
the course itself, and by the admin of its school; a school's people and classes by its admin.
"""

from collections.abc import Iterable

from flask import url_for
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts.models import RoleGrant
from eduhub.courses import audience
from eduhub.courses.models import Course, Lesson
from eduhub.errors import LessonTakenBack, NotAllowed, SignInNeeded
from eduhub.schools import organisations
from eduhub.schools.models import Group, Organisation

_ADMINS = ("school_admin", "region_operator", "operator")

OPERATOR = guard.role("operator")
OVERSEES = guard.role("operator", "region_operator")
SCHOOL = guard.role(*_ADMINS, of=guard.of_organisation)
# What a school cannot judge alone: it costs every card, or hands a box's name to another machine.
OVERSEES_SCHOOL = guard.role("operator", "region_operator", of=guard.of_organisation)
GROUP = guard.role(*_ADMINS, of=guard.of_group)
PERSON = guard.role(*_ADMINS, of=guard.of_person)
ENROLMENT = guard.role(*_ADMINS, of=guard.of_enrolment)
GROUP_COURSE = guard.role(*_ADMINS, of=guard.of_group_course)
ROLE_GRANT = guard.role(*_ADMINS, of=guard.of_role_grant)
PLAN_ROW = guard.role(*_ADMINS, of=guard.of_plan_row)
TEACHES_SOMEWHERE = guard.role("teacher", "school_admin")
MAKES_COURSES = guard.role("teacher", "school_admin", scopes=("organisation",))
COURSE = guard.any_of(
    guard.role("teacher", of=guard.of_course, scopes=("course",)), guard.role(*_ADMINS, of=guard.of_course)
)
LESSON = guard.any_of(
    guard.role("teacher", of=guard.of_lesson, scopes=("course",)), guard.role(*_ADMINS, of=guard.of_lesson)
)
# A reviewer publishes where a course asks for review; whether it does is for the admins of its school to say.
REVIEWS = guard.role("reviewer", of=guard.of_lesson, scopes=("organisation", "course"))
PREVIEWS = guard.any_of(LESSON, REVIEWS)
REVIEWS_SOMEWHERE = guard.role("reviewer")
HAS_COURSE_REVIEWED = guard.role(*_ADMINS, of=guard.of_course)
# What children of a class have watched is for their own school's teachers and admins, and for nobody above it.
TEACHES_CLASS = guard.role("teacher", "school_admin", of=guard.of_group, scopes=("organisation", "group"))
_TEACHING = ("teacher", "school_admin")


def person_uid() -> str:
    """The reader; raises SignInNeeded for nobody."""
    person = guard.viewer().person
    if person is None:
        raise SignInNeeded
    return person.uid


def check_watches(session: Session, lesson: Lesson, on: str) -> None:
    """Raises SignInNeeded, LessonTakenBack or NotAllowed where the reader may not watch a lesson on an ISO day."""
    person = guard.viewer().person
    if audience.may_read(session, lesson, person.uid if person else None, on):
        return
    if person is None:
        raise SignInNeeded
    raise LessonTakenBack if lesson.state == "withdrawn" else NotAllowed


def may_look_after(session: Session, person_uid: str) -> bool:
    """Whether the reader may take somebody's access away: an admin of everything that this person has a role for.

    Being of the admin's school is not enough. Else the admin of one school could reset the password of its teacher who
    administers another one, or operates the hub, and sign in as they.
    """
    grants = [grant for grant in guard.viewer().grants if grant.role in _ADMINS]
    on = guard.today(session)
    return all(
        any(_reaches(session, own, grant) for own in grants)
        for grant in session.scalars(select(RoleGrant).where(RoleGrant.person_uid == person_uid))
        if grant.ended_on is None or (on is not None and grant.ended_on > on)  # one that ends on a day to come still holds
    )


def check_looks_after(session: Session, person_uid: str) -> None:
    """Raises NotAllowed."""
    if not may_look_after(session, person_uid):
        raise NotAllowed("they have a role beyond the reader's")


def _reaches(session: Session, own: RoleGrant, grant: RoleGrant) -> bool:
    if grant.scope_kind == "all":
        return own.scope_kind == "all"
    if grant.role == "region_operator" and own.role != "operator":
        return False  # an equal
    row: Course | Group | None = None
    if grant.scope_kind == "course":
        row = session.get(Course, grant.scope_uid)
    elif grant.scope_kind == "group":
        row = session.get(Group, grant.scope_uid)
    org_uid = grant.scope_uid if grant.scope_kind == "organisation" else row and row.org_uid
    return guard.covers(session, own, guard.Scope(org_uid or grant.org_uid))


def organisations_overseen(session: Session) -> list[Organisation]:
    """Every organisation for the operator; for a region's operator the region and what is below it."""
    found = select(Organisation).order_by(Organisation.uid)
    if not guard.viewer().is_operator:
        regions = {grant.scope_uid for grant in guard.viewer().grants if grant.role == "region_operator"}
        found = found.where(Organisation.uid.in_(_and_below(session, regions)))
    return list(session.scalars(found))


def courses_taught(session: Session) -> list[Course]:
    """The courses that the reader edits: by a role on the course, or as admin of its school."""
    grants = guard.viewer().grants
    own = [grant.scope_uid for grant in grants if grant.role == "teacher" and grant.scope_kind == "course"]
    schools = [grant.scope_uid for grant in grants if grant.role == "school_admin"]
    found = select(Course).where(or_(Course.uid.in_(own), Course.org_uid.in_(schools))).order_by(Course.uid)
    return list(session.scalars(found))


def courses_reviewed(session: Session) -> list[Course]:
    """The courses whose lessons the reader reviews: by a role on the course, or for its school or one above it."""
    grants = [grant for grant in guard.viewer().grants if grant.role == "reviewer"]
    own = [grant.scope_uid for grant in grants if grant.scope_kind == "course"]
    schools = _and_below(session, (grant.scope_uid for grant in grants if grant.scope_kind == "organisation"))
    found = select(Course).where(or_(Course.uid.in_(own), Course.org_uid.in_(schools))).order_by(Course.uid)
    return list(session.scalars(found))


def own_org_uids(session: Session) -> frozenset[str]:
    """The schools that are the reader's own: where they teach or administer, and the one they belong to."""
    scopes = {grant.scope_uid for grant in guard.viewer().grants if grant.role in _TEACHING and grant.scope_kind == "organisation"}
    person = guard.viewer().person
    return frozenset(_and_below(session, scopes) | ({person.org_uid} if person else set()))


def schools_taught_at(session: Session) -> list[Organisation]:
    """The organisations in whose name the reader may make a course."""
    scopes = {
        grant.scope_uid
        for grant in guard.viewer().grants
        if grant.role in _TEACHING and grant.scope_kind == "organisation"
    }
    below = _and_below(session, scopes)
    return list(session.scalars(select(Organisation).where(Organisation.uid.in_(below)).order_by(Organisation.uid)))


def _and_below(session: Session, scopes: Iterable[str | None]) -> set[str]:
    return {uid for scope in scopes if scope for uid in organisations.below(session, scope)}


def place_of_lesson(lesson_uid: str, seen: str) -> str:
    """The page on which the reader works on a lesson: the teacher's, or the reviewer's, who comes back from what was `seen`."""
    if guard.may(LESSON, lesson_uid=lesson_uid):
        return url_for("teaching.lesson", lesson_uid=lesson_uid)
    return url_for("reviewing.lesson", lesson_uid=lesson_uid, seen=seen)
