"""Pages of the teacher: courses, units, lessons, the video, publishing. At the hub only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from wtforms import SelectField, TextAreaField, validators

from eduhub import guard
from eduhub.accounts import roles
from eduhub.courses import editing, publishing
from eduhub.courses import reviewing as reviews
from eduhub.courses.models import Course, Lesson, Unit
from eduhub.http import caches
from eduhub.web import kept, languages, rights, shown
from eduhub.web.edge import note, reading, row_of, today, writing
from eduhub.web.forms import Form, language_field, pairs, text_field
from eduhub.web.rights import COURSE, HAS_COURSE_REVIEWED, LESSON, MAKES_COURSES, TEACHES_SOMEWHERE
from eduhub.web.teaching import arrival, attention, recordings, reviewing, uploading, video

bp = Blueprint("teaching", __name__)
MOST_UNFOLDED = 20  # lessons of a course whose page shows every unit open


class CourseForm(Form):
    """A new course."""

    title = text_field(lazy_gettext("Title"), lazy_gettext("Give it a title."))
    language = language_field()
    org_uid = SelectField(lazy_gettext("School"))
    audience = SelectField(
        lazy_gettext("Who may take it"),
        choices=pairs([
            ("own", lazy_gettext("Our school")), ("all", lazy_gettext("All schools")),
            ("open", lazy_gettext("Everybody, also without signing in")),
        ]),
    )  # fmt: skip


class UnitForm(Form):
    """A new unit."""

    title = text_field(lazy_gettext("Title"), lazy_gettext("Give it a title."))
    language = language_field()


class LessonForm(Form):
    """A new lesson."""

    title = text_field(lazy_gettext("Title"), lazy_gettext("Give it a title."))
    language = language_field()
    unit_uid = SelectField(lazy_gettext("Unit"))


def _title() -> Any:
    return text_field(lazy_gettext("Title"))


def _words() -> Any:
    return TextAreaField(
        lazy_gettext("Words"),
        validators=[validators.Length(max=5000, message=lazy_gettext("This is too long: at most 5000 letters."))],
    )


class WordsForm(Form):
    """Title and words of a lesson in each language."""

    language = language_field()
    title_en, text_en = _title(), _words()
    title_zh, text_zh = _title(), _words()
    title_bo, text_bo = _title(), _words()

    def validate_language(self, field: Any) -> None:
        """A lesson needs a title in some language."""
        if not any(self[f"title_{tag}"].data for tag in languages.NAMES):
            raise validators.ValidationError(gettext("Give it a title in one language at least."))


@dataclass(frozen=True)
class CourseRow:
    """A course on the teacher's first page."""

    course: Course
    lessons: int
    published: int


@dataclass(frozen=True)
class UnitRows:
    """A unit (None: lessons without one) and the states of its lessons."""

    unit: Unit | None
    rows: Sequence[Any]
    is_folded: bool = False  # in a long course: what is out, and needs nobody


@bp.get("/teaching")
@guard.allow(TEACHES_SOMEWHERE)
@caches("revalidate")
def home() -> ResponseReturnValue:
    """My courses."""
    with reading() as session:
        needs = attention.of_courses(session, rights.courses_taught(session))
    return kept.page(lambda session, _now: _home(session, needs), tuple(needs))


def _home(session: Session, needs: list[attention.Need]) -> ResponseReturnValue:
    courses = rights.courses_taught(session)
    counted: dict[str, dict[str, int]] = {course.uid: {} for course in courses}
    states = select(Lesson.course_uid, Lesson.state, func.count()).group_by(Lesson.course_uid, Lesson.state)
    for course_uid, state, count in session.execute(states.where(Lesson.course_uid.in_(counted))):
        counted[course_uid][state] = count
    rows = [
        CourseRow(course, sum(counted[course.uid].values()), counted[course.uid].get("published", 0)) for course in courses
    ]
    waiting = {course.uid: sum(need.course_uid == course.uid for need in needs) for course in courses}
    return render_template(
        "teaching/home.html", courses=rows, may_make=guard.may(MAKES_COURSES), needs=needs[: attention.MOST],
        more=max(0, len(needs) - attention.MOST), waiting=waiting,
    )


