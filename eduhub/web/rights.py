"""Which rule each page has, and what the reader's own roles open.

The rules themselves are in `guard.py`. A course is edited by those who hold a teacher's role on
the course itself, and by the admin of its school; a school's people and classes by its admin.
"""

from collections.abc import Iterable

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses.models import Course
from eduhub.errors import SignInNeeded
from eduhub.schools import organisations
from eduhub.schools.models import Organisation

_ADMINS = ("school_admin", "region_operator", "operator")

OPERATOR = guard.role("operator")
OVERSEES = guard.role("operator", "region_operator")
SCHOOL = guard.role(*_ADMINS, of=guard.of_organisation)
GROUP = guard.role(*_ADMINS, of=guard.of_group)
PERSON = guard.role(*_ADMINS, of=guard.of_person)
ENROLMENT = guard.role(*_ADMINS, of=guard.of_enrolment)
PLAN_ROW = guard.role(*_ADMINS, of=guard.of_plan_row)
TEACHES_SOMEWHERE = guard.role("teacher", "school_admin")
MAKES_COURSES = guard.role("teacher", "school_admin", scopes=("organisation",))
COURSE = guard.any_of(
    guard.role("teacher", of=guard.of_course, scopes=("course",)), guard.role(*_ADMINS, of=guard.of_course)
)
LESSON = guard.any_of(
    guard.role("teacher", of=guard.of_lesson, scopes=("course",)), guard.role(*_ADMINS, of=guard.of_lesson)
)
_TEACHING = ("teacher", "school_admin")


def person_uid() -> str:
    """The reader; raises SignInNeeded for nobody."""
    person = guard.viewer().person
    if person is None:
        raise SignInNeeded
    return person.uid


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
