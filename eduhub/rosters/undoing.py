"""Taking an act of the history back. What is done is never unwritten: the undoing is an act of its own.

A span that ended is not opened again (it cannot be: `ended_on` stays); the child, the class or the
lesson gets a new one. What was changed again since is left alone, and what cannot be undone says why.

This module must not know pages; who may undo is decided above.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts import people, roles
from eduhub.accounts.models import Person, RoleGrant
from eduhub.courses import editing, plan
from eduhub.courses.models import Course, GroupCourse, PlanRow
from eduhub.errors import N_, CannotUndo, EduHubError
from eduhub.rosters import history, moving
from eduhub.rosters.history import Act
from eduhub.schools import enrolment, groups
from eduhub.schools.models import Enrolment, Group, SchoolCalendar

CHANGED = N_("it has been changed again since")
OVER = N_("it is over already")
GONE = N_("the person or the class is not here any more")
THERE = N_("it is so again already")
NEW_PERSON = N_("whoever is here by mistake leaves the school, or is erased, on their own page")
CARD = N_("a card stays useless once it was replaced; make a new one")
PASSWORD = N_("a password is not kept; set a new one")
FOR_GOOD = N_("it was written down for good")
AT_THE_HUB = N_("this is done at the county")
OWN_ROLE = N_("nobody takes their own task away")
OPERATORS = N_("only the operator gives or takes this task")
LOST = N_("another change at the same time took its place")

# What a school gives and takes by itself; whoever reaches further is the operator's to name.
_OF_THE_SCHOOL = frozenset({"teacher", "school_admin", "assistant", "reviewer"})
_FROM_A_BOX = frozenset({"assistant"})  # the others a hub would refuse from a box


@dataclass(frozen=True)
class Asker:
    """Who undoes, on which school day, and whether this is the hub."""

    by_uid: str | None
    on: str
    at_hub: bool


Step = Callable[[], object]


def why_not(session: Session, act: Act, asker: Asker) -> str | None:
    """Why an act cannot be undone; None when it can. Nothing is written."""
    try:
        _step(session, act, asker)
    except CannotUndo as refused:
        return str(refused.facts["reason"])
    return None


def undo(session: Session, org_uid: str, keys: Iterable[str], asker: Asker) -> None:
    """Take acts of a school back, in the order given. Raises NotFound, CannotUndo; the caller's transaction then
    keeps nothing.
    """
    for key in keys:
        step = _step(session, history.by_key(session, org_uid, key), asker)  # read anew: the one before may have changed it
        try:
            step()
        except CannotUndo:
            raise
        except EduHubError as error:  # a class that was closed, a course that is for others now
            raise CannotUndo(error.detail, reason=CHANGED) from error


def _step(session: Session, act: Act, asker: Asker) -> Step:
    if any(field.lost for field in act.fields.values()):
        raise CannotUndo(reason=LOST)
    return _STEPS[act.table](session, act, asker)


def _row(session: Session, model: type[Any], uid: object) -> Any:
    row = session.get(model, uid) if isinstance(uid, str) else None
    if row is None:
        raise CannotUndo(reason=GONE)
    return row


def _still(act: Act) -> None:
    if not all(field.holds for field in act.fields.values()):
        raise CannotUndo(reason=CHANGED)


def _ended(act: Act, name: str) -> bool:
    """Whether the act is the end of a span."""
    return not act.is_new and name in act.fields and act.fields[name].after is not None


# --- one rule a table ---------------------------------------------------------------


def _person(session: Session, act: Act, _asker: Asker) -> Step:
    if act.is_new:
        raise CannotUndo(reason=NEW_PERSON)
    _still(act)
    person: Person = _row(session, Person, act.row_uid)
    if "sign_in_name" in act.fields:
        raise CannotUndo(reason=FOR_GOOD)
    before = {name: field.before for name, field in act.fields.items() if name in ("name", "language", "picture")}
    return lambda: people.change(session, person.uid, **before)


def _enrolment(session: Session, act: Act, asker: Asker) -> Step:
    span: Enrolment = _row(session, Enrolment, act.row_uid)
    if act.is_new:
        if span.ended_on is not None:
            raise CannotUndo(reason=OVER)
        return lambda: enrolment.withdraw(session, span.uid, max(asker.on, span.starts_on), "mistake")
    if not _ended(act, "ended_on"):
        raise CannotUndo(reason=FOR_GOOD)
    group: Group = _row(session, Group, span.group_uid)
    person: Person = _row(session, Person, span.person_uid)
    if group.closed_on is not None:
        raise CannotUndo(reason=GONE)
    open_ones = list(session.scalars(
        select(Enrolment).where(Enrolment.person_uid == span.person_uid, Enrolment.ended_on.is_(None))
    ))  # fmt: skip
    if any(other.group_uid == span.group_uid for other in open_ones):
        raise CannotUndo(reason=THERE)

    def back() -> None:
        if span.end_reason == "moved_group":  # out of the class that it was moved into
            for other in open_ones:
                if other.org_uid == span.org_uid and other.starts_on == span.ended_on:
                    enrolment.withdraw(session, other.uid, max(asker.on, other.starts_on), "moved_group")
        on = max(asker.on, span.ended_on or "")
        moving.settle(session, person, on)
        enrolment.enrol(session, person_uid=person.uid, group_uid=group.uid, starts_on=on)

    return back


def _group(session: Session, act: Act, asker: Asker) -> Step:
    group: Group = _row(session, Group, act.row_uid)
    if act.is_new:
        if group.closed_on is not None:
            raise CannotUndo(reason=OVER)
        if enrolment.current(session, group_uid=group.uid, on=asker.on):
            raise CannotUndo(reason=CHANGED)
        return lambda: groups.close(session, group.uid, asker.on)
    _still(act)
    if set(act.fields) != {"closed_on"}:
        raise CannotUndo(reason=FOR_GOOD)
    return lambda: setattr(group, "closed_on", act.fields["closed_on"].before)


def _group_course(session: Session, act: Act, asker: Asker) -> Step:
    span: GroupCourse = _row(session, GroupCourse, act.row_uid)
    if act.is_new:
        if span.ended_on is not None:
            raise CannotUndo(reason=OVER)
        return lambda: editing.end_course(session, span.uid, max(asker.on, span.starts_on))
    _row(session, Group, span.group_uid)
    _row(session, Course, span.course_uid)
    same = GroupCourse.group_uid == span.group_uid, GroupCourse.course_uid == span.course_uid
    if session.scalars(select(GroupCourse).where(*same, GroupCourse.ended_on.is_(None))).first() is not None:
        raise CannotUndo(reason=THERE)
    return lambda: editing.give_course(
        session, group_uid=span.group_uid, course_uid=span.course_uid, starts_on=max(asker.on, span.ended_on or "")
    )


def _plan_row(session: Session, act: Act, asker: Asker) -> Step:
    row: PlanRow = _row(session, PlanRow, act.row_uid)
    if act.is_new:
        if row.dropped_on is not None:
            raise CannotUndo(reason=OVER)
        return lambda: plan.drop(session, row.uid, asker.on)
    if _ended(act, "dropped_on"):
        again = select(PlanRow.uid).where(
            PlanRow.group_uid == row.group_uid, PlanRow.lesson_uid == row.lesson_uid, PlanRow.dropped_on.is_(None),
            PlanRow.day.is_(None) if row.day is None else PlanRow.day == row.day,
            PlanRow.period.is_(None) if row.period is None else PlanRow.period == row.period,
        )  # fmt: skip
        if session.scalars(again).first() is not None:
            raise CannotUndo(reason=THERE)
        return lambda: plan.add(
            session, group_uid=row.group_uid, lesson_uid=row.lesson_uid, day=row.day, period=row.period
        )
    _still(act)
    if row.dropped_on is not None:
        raise CannotUndo(reason=OVER)
    day = act.fields["day"].before if "day" in act.fields else row.day
    period = act.fields["period"].before if "period" in act.fields else row.period
    return lambda: plan.move(session, row.uid, day=day, period=period)


def why_not_end(grant: RoleGrant, asker: Asker) -> str | None:
    """Why a school's admin may not end (or give again) a role; None when they may."""
    reaches_further = grant.scope_kind == "organisation" and grant.scope_uid != grant.org_uid
    if grant.role not in _OF_THE_SCHOOL or reaches_further:
        return OPERATORS
    if not asker.at_hub and grant.role not in _FROM_A_BOX:
        return AT_THE_HUB
    return OWN_ROLE if grant.person_uid == asker.by_uid else None


