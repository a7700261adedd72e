"""What the admin's pages show of people and classes: rows with names, classes and counts."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts import roles
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.courses import audience
from eduhub.courses.models import Course, GroupCourse, Lesson
from eduhub.learning.models import Progress
from eduhub.rosters import moving
from eduhub.schools import calendars, enrolment, groups, organisations
from eduhub.schools.models import Enrolment, Group
from eduhub.web import languages, order, shown

_TSHEG = frozenset("\u0f0b\u0f0c\u0f0d\u0f0e")


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
    may_have_card: bool
    has_left: bool = False

    @property
    def is_alone(self) -> bool:
        """A child of the school in no class."""
        return self.is_child and not self.group_names and not self.has_left


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
    grants: dict[str, list[RoleGrant]] = {}
    for grant in session.scalars(select(RoleGrant).where(RoleGrant.person_uid.in_([person.uid for person in people]))):
        grants.setdefault(grant.person_uid, []).append(grant)
        if grant.role in roles.STAFF and grant.starts_on <= day and (grant.ended_on is None or grant.ended_on > day):
            held.setdefault(grant.person_uid, []).append(grant.role)
    gone = moving.who_left(session, [person.uid for person in people], day)
    rows = [
        PersonRow(
            person, person.uid not in held, classes.get(person.uid, []), held.get(person.uid, []),
            _may_have_card(person, grants.get(person.uid, []), day),
            person.uid in gone and person.uid not in held and person.uid not in classes,
        )
        for person in people
    ]
    return sorted(rows, key=lambda row: (not row.is_child, order.key(row.person.name)))


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
    return sorted(rows, key=lambda row: order.key(row.person.name))


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


def may_have_card(session: Session, person_uid: str, day: str) -> bool:
    """Whether somebody may have a card: with one for an adult, also one who was or will be, whoever prints it could sign in as they."""
    person = session.get(Person, person_uid)
    grants = session.scalars(select(RoleGrant).where(RoleGrant.person_uid == person_uid))
    return person is not None and _may_have_card(person, grants, day)


def _may_have_card(person: Person, grants: Iterable[RoleGrant], day: str) -> bool:
    is_or_will_be = (grant.role in roles.STAFF and (grant.ended_on is None or grant.ended_on > day) for grant in grants)
    return person.sign_in_name is None and not any(is_or_will_be)


def courses_for(session: Session, org_uid: str) -> list[Course]:
    """The courses whose audience takes in a school."""
    path = organisations.path(session, org_uid)
    return [course for course in session.scalars(select(Course).order_by(Course.uid)) if audience.reaches(course, path)]


def courses_taken(session: Session, group_uid: str, day: str) -> list[tuple[GroupCourse, Course]]:
    """The courses that a class takes, each with its span."""
    found = session.execute(
        select(GroupCourse, Course)
        .join(Course, Course.uid == GroupCourse.course_uid)
        .where(
            GroupCourse.group_uid == group_uid, GroupCourse.starts_on <= day,
            (GroupCourse.ended_on.is_(None)) | (GroupCourse.ended_on > day),
        )
        .order_by(GroupCourse.uid)
    )
    return [(span, course) for span, course in found]


def course_names(session: Session, uids: Iterable[str | None]) -> dict[str, str]:
    """The titles of courses."""
    found = session.scalars(select(Course).where(Course.uid.in_([uid for uid in uids if uid])))
    return {course.uid: shown.plain(course.titles) for course in found}


def cards_of(session: Session, person_uids: Iterable[str]) -> dict[str, str]:
    """Person uid -> the uid of the card they can use now; whoever has none is not there."""
    found = session.execute(
        select(Credential.person_uid, Credential.uid)
        .where(Credential.kind == "card", Credential.revoked_on.is_(None), Credential.person_uid.in_(list(person_uids)))
        .order_by(Credential.uid.desc())
    )
    return {row[0]: row[1] for row in found}


def had_cards(session: Session, person_uids: Iterable[str]) -> set[str]:
    """Which of these had a card that was ended."""
    ended = select(Credential.person_uid).where(
        Credential.kind == "card", Credential.revoked_on.is_not(None), Credential.person_uid.in_(list(person_uids))
    )
    return set(session.scalars(ended))


def is_called(person: Person, typed: str) -> bool:
    """Whether the typed letters are in a name, or in a sign-in name. Marks between syllables and case do not count."""
    wanted = letters(typed)
    return bool(wanted) and (wanted in letters(person.name) or wanted in letters(person.sign_in_name or ""))


def letters(text: str) -> str:
    """What of a text is compared: Tibetan is typed with and without its tsheg and shad, names with and without spaces."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] in "LMN" and letter not in _TSHEG)


def progress_of(session: Session, person_uid: str) -> list[tuple[Lesson, int]]:
    """The lessons that a child has watched something of, each with the milliseconds that were seen at least once."""
    found = session.execute(
        select(Lesson, Progress.seen_ms)
        .join(Lesson, (Lesson.uid == Progress.lesson_uid) & (Lesson.timeline_uid == Progress.timeline_uid))
        .where(Progress.person_uid == person_uid)
        .order_by(Progress.change_seq.desc())
    )
    return [(lesson, seen_ms) for lesson, seen_ms in found]
