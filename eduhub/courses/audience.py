"""Who may read a course and its lessons.

A course reaches organisations by its audience: `own` (its owner and everything below), `listed`
(the same, and the listed ones and everything below them), `all`, `open` (all, and people who are
not signed in). Children read what their groups take or have in their plan; adults read by their
roles. Lessons that are not published are for the owner's own staff.

This module must not know pages or passes; who may *change* a course is decided above.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from eduhub.accounts import roles
from eduhub.accounts.models import RoleGrant
from eduhub.courses import ordering
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.schools import enrolment, organisations
from eduhub.schools.models import Group

AUDIENCES = ("own", "listed", "all", "open")
PUBLISHED = "published"


def may_org_have(session: Session, course: Course, org_uid: str) -> bool:
    """Whether the audience of a course takes in an organisation."""
    return reaches(course, organisations.path(session, org_uid))


def reaches(course: Course, path: Iterable[str]) -> bool:
    """The same for an organisation given by its path: itself, then upwards."""
    if course.audience in {"all", "open"}:
        return True
    named = {course.org_uid, *(course.listed_org_uids or ())} if course.audience == "listed" else {course.org_uid}
    return not named.isdisjoint(path)


def may_read(session: Session, lesson: Lesson, person_uid: str | None, on: str) -> bool:
    """Whether a person (None: nobody is signed in) may read a lesson on an ISO day."""
    course = session.get(Course, lesson.course_uid)
    if course is None:
        return False
    is_published = lesson.state == PUBLISHED
    if is_published and course.audience == "open":
        return True
    if person_uid is None:
        return False
    grants = roles.of(session, person_uid, on)
    if any(_reads_by_role(session, grant, course, lesson, on) for grant in grants):
        return True
    return is_published and any(
        reaches(course, organisations.path(session, group.org_uid)) and _is_taught(session, group.uid, lesson, on)
        for group in groups_of_person(session, person_uid, on)
    )


def readable(session: Session, lesson_uids: Iterable[str], person_uid: str | None, on: str) -> set[str]:
    """Those of many lessons that a person may read: just what `may_read` says of each."""
    wanted = set(lesson_uids)
    is_open = select(Lesson.uid).join(Course, Course.uid == Lesson.course_uid)
    found = wanted & set(session.scalars(is_open.where(Lesson.state == PUBLISHED, Course.audience == "open")))
    if person_uid is None or not wanted:
        return found
    found |= {lesson.uid for lesson in lessons_of_person(session, person_uid, on)} & wanted
    for grant in roles.of(session, person_uid, on):
        if grant.role in roles.STAFF and not wanted <= found:
            found |= _readable_by_role(session, grant, on) & wanted
    return found


def courses_of_group(session: Session, group_uid: str, on: str) -> list[Course]:
    """The courses that a group takes on an ISO day and that reach its school."""
    group = session.get(Group, group_uid)
    if group is None:
        return []
    path = organisations.path(session, group.org_uid)
    found = session.scalars(
        select(Course)
        .where(Course.uid.in_(select(GroupCourse.course_uid).where(*_spans(group_uid, on))))
        .order_by(Course.uid)
    )
    return [course for course in found if reaches(course, path)]


def lessons_of_person(session: Session, person_uid: str, on: str) -> list[Lesson]:
    """The published lessons that a learner's groups take or have in their plan, in the order of the courses."""
    return lessons_of_groups(session, groups_of_person(session, person_uid, on), on)


def lessons_of_groups(session: Session, groups: Iterable[Group], on: str) -> list[Lesson]:
    """The same for somebody who is in just these groups."""
    lessons: dict[str, Lesson] = {}
    for group in groups:
        path = organisations.path(session, group.org_uid)
        planned = select(PlanRow.lesson_uid).where(*_planned(group.uid))
        taken = select(GroupCourse.course_uid).where(*_spans(group.uid, on))
        found = session.execute(
            select(Lesson, Course)
            .join(Course, Course.uid == Lesson.course_uid)
            .where(Lesson.state == PUBLISHED, or_(Lesson.course_uid.in_(taken), Lesson.uid.in_(planned)))
        )
        lessons |= {lesson.uid: lesson for lesson, course in found if reaches(course, path)}
    return ordering.in_order(session, lessons.values())


