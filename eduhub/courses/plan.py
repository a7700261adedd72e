"""The plan: what should be taught in which group on which school day and period, or 'next'.

Rows are edited wherever the school's people are, at the hub or at the box, and merge like every
travelling row. A dropped row stays dropped. Days are ISO text in the school's own time zone.

This module must not know who may edit a plan, nor what a box fetches because of it.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import audience
from eduhub.courses.models import Course, Lesson, PlanRow
from eduhub.errors import BadInput, NotAllowed, NotFound, PlanChanged
from eduhub.schools import calendars
from eduhub.schools.models import Group

MAX_PERIOD = 20
Slot = tuple[str | None, int | None]  # day and period


def add(
    session: Session, *, group_uid: str, lesson_uid: str, day: str | None = None, period: int | None = None
) -> PlanRow:
    """Plan a lesson for a group; without a day it is 'next'. Raises NotFound, BadInput, NotAllowed."""
    group, lesson = session.get(Group, group_uid), session.get(Lesson, lesson_uid)
    course = session.get(Course, lesson.course_uid) if lesson is not None else None
    if group is None or lesson is None or course is None:
        raise NotFound(f"no group {group_uid} or no lesson {lesson_uid}")
    if not audience.may_org_have(session, course, group.org_uid):
        raise NotAllowed(f"course {course.uid} is not for organisation {group.org_uid}")
    _check(day, period)
    row = PlanRow(
        org_uid=group.org_uid, group_uid=group_uid, lesson_uid=lesson_uid, day=day, period=period, dropped_on=None
    )
    session.add(row)
    session.flush()
    return row


def move(
    session: Session, plan_uid: str, *, day: str | None, period: int | None, seen: Slot | None = None
) -> PlanRow:
    """Put a planned lesson on another day and period. Raises NotFound, BadInput, and PlanChanged when it does not
    stand any more where the asker saw it (`seen`).
    """
    row = _row(session, plan_uid)
    _check_seen(row, seen)
    _check(day, period)
    row.day, row.period = day, period
    session.flush()
    return row


def drop(session: Session, plan_uid: str, on: str, *, seen: Slot | None = None) -> PlanRow:
    """Take a lesson out of the plan, for good; safe to repeat. Raises NotFound, BadInput, PlanChanged."""
    row = _row(session, plan_uid)
    _check(on, None)
    if row.dropped_on is None:
        _check_seen(row, seen)
        row.dropped_on = on
        session.flush()
    return row


def for_group(session: Session, group_uid: str, from_day: str, to_day: str) -> list[PlanRow]:
    """The rows of a group from one ISO day to another (both included), in school order; then what is 'next'."""
    found = session.scalars(
        select(PlanRow).where(
            PlanRow.group_uid == group_uid,
            PlanRow.dropped_on.is_(None),
            or_(PlanRow.day.is_(None), PlanRow.day.between(from_day, to_day)),
        )
    )
    return sorted(found, key=_school_order)


def school_day(session: Session, org_uid: str, at: datetime) -> str:
    """The ISO day that the aware time `at` falls on in the school's time zone."""
    return at.astimezone(ZoneInfo(calendars.zone_of(session, org_uid))).date().isoformat()


def _school_order(row: PlanRow) -> tuple[bool, str, bool, int, str]:
    return (row.day is None, row.day or "", row.period is None, row.period or 0, row.uid)


def _row(session: Session, plan_uid: str) -> PlanRow:
    # Locked and read anew: whoever asks may be one of two who change it at once.
    row = session.get(PlanRow, plan_uid, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(f"no plan row {plan_uid}")
    return row


def _check_seen(row: PlanRow, seen: Slot | None) -> None:
    if seen is not None and (row.dropped_on is not None or seen != (row.day, row.period)):
        raise PlanChanged(f"plan row {row.uid} is not where it was")


def _check(day: str | None, period: int | None) -> None:
    if day is not None:
        clock.check_day(day)
    if period is not None and not (day is not None and 1 <= period <= MAX_PERIOD):
        raise BadInput(f"a period is a number from 1 to {MAX_PERIOD}, of a day")
