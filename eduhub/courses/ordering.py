"""The order of a course's units and lessons: where each stands, and moving one.

A place is one number of the row, so that two who move two rows at the same time, on one machine or on two, both
have their way, and whoever moves the same row later wins. Who moves one says before which row it shall stand, not
how far it goes: what else was moved meanwhile changes nothing about that.

This module must not know pages, nor who may move what. See docs/formats/courses.md.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses.models import Course, Lesson, Unit
from eduhub.errors import BadInput, NotFound

GAP = 1 << 16  # between rows that are spread anew: room for sixteen halvings
Row = TypeVar("Row", Unit, Lesson)


def in_order(session: Session, lessons: Iterable[Lesson]) -> list[Lesson]:
    """Lessons as they are read: course by course, first those without a unit, then unit by unit."""
    found = list(lessons)
    units = session.scalars(select(Unit).where(Unit.course_uid.in_({lesson.course_uid for lesson in found})))
    places = {unit.uid: (unit.course_uid, unit.position) for unit in units}

    def place(lesson: Lesson) -> tuple[str, int, int, str, int, str]:
        course_uid, position = places.get(lesson.unit_uid or "", ("", 0))
        is_in_unit = course_uid == lesson.course_uid  # a unit of another course, or one that has not arrived yet, is none
        unit_uid = (lesson.unit_uid or "") if is_in_unit else ""
        return lesson.course_uid, int(is_in_unit), position if is_in_unit else 0, unit_uid, lesson.position, lesson.uid

    return sorted(found, key=place)


def move_lesson(session: Session, lesson_uid: str, *, unit_uid: str | None, before_uid: str | None) -> Lesson:
    """Put a lesson into a unit (None: into none), before another lesson there; at the end when that is not there.

    Raises NotFound, and BadInput for a unit of another course.
    """
    lesson = session.get(Lesson, lesson_uid)
    if lesson is None:
        raise NotFound(f"no lesson {lesson_uid}")
    _lock(session, lesson.course_uid)
    unit = session.get(Unit, unit_uid) if unit_uid is not None else None
    if unit_uid is not None and (unit is None or unit.course_uid != lesson.course_uid):
        raise BadInput(f"unit {unit_uid} is not of this course")
    others = [
        row for row in _lessons(session, lesson.course_uid) if row.unit_uid == unit_uid and row.uid != lesson_uid
    ]
    if lesson.unit_uid != unit_uid:
        lesson.unit_uid = unit_uid
    _place(lesson, others, before_uid)
    session.flush()
    return lesson


def move_unit(session: Session, unit_uid: str, *, before_uid: str | None) -> Unit:
    """Put a unit, with its lessons, before another one; at the end when that is not there. Raises NotFound."""
    unit = session.get(Unit, unit_uid)
    if unit is None:
        raise NotFound(f"no unit {unit_uid}")
    _lock(session, unit.course_uid)
    rows = session.scalars(
        select(Unit).where(Unit.course_uid == unit.course_uid).order_by(Unit.position, Unit.uid)
        .execution_options(populate_existing=True)
    )  # fmt: skip
    _place(unit, [row for row in rows if row.uid != unit_uid], before_uid)
    session.flush()
    return unit


# --- inside -------------------------------------------------------------------------


def _place(moved: Row, others: Sequence[Row], before_uid: str | None) -> None:
    """Give a row the place before another one; the others keep theirs unless there is no room between two of them."""
    if before_uid == moved.uid:
        return
    at = next((number for number, row in enumerate(others) if row.uid == before_uid), len(others))
    if not others:
        return
    if at == 0:
        moved.position = others[0].position - GAP
    elif at == len(others):
        moved.position = others[-1].position + GAP
    elif others[at].position - others[at - 1].position > 1:
        moved.position = (others[at - 1].position + others[at].position) // 2
    else:
        spread = list(others)
        spread.insert(at, moved)
        for number, row in enumerate(spread, start=1):
            row.position = number * GAP


def _lessons(session: Session, course_uid: str) -> list[Lesson]:
    found = select(Lesson).where(Lesson.course_uid == course_uid).order_by(Lesson.position, Lesson.uid)
    return list(session.scalars(found.execution_options(populate_existing=True)))


def _lock(session: Session, course_uid: str) -> None:
    """Whoever moves something in the course at the same moment waits, and reads it anew."""
    session.flush()
    session.get(Course, course_uid, with_for_update=True)
