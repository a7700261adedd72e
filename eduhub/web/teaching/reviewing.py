"""Pages of the reviewer: what waits, one lesson, publishing it or sending it back; and what teachers see of a review."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import TextAreaField, validators

from eduhub import guard
from eduhub.courses import publishing, recordings, reviewing
from eduhub.courses.models import Course, Lesson, LessonReview
from eduhub.errors import NotFound, ReviewChanged
from eduhub.http import caches
from eduhub.web import rights
from eduhub.web.edge import page_of, reading, row_of, writing
from eduhub.web.forms import Form, sentence
from eduhub.web.rights import HAS_COURSE_REVIEWED, REVIEWS, REVIEWS_SOMEWHERE
from eduhub.web.shown import named
from eduhub.web.states import State
from eduhub.web.teaching import video

bp = Blueprint("reviewing", __name__)


class SendBackForm(Form):
    """What the teacher is to change."""

    word = TextAreaField(
        lazy_gettext("What should be changed"),
        validators=[
            validators.DataRequired(lazy_gettext("Write what should be changed.")),
            validators.Length(max=reviewing.MAX_WORD, message=lazy_gettext("This is too long: at most 2000 letters.")),
        ],
    )


def shown(state: State, review: LessonReview | None) -> State:
    """The state of a lesson with what its review adds."""
    if review is None:
        return state
    if review.state == reviewing.SENT_BACK:
        return State(gettext("sent back by the reviewer"), "no", "bad", named(review.word or ""), preparing=state.preparing)
    if state.preparing:
        return replace(state, reason=gettext("It waits for a reviewer as soon as it is ready.") + f" {state.reason}")
    return State(gettext("waits for the reviewer"), "wait", "slow")


@bp.get("/reviewing")
@guard.allow(REVIEWS_SOMEWHERE)
@caches("no-store")
def home() -> ResponseReturnValue:
    """The lessons that wait for the reader, the longest first."""
    with reading() as session:
        courses = rights.courses_reviewed(session)
        page = page_of(reviewing.waiting(session, [course.uid for course in courses]))
        rows = video.with_states(session, [one.lesson for one in page.rows])
    return render_template("reviewing/home.html", page=page, rows=list(zip(page.rows, rows, strict=True)), courses=courses)


@bp.get("/reviewing/lessons/<lesson_uid>")
@guard.allow(REVIEWS)
@caches("no-store")
def lesson(lesson_uid: str) -> ResponseReturnValue:
    """One lesson: to look at, to publish, or to send back with a word."""
    return _lesson_page(lesson_uid, SendBackForm(formdata=None))


def _lesson_page(lesson_uid: str, form: SendBackForm, changed: str = "") -> ResponseReturnValue:
    with writing() as session:  # choosing a recording locks it
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        review = reviewing.of_lessons(session, [lesson_uid]).get(lesson_uid)
        row = video.with_states(session, [found])[0]
        seen = reviewing.seen_now(session, found, recordings.choose(session, found))
        # Whoever comes from the preview has seen what was there then, which may be another thing by now.
        if request.args.get("seen", seen) != seen:
            changed = sentence(ReviewChanged())
    words: dict[str, Any] = (review.words if review else None) or {"titles": found.titles, "texts": found.texts}
    page = render_template(
        "reviewing/lesson.html", lesson=found, course=course, review=review, shown=row.state, words=words, form=form,
        is_ready=row.source is not None and not row.state.preparing and row.state.colour != "bad", waits=review is not None and review.state == reviewing.WAITING,
        seen=seen, changed=changed,
    )
    return page, 400 if form.errors else ReviewChanged.status if changed else 200


@bp.post("/reviewing/lessons/<lesson_uid>/publish")
@guard.allow(REVIEWS)
@caches("no-store")
def publish(lesson_uid: str) -> ResponseReturnValue:
    """Children see it from now on, if it is still what the reviewer has seen."""
    try:
        with writing() as session:
            _waiting(session, lesson_uid)
            seen = request.form.get("seen", "")
            publishing.publish_reviewed(session, guard.here(), lesson_uid, session.info["by_uid"], seen=seen)
    except ReviewChanged as error:
        return _lesson_page(lesson_uid, SendBackForm(formdata=None), changed=sentence(error))
    flash(gettext("Published."))
    return redirect(url_for("reviewing.home"), 303)


@bp.post("/reviewing/lessons/<lesson_uid>/back")
@guard.allow(REVIEWS)
@caches("no-store")
def send_back(lesson_uid: str) -> ResponseReturnValue:
    """Back to the teacher, with a word."""
    form = SendBackForm()
    if not form.validate_on_submit():
        return _lesson_page(lesson_uid, form)
    with writing() as session:
        reviewing.send_back(session, _waiting(session, lesson_uid), form.word.data, session.info["by_uid"])
    flash(gettext("Sent back to the teacher."))
    return redirect(url_for("reviewing.home"), 303)


@bp.post("/teaching/courses/<course_uid>/review")
@guard.allow(HAS_COURSE_REVIEWED)
@caches("no-store")
def ask_for_review(course_uid: str) -> ResponseReturnValue:
    """Whether a reviewer publishes the lessons of a course."""
    with writing() as session:
        asks = request.form.get("asks") == "yes"
        reviewing.set_asked(session, row_of(session, Course, course_uid), asks, session.info["by_uid"])
    flash(gettext("Saved."))
    return redirect(url_for("teaching.course", course_uid=course_uid), 303)


def _waiting(session: Session, lesson_uid: str) -> Lesson:
    """The lesson, if it waits: a page may be old. Raises NotFound."""
    found = row_of(session, Lesson, lesson_uid)
    session.get(Lesson, found.uid, with_for_update=True, populate_existing=True)  # before its review, as publishing does
    review = session.get(LessonReview, found.uid, with_for_update=True)
    if review is None or review.state != reviewing.WAITING:
        raise NotFound("it does not wait any more")
    return found