def open_lessons(session: Session) -> list[Lesson]:
    """The published lessons that everybody may read, in the order of the courses."""
    found = session.scalars(
        select(Lesson)
        .join(Course, Course.uid == Lesson.course_uid)
        .where(Course.audience == "open", Lesson.state == PUBLISHED)
        .order_by(Lesson.course_uid, Lesson.position, Lesson.uid)
    )
    return list(found)


def groups_of_person(session: Session, person_uid: str, on: str) -> list[Group]:
    """The groups in which a person is taught on an ISO day."""
    spans = enrolment.current(session, person_uid=person_uid, on=on)
    uids = {span.group_uid for span in spans}
    groups = list(session.scalars(select(Group).where(Group.uid.in_(uids)).order_by(Group.uid)))
    # A composite class is taught too, to the children of the classes it is made of.
    schools = {group.org_uid for group in groups}
    composites = session.scalars(select(Group).where(Group.kind == "composite", Group.org_uid.in_(schools)))
    return [*groups, *(group for group in composites if uids & set(group.member_group_uids or ()))]


# --- inside -------------------------------------------------------------------------


def _is_taught(session: Session, group_uid: str, lesson: Lesson, on: str) -> bool:
    taken = select(GroupCourse.uid).where(*_spans(group_uid, on), GroupCourse.course_uid == lesson.course_uid)
    planned = select(PlanRow.uid).where(*_planned(group_uid), PlanRow.lesson_uid == lesson.uid)
    return session.execute(taken.limit(1)).first() is not None or session.execute(planned.limit(1)).first() is not None


def _spans(group_uid: str, on: str) -> tuple[ColumnElement[bool], ...]:
    ended = or_(GroupCourse.ended_on.is_(None), GroupCourse.ended_on > on)
    return (GroupCourse.group_uid == group_uid, GroupCourse.starts_on <= on, ended)


def _planned(group_uid: str) -> tuple[ColumnElement[bool], ...]:
    return (PlanRow.group_uid == group_uid, PlanRow.dropped_on.is_(None))


def _readable_by_role(session: Session, grant: RoleGrant, on: str) -> set[str]:
    if grant.scope_kind == "group":
        group = session.get(Group, grant.scope_uid) if grant.scope_uid else None
        return {lesson.uid for lesson in lessons_of_groups(session, [group], on)} if group is not None else set()
    decided: dict[tuple[str, bool], bool] = {}  # a course has many lessons
    courses = {course.uid: course for course in session.scalars(select(Course))}
    found = set()
    for uid, course_uid, state in session.execute(select(Lesson.uid, Lesson.course_uid, Lesson.state)):
        key = (course_uid, state == PUBLISHED)
        if key not in decided:
            course = courses.get(course_uid)
            decided[key] = course is not None and _reads_course(session, grant, course, is_published=key[1])
        if decided[key]:
            found.add(uid)
    return found


def _reads_by_role(session: Session, grant: RoleGrant, course: Course, lesson: Lesson, on: str) -> bool:
    is_published = lesson.state == PUBLISHED
    if grant.role not in roles.STAFF:  # a student reads by enrolment only
        return False
    if grant.scope_kind != "group":
        return _reads_course(session, grant, course, is_published=is_published)
    group = session.get(Group, grant.scope_uid) if grant.scope_uid else None
    if group is None or not is_published:
        return False
    return reaches(course, organisations.path(session, group.org_uid)) and _is_taught(session, group.uid, lesson, on)


def _reads_course(session: Session, grant: RoleGrant, course: Course, *, is_published: bool) -> bool:
    """Whether a role of the staff, for all but a class, reads the lessons of a course."""
    if grant.scope_kind == "all":
        return grant.role == "operator"
    if grant.scope_uid is None:
        return False
    if grant.scope_kind == "course":
        return grant.scope_uid == course.uid
    if grant.scope_kind == "organisation":
        owner_path = organisations.path(session, course.org_uid)
        if grant.scope_uid in owner_path:  # the owner's own staff, and whoever stands above the owner
            return True
        return is_published and may_org_have(session, course, grant.scope_uid)
    return False
