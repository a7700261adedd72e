"""Search: for everybody over the lessons that they may watch here, for teachers over their courses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses import audience, search
from eduhub.courses.models import Course, Lesson
from eduhub.courses.search import Found, Hit, Term
from eduhub.courses.search.tokens import LONGEST_QUERY
from eduhub.delivery.models import PackageRow
from eduhub.http import caches
from eduhub.web import compression, languages, rights
from eduhub.web.edge import Page, page_of, reading, today
from eduhub.web.learning import lesson_cards
from eduhub.web.learning.lesson_cards import LessonCard
from eduhub.web.rights import TEACHES_SOMEWHERE
from eduhub.web.teaching import video

bp = Blueprint("search", __name__)
teaching_bp = Blueprint("teaching_search", __name__)
PAGE_RESULTS = 20


@dataclass(frozen=True)
class Result:
    """A lesson that was found, and the lines in which it was."""

    lesson: Lesson
    course: Course
    address: str
    moments: str | None  # where a moment of it is shown, if it can be
    hits: Sequence[Hit]
    card: LessonCard | None = None
    state: object | None = None


@bp.get("/search")
@guard.allow(guard.anyone)  # some courses are open to all: the audience decides, lesson by lesson
@caches("no-store")
def lessons() -> ResponseReturnValue:
    """The lessons that the reader may watch here and in which all the words stand; `?q=`."""
    terms = search.terms_of(_asked())
    person = guard.viewer().person
    person_uid = person.uid if person else None
    with reading() as session:
        found = search.find(session, terms)
        may = audience.readable(
            session, (one.lesson_uid for one in found), person_uid, today(session, person.org_uid if person else None)
        )
        may &= _watchable(session)
        page = page_of([one for one in found if one.lesson_uid in may], PAGE_RESULTS)
        rows, courses = _rows(session, page.rows)
        cards = lesson_cards.of_lessons(session, rows, courses, person_uid)
        hits = search.passages(session, terms, cards)
        results = [
            _result(row, courses, hits, "learning.lesson", card=cards[row.uid]) for row in rows if row.uid in cards
        ]  # fmt: skip
    return _answer(page, results, terms, url_for("search.lessons"))


@teaching_bp.get("/teaching/search")
@guard.allow(TEACHES_SOMEWHERE)
@caches("no-store")
def courses() -> ResponseReturnValue:
    """The lessons of the reader's own courses, drafts too, in which all the words stand; `?q=`."""
    terms = search.terms_of(_asked())
    with reading() as session:
        taught = {course.uid for course in rights.courses_taught(session)}
        page = page_of([one for one in search.find(session, terms) if one.course_uid in taught], PAGE_RESULTS)
        rows, named = _rows(session, page.rows)
        states = {row.lesson.uid: row.state for row in video.with_states(session, rows)}
        hits = search.passages(session, terms, [row.uid for row in rows])
        results = [_result(row, named, hits, "teaching.lesson", state=states[row.uid]) for row in rows]
    return _answer(page, results, terms, url_for("teaching_search.courses"))


def _asked() -> str:
    return request.args.get("q", "").replace("\0", " ").strip()[:LONGEST_QUERY]


def _watchable(session: Session) -> set[str]:
    held = select(PackageRow.lesson_uid).where(PackageRow.floor_held, ~PackageRow.withdrawn).distinct()
    return set(session.scalars(held))


def _rows(session: Session, found: Iterable[Found]) -> tuple[list[Lesson], dict[str, Course]]:
    """The lessons in the order in which they were found, and their courses."""
    uids = [one.lesson_uid for one in found]
    known = {lesson.uid: lesson for lesson in session.scalars(select(Lesson).where(Lesson.uid.in_(uids)))}
    rows = [known[uid] for uid in uids if uid in known]
    wanted = {lesson.course_uid for lesson in rows}
    named = {course.uid: course for course in session.scalars(select(Course).where(Course.uid.in_(wanted)))}
    return [lesson for lesson in rows if lesson.course_uid in named], named


def _result(
    lesson: Lesson, named: dict[str, Course], hits: dict[str, list[Hit]], endpoint: str, *, card: LessonCard | None = None,
    state: object | None = None,
) -> Result:  # fmt: skip
    title = languages.best(lesson.titles, lesson.language)[1]
    lines = [hit for hit in hits.get(lesson.uid, []) if hit.text != title]  # the title stands there anyway
    return Result(
        lesson=lesson, course=named[lesson.course_uid], address=url_for(endpoint, lesson_uid=lesson.uid),
        moments=url_for("learning.lesson", lesson_uid=lesson.uid) if card or lesson.state == audience.PUBLISHED else None,
        hits=lines, card=card, state=state,
    )  # fmt: skip


def _answer(page: Page[Found], results: Sequence[Result], terms: Sequence[Term], address: str) -> ResponseReturnValue:
    asked = _asked()
    written = render_template(
        "search/results.html", page=page, results=results, asked=asked, has_words=bool(terms), address=address,
        also=urlencode({"q": asked}) + "&", here_path=f"{address}?{urlencode({'q': asked})}",
    )  # fmt: skip
    return compression.leave(make_response(written))
