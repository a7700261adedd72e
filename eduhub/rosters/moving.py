"""A child goes to another class, leaves the school, or comes back.

Leaving ends what made the child one of the school's (every class, the student's role) and the card.
The name and what was learned stay until the child is erased.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts import credentials, roles
from eduhub.accounts.models import Person, RoleGrant
from eduhub.errors import BadInput, NotAChild, NotFound
from eduhub.schools import enrolment, groups
from eduhub.schools.models import Enrolment

LEAVING = ("withdrawn", "transferred", "graduated")


def into_group(session: Session, person: Person, group_uid: str, on: str) -> None:
    """Into a class from a day on, beside those the child is in, and so one of the school's. Raises NotFound, BadInput."""
    settle(session, person, on)
    enrolment.enrol(session, person_uid=person.uid, group_uid=group_uid, starts_on=on)


def to_group(session: Session, person: Person, group_uid: str, on: str) -> None:
    """Out of every class of that school and into this one, from a day on. Raises NotFound, BadInput."""
    group = groups.get(session, group_uid)
    for span in _open(session, person.uid, group.org_uid):
        if span.group_uid != group_uid:
            enrolment.withdraw(session, span.uid, max(on, span.starts_on), "moved_group")
    into_group(session, person, group_uid, on)


def leave(session: Session, person_uid: str, on: str, reason: str) -> None:
    """The child is at the school no more from a day on. Raises NotFound, BadInput, NotAChild."""
    person = session.get(Person, person_uid)
    if person is None:
        raise NotFound("no such person")
    if reason not in LEAVING:
        raise BadInput("a child leaves with a reason")
    for span in _open(session, person_uid, person.org_uid):
        enrolment.withdraw(session, span.uid, max(on, span.starts_on), reason)
    settle(session, person, on)  # so that there is something to end: who has no such role never left
    for grant in _student_grants(session, [person_uid]):
        if grant.ended_on is None:
            roles.end(session, grant.uid, max(on, grant.starts_on))
    for credential in credentials.of(session, person_uid):
        if credential.kind == "card":
            credentials.revoke(session, credential.uid)


def settle(session: Session, person: Person, on: str) -> None:
    """Make a child one of the school's. Whoever is already stays so. Raises NotAChild for whoever works at a school."""
    if any(grant.role in roles.STAFF for grant in roles.of(session, person.uid, on)):
        raise NotAChild
    if not any(grant.ended_on is None for grant in _student_grants(session, [person.uid])):
        roles.grant(
            session, person_uid=person.uid, role="student", scope_kind="organisation", scope_uid=person.org_uid,
            org_uid=person.org_uid, starts_on=on,
        )  # fmt: skip


def who_left(session: Session, person_uids: Iterable[str], on: str) -> set[str]:
    """Which of these children have left: each had a student's role, and has none now."""
    holds: dict[str, bool] = {}
    for grant in _student_grants(session, person_uids):
        holds[grant.person_uid] = holds.get(grant.person_uid, False) or grant.ended_on is None or grant.ended_on > on
    return {uid for uid, still in holds.items() if not still}


def _student_grants(session: Session, person_uids: Iterable[str]) -> list[RoleGrant]:
    found = select(RoleGrant).where(RoleGrant.person_uid.in_(list(person_uids)), RoleGrant.role == "student")
    return list(session.scalars(found.order_by(RoleGrant.uid)))


def _open(session: Session, person_uid: str, org_uid: str) -> list[Enrolment]:
    of_school = Enrolment.person_uid == person_uid, Enrolment.org_uid == org_uid, Enrolment.ended_on.is_(None)
    return list(session.scalars(select(Enrolment).where(*of_school).order_by(Enrolment.uid)))