def _role_grant(session: Session, act: Act, asker: Asker) -> Step:
    grant: RoleGrant = _row(session, RoleGrant, act.row_uid)
    _row(session, Person, grant.person_uid)
    refused = why_not_end(grant, asker)
    if refused:
        raise CannotUndo(reason=refused)
    if act.is_new:
        if grant.ended_on is not None:
            raise CannotUndo(reason=OVER)
        return lambda: roles.end(session, grant.uid, max(asker.on, grant.starts_on))
    same = select(RoleGrant.uid).where(
        RoleGrant.person_uid == grant.person_uid, RoleGrant.role == grant.role, RoleGrant.scope_kind == grant.scope_kind,
        RoleGrant.scope_uid == grant.scope_uid, RoleGrant.ended_on.is_(None),
    )  # fmt: skip
    if session.scalars(same).first() is not None:
        raise CannotUndo(reason=THERE)
    return lambda: roles.grant(
        session, person_uid=grant.person_uid, role=grant.role, scope_kind=grant.scope_kind, scope_uid=grant.scope_uid,
        org_uid=grant.org_uid, starts_on=max(asker.on, grant.ended_on or ""),
    )


def _calendar(session: Session, act: Act, _asker: Asker) -> Step:
    if act.is_new:
        raise CannotUndo(reason=FOR_GOOD)
    _still(act)
    calendar: SchoolCalendar = _row(session, SchoolCalendar, act.row_uid)

    def back() -> None:
        for name, field in act.fields.items():
            setattr(calendar, name, field.before)
        session.flush()

    return back


def _credential(_session: Session, act: Act, _asker: Asker) -> Step:
    raise CannotUndo(reason=CARD if act.row.get("kind") == "card" else PASSWORD)


def _for_good(_session: Session, _act: Act, _asker: Asker) -> Step:
    raise CannotUndo(reason=FOR_GOOD)


_STEPS: dict[str, Callable[[Session, Act, Asker], Step]] = {
    "person": _person, "enrolment": _enrolment, "learner_group": _group, "group_course": _group_course,
    "plan_row": _plan_row, "role_grant": _role_grant, "school_calendar": _calendar, "credential": _credential,
    "learner_record": _for_good,
}  # fmt: skip
