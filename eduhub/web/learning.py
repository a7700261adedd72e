"""Pages of the child: today, a course, a lesson."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from flask import Blueprint, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses import audience, plan
from eduhub.courses.models import Course, Lesson, PlanRow
from eduhub.errors import NotAllowed, NotFound, SignInNeeded
from eduhub.http import caches
from eduhub.schools import enrolment
from eduhub.web import lesson_cards, lesson_data, passes
from eduhub.web.edge import page_of, reading, row_of, today
from eduhub.web.lesson_cards import LessonCard

bp = Blueprint("learning", __name__)
SHELF_ROWS = 6  # lessons of one course on the first page; the rest is one tap further
PLAN_DAYS = 7


@dataclass(frozen=True)
class Shelf:
    """A course on the child's first page."""

    course: Course
    cards: Sequence[LessonCard]
    count: int

    @property
    def more(self) -> bool:
        """Whether the course has more lessons than are shown."""
        return self.count > len(self.cards)


def home() -> ResponseReturnValue:
    """Today: the next lesson, what else is planned, and the lessons of the child's courses."""
    viewer = guard.viewer()
    if viewer.person is None:
        raise SignInNeeded()
    with reading() as session:
        day = today(session, viewer.person.org_uid)
        lessons = audience.lessons_of_person(session, viewer.person.uid, day)
        courses = _courses(session, lessons)
        known = lesson_cards.of_lessons(session, lessons, courses, viewer.person.uid)
        planned = [
            known[row.lesson_uid].on(row.day, row.period)
            for row in _plan(session, viewer.person.uid, day)
            if row.lesson_uid in known
        ]
    ordered = [known[lesson.uid] for lesson in lessons if lesson.uid in known]
    unseen = [card for card in (*planned, *ordered) if card.seen_percent < 90]
    chosen = next(iter(unseen or planned or ordered), None)
    answer = make_response(
        render_template(
            "learning/today.html", next=chosen, shelves=_shelves(ordered), from_school=_from_school(),
            player_script=lesson_data.built("player.js"),
            planned=[card for card in planned if chosen is None or card.lesson.uid != chosen.lesson.uid],
        )
    )
    if chosen is not None and chosen.poster:
        passes.give(answer, chosen.package_id)
    return answer


@bp.get("/courses/<course_uid>")
@guard.allow(guard.signed_in)
@caches("revalidate")
def course(course_uid: str) -> ResponseReturnValue:
    """All lessons of one course that the reader takes."""
    viewer = guard.viewer()
    if viewer.person is None:
        raise SignInNeeded()
    with reading() as session:
        found = row_of(session, Course, course_uid)
        day = today(session, viewer.person.org_uid)
        lessons = [
            lesson
            for lesson in audience.lessons_of_person(session, viewer.person.uid, day)
            if lesson.course_uid == course_uid
        ]
        if not lessons:
            raise NotFound
        known = lesson_cards.of_lessons(session, lessons, {found.uid: found}, viewer.person.uid)
    page = page_of([known[lesson.uid] for lesson in lessons if lesson.uid in known])
    script = lesson_data.built("player.js")
    return render_template("learning/course.html", course=found, cards=page.rows, page=page, player_script=script)


@bp.get("/lessons/<lesson_uid>")
@guard.allow(guard.anyone)  # a lesson may be open to all: the audience decides, right below
@caches("no-store")
def lesson(lesson_uid: str) -> ResponseReturnValue:
    """A lesson, ready to play, with the pass for its parts."""
    viewer = guard.viewer()
    person_uid = viewer.person.uid if viewer.person else None
    parts_for = passes.audience_of(lesson_uid)
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        day = today(session, viewer.person.org_uid if viewer.person else found.org_uid)
        if not audience.may_read(session, found, person_uid, day):
            raise NotAllowed() if viewer.person else SignInNeeded()
        courses = _courses(session, [found])
        card = lesson_cards.of_lessons(session, [found], courses, person_uid, parts_for).get(found.uid)
        if card is None:
            raise NotFound()
        data = lesson_data.of_card(session, guard.here(), card, viewer)
    answer = make_response(
        render_template(
            "learning/lesson.html", lesson=found, course=card.course, card=card, lesson_data=data,
            from_school=_from_school(), player_script=lesson_data.built("player.js"),
            player_style=lesson_data.built("player.css"),
        )
    )
    passes.give(answer, card.package_id, parts_for)
    return answer


def _courses(session: Session, lessons: Sequence[Lesson]) -> dict[str, Course]:
    wanted = {lesson.course_uid for lesson in lessons}
    return {course.uid: course for course in session.scalars(select(Course).where(Course.uid.in_(wanted)))}


def _plan(session: Session, person_uid: str, day: str) -> list[PlanRow]:
    """The child's plan from today on, in the order in which it comes; rows without a day come first of all."""
    until = (date.fromisoformat(day) + timedelta(days=PLAN_DAYS)).isoformat()
    groups = {span.group_uid for span in enrolment.current(session, person_uid=person_uid, on=day)}
    rows = [row for group_uid in sorted(groups) for row in plan.for_group(session, group_uid, day, until)]
    return sorted(rows, key=lambda row: (row.day or "", row.period or 0))


def _shelves(ordered: Sequence[LessonCard]) -> list[Shelf]:
    by_course = groupby(sorted(ordered, key=lambda card: card.course.uid), key=lambda card: card.course.uid)
    shelves = []
    for _, found in by_course:
        shelf = list(found)
        shelves.append(Shelf(shelf[0].course, shelf[:SHELF_ROWS], len(shelf)))
    return shelves


def _from_school() -> bool:
    return guard.here().settings.role == "node"


def first_page() -> ResponseReturnValue:
    """Where somebody who is not signed in begins: the card at a box, the name at a hub."""
    return redirect(url_for("accounts.card" if _from_school() else "accounts.sign_in"), 303)
