"""What the admin's pages show of people and classes: rows with names, classes and counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts import roles
from eduhub.accounts.models import Person, RoleGrant
from eduhub.courses import audience
from eduhub.courses.models import Course, GroupCourse
from eduhub.schools import calendars, enrolment, groups, organisations
from eduhub.schools.models import Enrolment, Group
from eduhub.web import languages, shown


@dataclass(frozen=True)
class GroupRow:
    """A class with its counts."""

    group: Group
    name: str
    children: int
    courses: int


@dataclass(frozen=True)
class PersonRow:
    """A person with what they are at the school."""

    person: Person
    is_child: bool
    group_names: Sequence[str]
    role_names: Sequence[str]

    @property
    def is_alone(self) -> bool:
        """A child in no class."""
        return self.is_child and not self.group_names


@dataclass(frozen=True)
class SpanRow:
    """A child's place in a class."""

    enrolment: Enrolment
    person: Person
    group: Group
    name: str


def group_name(session: Session, group: Group) -> str:
    """The class's name in the page's language, by the school's present year."""
    calendar = calendars.find(session, group.org_uid)
    if calendar is None:  # not here yet on a box that has just joined
        return shown.plain(group.names)
    return groups.display_name(group, calendar, languages.of_page())


def groups_of(session: Session, org_uid: str, day: str) -> list[GroupRow]:
    """The school's classes, the youngest first."""
    found = groups.of_school(session, org_uid, day)
    taken = list(
        session.scalars(select(GroupCourse).where(GroupCourse.org_uid == org_uid, GroupCourse.ended_on.is_(None)))
    )
    return [
        GroupRow(
            group, group_name(session, group), len(enrolment.current(session, group_uid=group.uid, on=day)),
            sum(1 for row in taken if row.group_uid == group.uid),
        )
        for group in found
    ]


def people_of(session: Session, org_uid: str, day: str) -> list[PersonRow]:
    """Everybody whose home is the school, children before adults, each by name."""
    people = list(session.scalars(select(Person).where(Person.org_uid == org_uid)))
    found = session.scalars(select(Group).where(Group.org_uid == org_uid))
    names = {group.uid: group_name(session, group) for group in found}
    spans = session.scalars(
        select(Enrolment).where(
            Enrolment.org_uid == org_uid, Enrolment.starts_on <= day,
            (Enrolment.ended_on.is_(None)) | (Enrolment.ended_on > day),
        )
    )
    classes: dict[str, list[str]] = {}
    for span in spans:
        classes.setdefault(span.person_uid, []).append(names.get(span.group_uid, ""))
    held: dict[str, list[str]] = {}
    for grant in session.scalars(select(RoleGrant).where(RoleGrant.person_uid.in_([person.uid for person in people]))):
        if grant.role in roles.STAFF and grant.starts_on <= day and (grant.ended_on is None or grant.ended_on > day):
            held.setdefault(grant.person_uid, []).append(grant.role)
    rows = [
        PersonRow(person, person.uid not in held, classes.get(person.uid, []), held.get(person.uid, []))
        for person in people
    ]
    return sorted(rows, key=lambda row: (not row.is_child, row.person.name))


def children_of(session: Session, group_uid: str, day: str) -> list[SpanRow]:
    """The children of a class by name."""
    group = session.get(Group, group_uid)
    if group is None:
        return []
    name = group_name(session, group)
    spans = enrolment.current(session, group_uid=group_uid, on=day)
    found = session.scalars(select(Person).where(Person.uid.in_([span.person_uid for span in spans])))
    people = {person.uid: person for person in found}
    rows = [SpanRow(span, people[span.person_uid], group, name) for span in spans if span.person_uid in people]
    return sorted(rows, key=lambda row: row.person.name)


def spans_of(session: Session, person_uid: str, day: str) -> list[SpanRow]:
    """The classes a child is in."""
    person = session.get(Person, person_uid)
    rows = []
    for span in enrolment.current(session, person_uid=person_uid, on=day):
        group = session.get(Group, span.group_uid)
        if person is not None and group is not None:
            rows.append(SpanRow(span, person, group, group_name(session, group)))
    return rows


def is_child(session: Session, person_uid: str, day: str) -> bool:
    """Whether a person holds no adult's role."""
    return not any(grant.role in roles.STAFF for grant in roles.of(session, person_uid, day))


def courses_for(session: Session, org_uid: str) -> list[Course]:
    """The courses whose audience takes in a school."""
    path = organisations.path(session, org_uid)
    return [course for course in session.scalars(select(Course).order_by(Course.uid)) if audience.reaches(course, path)]
