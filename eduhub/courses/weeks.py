"""A week of a class's plan: its days, and carrying the week before on into it.

A copied week is new rows in free slots: what somebody else has put there meanwhile stays, and so
does what two people planned at once for one slot; the page shows both.

This module must not know pages, nor who may edit a plan.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import audience, ordering, plan
from eduhub.courses.models import Lesson, PlanRow
from eduhub.errors import BadInput, NotFound
from eduhub.schools import calendars
from eduhub.schools.models import Group

DAYS = 7


@dataclass(frozen=True)
class Carried:
    """What became of a week that was carried on: the new rows, and how many slots stayed as they were."""

    made: Sequence[PlanRow]
    left_out: int


def days_of(day: str) -> list[str]:
    """The seven days, Monday first, of the week that a day lies in. Raises BadInput."""
    at = date.fromisoformat(clock.check_day(day))
    try:
        return [(at + timedelta(days=number - at.weekday())).isoformat() for number in range(DAYS)]
    except OverflowError as error:
        raise BadInput("no such week") from error


def shifted(day: str, days: int) -> str:
    """The ISO day so many days later. Raises BadInput."""
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except (OverflowError, ValueError) as error:
        raise BadInput("no such day") from error


def lessons_of_group(session: Session, group_uid: str, on: str) -> list[Lesson]:
    """The published lessons of the courses that a class takes, course by course in their order."""
    courses = [course.uid for course in audience.courses_of_group(session, group_uid, on)]
    found = select(Lesson).where(Lesson.course_uid.in_(courses), Lesson.state == audience.PUBLISHED)
    return ordering.in_order(session, session.scalars(found))


def last_planned(session: Session, group_uid: str) -> dict[str, str]:
    """The latest day on which each lesson is planned for a class; '' for one that is 'next'."""
    found = session.execute(
        select(PlanRow.lesson_uid, func.max(func.coalesce(PlanRow.day, "")))
        .where(PlanRow.group_uid == group_uid, PlanRow.dropped_on.is_(None))
        .group_by(PlanRow.lesson_uid)
    )
    return {row[0]: row[1] for row in found}


def repeat(session: Session, group_uid: str, from_day: str, to_day: str) -> Carried:
    """The same lessons in the same slots of another week. Raises NotFound, BadInput."""
    rows = _dated(session, group_uid, from_day)
    return _carry(session, group_uid, [(row, row.lesson_uid) for row in rows], from_day, to_day)


def continue_courses(session: Session, group_uid: str, from_day: str, to_day: str, on: str) -> Carried:
    """The same slots of another week, each with the lesson of its course that comes next. Raises NotFound, BadInput.

    A course that has come to its end leaves its slots empty.
    """
    rows = _dated(session, group_uid, from_day)
    follows = _following(lessons_of_group(session, group_uid, on), [row.lesson_uid for row in rows])
    wanted, ended = [], 0
    for row in rows:
        course_uid = session.scalar(select(Lesson.course_uid).where(Lesson.uid == row.lesson_uid))
        next_ones = follows.get(course_uid or "", [])
        if next_ones:
            wanted.append((row, next_ones.pop(0)))
        else:
            ended += 1
    carried = _carry(session, group_uid, wanted, from_day, to_day)
    return Carried(carried.made, carried.left_out + ended)


def _following(lessons: Iterable[Lesson], planned: Sequence[str]) -> dict[str, list[str]]:
    """Of each course the lessons after the furthest one that was planned."""
    following: dict[str, list[str]] = {}
    for lesson in lessons:
        if lesson.uid in planned:
            following[lesson.course_uid] = []
        else:
            following.setdefault(lesson.course_uid, []).append(lesson.uid)
    return following


def _dated(session: Session, group_uid: str, day: str) -> list[PlanRow]:
    week = days_of(day)
    return [row for row in plan.for_group(session, group_uid, week[0], week[-1]) if row.day is not None]


def _carry(
    session: Session, group_uid: str, wanted: Sequence[tuple[PlanRow, str]], from_day: str, to_day: str
) -> Carried:
    group = session.get(Group, group_uid)
    if group is None:
        raise NotFound(f"no group {group_uid}")
    calendar = calendars.find(session, group.org_uid)
    offset = (date.fromisoformat(days_of(to_day)[0]) - date.fromisoformat(days_of(from_day)[0])).days
    may = set(session.scalars(
        select(Lesson.uid).where(Lesson.uid.in_([uid for _row, uid in wanted]), Lesson.state == audience.PUBLISHED)
    ))  # fmt: skip
    there = _dated(session, group_uid, to_day)
    taken = {(row.day, row.period) for row in there if row.period is not None}
    lessons = {(row.day, row.lesson_uid) for row in there}
    made = []
    for row, lesson_uid in wanted:
        day = shifted(row.day or "", offset)
        free = (day, row.period) not in taken and (day, lesson_uid) not in lessons
        if free and lesson_uid in may and calendars.is_school_day(calendar, day):
            made.append(plan.add(session, group_uid=group_uid, lesson_uid=lesson_uid, day=day, period=row.period))
    return Carried(made, len(wanted) - len(made))
