"""The order of a course's units and lessons: buttons that work everywhere, and rows that can be drawn. At the hub only."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses import ordering
from eduhub.courses.models import Course, Lesson, Unit
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.web.edge import note, reading, row_of, uid_of, writing
from eduhub.web.rights import COURSE

bp = Blueprint("ordering", __name__)
_NOWHERE = "-"  # no unit; before no other row


@dataclass(frozen=True)
class Row:
    """A lesson, and where its two buttons put it: (unit, before), as the form sends it."""

    lesson: Lesson
    up: str | None
    down: str | None


@dataclass(frozen=True)
class Group:
    """A unit (None: the lessons without one), its lessons, and where its own buttons put it."""

    unit: Unit | None
    rows: tuple[Row, ...]
    up: str | None = None
    down: str | None = None


@bp.get("/teaching/courses/<course_uid>/order")
@guard.allow(COURSE)
@caches("no-store")
def order(course_uid: str) -> ResponseReturnValue:
    """The units and lessons of a course, to be put into another order."""
    with reading() as session:
        course = row_of(session, Course, course_uid)
        groups = _groups(session, course)
    return render_template("teaching/order.html", course=course, groups=groups)


@bp.post("/teaching/courses/<course_uid>/order")
@guard.allow(COURSE)
@caches("no-store")
def move(course_uid: str) -> ResponseReturnValue:
    """Put a lesson into a unit before another lesson (`lesson:<uid>:<unit>:<before>`), or a unit before another."""
    kind, _, rest = request.form.get("move", "").partition(":")
    uid, *places = rest.split(":")
    with writing() as session:
        course = row_of(session, Course, course_uid)
        if kind == "lesson" and len(places) == 2:
            _check(course, row_of(session, Lesson, uid))
            ordering.move_lesson(session, uid, unit_uid=_known(places[0]), before_uid=_known(places[1]))
        elif kind == "unit" and len(places) == 1:
            _check(course, row_of(session, Unit, uid))
            ordering.move_unit(session, uid, before_uid=_known(places[0]))
        else:
            raise NotFound("no such move")
        note(session, "course.order", course.org_uid, uid)
    return redirect(url_for("ordering.order", course_uid=course_uid, _anchor=f"row-{uid}"), 303)


# --- inside -------------------------------------------------------------------------


def _check(course: Course, row: Lesson | Unit) -> None:
    """The right to a course is no right to what belongs to another."""
    if row.course_uid != course.uid:
        raise NotFound("no such row of this course")


def _known(uid: str) -> str | None:
    return None if uid == _NOWHERE else uid_of(uid)


def _groups(session: Session, course: Course) -> list[Group]:
    units = list(session.scalars(select(Unit).where(Unit.course_uid == course.uid).order_by(Unit.position, Unit.uid)))
    lessons = ordering.in_order(session, session.scalars(select(Lesson).where(Lesson.course_uid == course.uid)))
    known = {unit.uid for unit in units}
    alone = [lesson for lesson in lessons if lesson.unit_uid not in known]
    found: list[tuple[Unit | None, list[Lesson]]] = [(None, alone)] if alone or not units else []
    found += [(unit, [lesson for lesson in lessons if lesson.unit_uid == unit.uid]) for unit in units]
    return [
        Group(unit, _rows(found, at), *_places_of_unit(units, unit))
        for at, (unit, _lessons) in enumerate(found)
    ]  # fmt: skip


def _rows(groups: Sequence[tuple[Unit | None, list[Lesson]]], at: int) -> tuple[Row, ...]:
    """The lessons of one unit. Up from the first of them leads to the end of the unit before, and so on."""
    unit, lessons = groups[at]
    rows = []
    for number, lesson in enumerate(lessons):
        up = down = None
        if number > 0:
            up = _place(unit, lessons[number - 1])
        elif at > 0:
            up = _place(groups[at - 1][0], None)
        if number < len(lessons) - 1:
            down = _place(unit, lessons[number + 2] if number + 2 < len(lessons) else None)
        elif at < len(groups) - 1:
            down = _place(groups[at + 1][0], next(iter(groups[at + 1][1]), None))
        rows.append(Row(lesson, up, down))
    return tuple(rows)


def _place(unit: Unit | None, before: Lesson | None) -> str:
    return f"{unit.uid if unit else _NOWHERE}:{before.uid if before else _NOWHERE}"


def _places_of_unit(units: Sequence[Unit], unit: Unit | None) -> tuple[str | None, str | None]:
    if unit is None:
        return None, None
    at = units.index(unit)
    up = units[at - 1].uid if at > 0 else None
    down = None
    if at < len(units) - 1:
        down = units[at + 2].uid if at + 2 < len(units) else _NOWHERE
    return up, down
