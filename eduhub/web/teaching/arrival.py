"""Where a lesson has arrived: a line on the teacher's pages, and the page of the schools. At the hub only."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses.models import Course, Lesson
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync.homeward import arrivals
from eduhub.sync.homeward.arrivals import AtSchool, Reach
from eduhub.web import states
from eduhub.web.edge import page_of, reading, row_of, today
from eduhub.web.rights import LESSON

bp = Blueprint("arrival", __name__)


@dataclass(frozen=True)
class SchoolRow:
    """A school that is to have the lesson, and how far it is there."""

    names: dict[str, str]
    state: states.State
    since_ms: int | None


def of_lessons(session: Session, course: Course, lessons: Sequence[Lesson]) -> dict[str, states.State]:
    """`at 37 of 40 schools` for each published lesson that a school with a box is to have, by lesson uid."""
    found = arrivals.of_course(session, course, lessons, today(session, course.org_uid))
    return {uid: _line(reach) for uid, reach in found.items() if reach.schools}


def _line(reach: Reach) -> states.State:
    count = len(reach.schools)
    text = ngettext("at %(arrived)s of %(num)s school", "at %(arrived)s of %(num)s schools", count, arrived=reach.arrived)
    return states.State(text, "house", "good" if reach.arrived == count else "slow")


@bp.get("/teaching/lessons/<lesson_uid>/arrived")
@guard.allow(LESSON)
@caches("no-store")
def schools(lesson_uid: str) -> ResponseReturnValue:
    """The schools that are to have a lesson: where it is, where it is on its way, where the disk is full."""
    with reading() as session:
        lesson = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, lesson.course_uid)
        reach = arrivals.of_course(session, course, [lesson], today(session, course.org_uid)).get(lesson.uid)
        page = page_of(reach.schools if reach is not None else ())
        rows = _rows(session, page.rows)
    return render_template(
        "teaching/arrived.html", lesson=lesson, course=course, line=_line(reach) if reach and reach.schools else None,
        rows=rows, page=page,
    )


def _rows(session: Session, found: Sequence[AtSchool]) -> list[SchoolRow]:
    wanted = [at.org_uid for at in found]
    names = dict(session.execute(select(Organisation.uid, Organisation.names).where(Organisation.uid.in_(wanted))).all())
    return [SchoolRow(names.get(at.org_uid, {}), state_of(at.state), at.since_ms) for at in found]


def state_of(word: str) -> states.State:
    """How far a lesson is at one school, in words."""
    words = {
        arrivals.HERE: states.State(gettext("it is there"), "done", "good"),
        arrivals.EARLIER: states.State(gettext("an earlier version is there, the new one is on its way"), "done", "slow"),
        arrivals.ON_ITS_WAY: states.State(gettext("on its way"), "wait", "slow"),
        arrivals.GONE: states.State(gettext("not there any more: the box had no room for it"), "no", "bad"),
        arrivals.NOT_WANTED: states.State(gettext("not fetched: the school has chosen so for this course"), "no"),
        arrivals.NO_DISK: states.State(gettext("no room: the disk of the school's box is full"), "no", "bad"),
        arrivals.NOT_TOLD: states.State(gettext("the school's box has not heard of it yet"), "wait"),
    }
    return words[word]
