"""Who is in which group, as spans of days.

A span holds from `starts_on` until the day before `ended_on`. Withdrawal ends it for good,
on whichever machine it is written; a child who comes back gets a new span.
"""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import Person
from eduhub.errors import BadInput, NotFound
from eduhub.schools import groups
from eduhub.schools.models import Enrolment, Group

REASONS = ("withdrawn", "moved_group", "transferred", "graduated", "mistake")


def enrol(session: Session, *, person_uid: str, group_uid: str, starts_on: str) -> Enrolment:
    """A new span. A child who is in the group already keeps the one there is. Raises NotFound, BadInput."""
    group = groups.get(session, group_uid)
    if session.get(Person, person_uid) is None:
        raise NotFound("no such person")
    if group.kind == "composite":
        raise BadInput("children are enrolled in the classes that a composite class is made of")
    clock.check_day(starts_on)
    same = Enrolment.person_uid == person_uid, Enrolment.group_uid == group_uid, Enrolment.ended_on.is_(None)
    is_in = session.scalars(select(Enrolment).where(*same).order_by(Enrolment.uid)).first()
    if is_in is not None:
        return is_in
    made = Enrolment(org_uid=group.org_uid, person_uid=person_uid, group_uid=group_uid, starts_on=starts_on)
    session.add(made)
    session.flush()
    return made


def withdraw(session: Session, enrolment_uid: str, on: str, reason: str) -> None:
    """End a span: `on` is the first day on which the child is not in the group. Raises NotFound, BadInput."""
    span = session.get(Enrolment, enrolment_uid)
    if span is None:
        raise NotFound("no such enrolment")
    if reason not in REASONS or clock.check_day(on) < span.starts_on or span.ended_on is not None:
        raise BadInput("an enrolment ends once, with a reason, not before it began")
    span.ended_on, span.end_reason = on, reason
    session.flush()


def current(
    session: Session, *, group_uid: str | None = None, person_uid: str | None = None, on: str
) -> list[Enrolment]:
    """The spans of a group, of a person, or of one in the other, that hold on a day.

    A composite class has those of the classes it is made of.
    """
    if group_uid is None and person_uid is None:
        raise TypeError("of whom?")
    wanted = (
        select(Enrolment)
        .where(Enrolment.starts_on <= on, or_(Enrolment.ended_on.is_(None), Enrolment.ended_on > on))
        .order_by(Enrolment.uid)
    )
    if group_uid is not None:
        group = session.get(Group, group_uid)
        members = (group.member_group_uids or []) if group else []
        wanted = wanted.where(Enrolment.group_uid.in_([group_uid, *members]))
    if person_uid is not None:
        wanted = wanted.where(Enrolment.person_uid == person_uid)
    return list(session.scalars(wanted))