@bp.route("/teaching/courses/new", methods=["GET", "POST"])
@guard.allow(MAKES_COURSES)
@caches("no-store")
def new_course() -> ResponseReturnValue:
    """Make a course for a school in which the reader teaches."""
    form = CourseForm(language=languages.of_page())
    with reading() as session:
        schools = rights.schools_taught_at(session)
        form.org_uid.choices = pairs([(org.uid, shown.plain(org.names)) for org in schools])
    if form.validate_on_submit():
        with writing() as session:
            course = editing.add_course(
                session, org_uid=form.org_uid.data, titles={form.language.data: form.title.data},
                audience=form.audience.data,
            )
            roles.grant(
                session, person_uid=rights.person_uid(), role="teacher", scope_kind="course", scope_uid=course.uid,
                org_uid=course.org_uid, starts_on=today(session, course.org_uid),
            )
            note(session, "courses.add", course.org_uid, course.uid)
        return redirect(url_for("teaching.course", course_uid=course.uid), 303)
    return render_template("teaching/new_course.html", form=form), 400 if form.errors else 200


@bp.get("/teaching/courses/<course_uid>")
@guard.allow(COURSE)
@caches("no-store")
def course(course_uid: str) -> ResponseReturnValue:
    """A course: its units and lessons with one state each."""
    return _course_page(course_uid, UnitForm(formdata=None, language=languages.of_page()))


def _course_page(course_uid: str, unit_form: UnitForm) -> ResponseReturnValue:
    with reading() as session:
        found = row_of(session, Course, course_uid)
        units = list(session.scalars(select(Unit).where(Unit.course_uid == found.uid).order_by(Unit.position, Unit.uid)))
        lessons = list(
            session.scalars(select(Lesson).where(Lesson.course_uid == found.uid).order_by(Lesson.position, Lesson.uid))
        )
        asked = reviews.of_lessons(session, [lesson.uid for lesson in lessons])
        rows = [
            replace(row, state=reviewing.shown(row.state, asked.get(row.lesson.uid)))
            for row in video.with_states(session, lessons)
        ]
        upload = uploading.of_course(session, guard.here(), found, lessons)
        arrived = arrival.of_lessons(session, found, lessons)
    known = {unit.uid for unit in units}
    unit_rows = [UnitRows(None, [row for row in rows if row.lesson.unit_uid not in known])]
    unit_rows += [UnitRows(unit, [row for row in rows if row.lesson.unit_uid == unit.uid]) for unit in units]
    unit_rows = [replace(one, is_folded=_is_folded(one, len(lessons))) for one in unit_rows if one.unit or one.rows]
    page = render_template(
        "teaching/course.html", course=found, units=unit_rows, unit_form=unit_form, upload=upload, arrived=arrived,
        may_ask_review=guard.may(HAS_COURSE_REVIEWED, course_uid=found.uid),
    )
    return page, 400 if unit_form.errors else 200


def _is_folded(unit: UnitRows, lessons: int) -> bool:
    return lessons > MOST_UNFOLDED and bool(unit.rows) and all(row.state.colour == "good" for row in unit.rows)


@bp.post("/teaching/courses/<course_uid>/units")
@guard.allow(COURSE)
@caches("no-store")
def add_unit(course_uid: str) -> ResponseReturnValue:
    """Add a unit at the end."""
    form = UnitForm()
    if not form.validate_on_submit():
        return _course_page(course_uid, form)
    with writing() as session:
        unit = editing.add_unit(session, course_uid=course_uid, titles={form.language.data: form.title.data})
        note(session, "courses.add_unit", unit.org_uid, course_uid)
    return redirect(url_for("teaching.course", course_uid=course_uid), 303)


@bp.route("/teaching/courses/<course_uid>/lessons/new", methods=["GET", "POST"])
@guard.allow(COURSE)
@caches("no-store")
def new_lesson(course_uid: str) -> ResponseReturnValue:
    """Title and language first; the video on the lesson's own page."""
    form = LessonForm(language=languages.of_page())
    with reading() as session:
        found = row_of(session, Course, course_uid)
        units = session.scalars(select(Unit).where(Unit.course_uid == found.uid).order_by(Unit.position, Unit.uid))
        form.unit_uid.choices = pairs([("", gettext("(none)"))] + [(unit.uid, shown.plain(unit.titles)) for unit in units])
    if form.is_submitted() and form.unit_uid.data is None:
        form.unit_uid.data = ""
    if form.validate_on_submit():
        with writing() as session:
            lesson = editing.add_lesson(
                session, course_uid=course_uid, unit_uid=form.unit_uid.data or None,
                titles={form.language.data: form.title.data}, language=form.language.data,
            )
            uploading.announce(session, lesson)
            note(session, "lesson.add", lesson.org_uid, lesson.uid)
            if request.form.get("then") == "publish":  # said before the video is there: it goes out when it is ready
                publishing.publish(session, guard.here(), lesson.uid, session.info["by_uid"])
        return redirect(url_for("teaching.lesson", lesson_uid=lesson.uid), 303)
    return render_template("teaching/new_lesson.html", form=form, course=found), 400 if form.errors else 200


@bp.get("/teaching/lessons/<lesson_uid>")
@guard.allow(LESSON)
@caches("no-store")
def lesson(lesson_uid: str) -> ResponseReturnValue:
    """One lesson: its state, the upload, what was made of the video, publishing."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        row = video.with_states(session, [found])[0]
        review = reviews.of_lessons(session, [found.uid]).get(found.uid)
        sizes = video.sizes(session, row.source)
        steps = recordings.steps_of(session, row.source)
        upload = uploading.of_lesson(session, guard.here(), found)
        arrived = arrival.of_lessons(session, course, [found]).get(found.uid)
    return render_template(
        "teaching/lesson.html", lesson=found, course=course, shown=reviewing.shown(row.state, review), source=row.source, review=review, sizes=sizes,
        upload=upload, steps=steps, arrived=arrived,
        lacks_video=row.state.colour == "bad" if row.source is not None else found.package_id is None,
    )


@bp.post("/teaching/lessons/<lesson_uid>/video")
@guard.allow(LESSON)
@caches("no-store")
def announce_video(lesson_uid: str) -> ResponseReturnValue:
    """Announce another file; the lesson's page then has the form for it. What is there stays until it is prepared."""
    with writing() as session:
        lesson = row_of(session, Lesson, lesson_uid)
        uploading.announce(session, lesson)
        note(session, "lesson.send_video", lesson.org_uid, lesson.uid)
    return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)


@bp.route("/teaching/lessons/<lesson_uid>/words", methods=["GET", "POST"])
@guard.allow(LESSON)
@caches("no-store")
def lesson_words(lesson_uid: str) -> ResponseReturnValue:
    """Title and words in each language. A page of its own, because the lesson's page reloads itself."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        review = reviews.of_lessons(session, [found.uid]).get(found.uid)
    now: dict[str, Any] = (review.words if review else None) or {
        "titles": found.titles, "texts": found.texts, "language": found.language,
    }  # fmt: skip
    typed = {f"title_{tag}": now["titles"].get(tag, "") for tag in languages.NAMES}
    typed |= {f"text_{tag}": now["texts"].get(tag, "") for tag in languages.NAMES}
    form = WordsForm(language=now["language"], **typed)
    if form.validate_on_submit():
        with writing() as session:
            _take_words(session, row_of(session, Lesson, lesson_uid), form)
            note(session, "lesson.words", found.org_uid, lesson_uid)
        flash(gettext("Saved."))
        return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)
    page = render_template("teaching/lesson_words.html", form=form, lesson=found, course=course)
    return page, 400 if form.errors else 200


def _take_words(session: Session, changed: Lesson, form: WordsForm) -> None:
    titles, texts = _by_language(form, "title", changed.titles), _by_language(form, "text", changed.texts)
    by_uid, language = session.info["by_uid"], form.language.data
    if changed.state == "published" and row_of(session, Course, changed.course_uid).asks_review:
        words = {
            "titles": editing.checked_texts(titles, editing.MAX_TITLE), "language": language,
            "texts": editing.checked_texts(texts, editing.MAX_TEXT, may_be_empty=True),
        }  # fmt: skip
        reviews.propose_words(session, changed, words, by_uid)
        return
    editing.change_lesson(session, changed.uid, titles=titles, texts=texts)
    changed.language = language
    if changed.state == "published":  # what was published is never changed: the words go out in a new revision
        publishing.publish(session, guard.here(), changed.uid, by_uid)


def _by_language(form: WordsForm, kind: str, before: dict[str, str]) -> dict[str, str]:
    """What was typed, with the languages that this page does not show kept as they were."""
    kept = {tag: text for tag, text in before.items() if tag not in languages.NAMES}
    typed = {tag: (form[f"{kind}_{tag}"].data or "").strip() for tag in languages.NAMES}
    return kept | {tag: text for tag, text in typed.items() if text}


@bp.post("/teaching/lessons/<lesson_uid>/publish")
@guard.allow(LESSON)
@caches("no-store")
def publish(lesson_uid: str) -> ResponseReturnValue:
    """Ask for it: it is published as soon as the video is prepared, or handed in where the course asks for review."""
    with writing() as session:
        publishing.publish(session, guard.here(), lesson_uid, session.info["by_uid"])
    if request.form.get("from") == "home":
        return redirect(url_for("teaching.home"), 303)
    return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)


@bp.post("/teaching/lessons/<lesson_uid>/withdraw")
@guard.allow(LESSON)
@caches("no-store")
def withdraw(lesson_uid: str) -> ResponseReturnValue:
    """Take it back from the children."""
    with writing() as session:
        publishing.withdraw(session, guard.here(), lesson_uid, session.info["by_uid"])
    return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)

