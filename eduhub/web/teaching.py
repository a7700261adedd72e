"""Pages of the teacher: courses, units, lessons, the video, publishing. At the hub only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from wtforms import SelectField, TextAreaField, validators

from eduhub import guard
from eduhub.accounts import roles
from eduhub.courses import editing, publishing
from eduhub.courses.models import Course, Lesson, Unit
from eduhub.http import caches
from eduhub.uids import new_uid
from eduhub.web import languages, rights, shown, video
from eduhub.web.edge import reading, row_of, today, writing
from eduhub.web.forms import Form, language_field, pairs, text_field
from eduhub.web.rights import COURSE, LESSON, MAKES_COURSES, TEACHES_SOMEWHERE

bp = Blueprint("teaching", __name__)


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


@bp.get("/teaching")
@guard.allow(TEACHES_SOMEWHERE)
@caches("revalidate")
def home() -> ResponseReturnValue:
    """My courses."""
    with reading() as session:
        courses = rights.courses_taught(session)
        rows = [_course_row(session, course) for course in courses]
    return render_template("teaching/home.html", courses=rows, may_make=guard.may(MAKES_COURSES))


def _course_row(session: Session, course: Course) -> CourseRow:
    found = session.execute(
        select(Lesson.state, func.count()).where(Lesson.course_uid == course.uid).group_by(Lesson.state)
    )
    counts = {str(state): int(count) for state, count in found}
    return CourseRow(course, sum(counts.values()), counts.get("published", 0))


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
        rows = video.with_states(session, lessons)
    known = {unit.uid for unit in units}
    shelves = [UnitRows(None, [row for row in rows if row.lesson.unit_uid not in known])]
    shelves += [UnitRows(unit, [row for row in rows if row.lesson.unit_uid == unit.uid]) for unit in units]
    shelves = [shelf for shelf in shelves if shelf.unit or shelf.rows]
    page = render_template("teaching/course.html", course=found, units=shelves, unit_form=unit_form)
    return page, 400 if unit_form.errors else 200


@bp.post("/teaching/courses/<course_uid>/units")
@guard.allow(COURSE)
@caches("no-store")
def add_unit(course_uid: str) -> ResponseReturnValue:
    """Add a unit at the end."""
    form = UnitForm()
    if not form.validate_on_submit():
        return _course_page(course_uid, form)
    with writing() as session:
        editing.add_unit(session, course_uid=course_uid, titles={form.language.data: form.title.data})
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
            _announce_video(session, lesson)
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
        sizes = video.sizes(session, row.source)
        awaited = None if row.state.preparing else video.awaited(session, found.uid)
    upload = video.upload_form(guard.here(), found, awaited) if awaited else None
    return render_template(
        "teaching/lesson.html", lesson=found, course=course, shown=row.state, source=row.source, sizes=sizes,
        upload=upload,
    )


@bp.post("/teaching/lessons/<lesson_uid>/video")
@guard.allow(LESSON)
@caches("no-store")
def announce_video(lesson_uid: str) -> ResponseReturnValue:
    """Announce another file; the lesson's page then has the form for it. What is there stays until it is prepared."""
    with writing() as session:
        lesson = row_of(session, Lesson, lesson_uid)
        if video.awaited(session, lesson.uid) is None:
            _announce_video(session, lesson)
    return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)


def _announce_video(session: Session, lesson: Lesson) -> None:
    editing.attach_source(session, lesson_uid=lesson.uid, source_uid=new_uid(), language=lesson.language)


@bp.route("/teaching/lessons/<lesson_uid>/words", methods=["GET", "POST"])
@guard.allow(LESSON)
@caches("no-store")
def lesson_words(lesson_uid: str) -> ResponseReturnValue:
    """Title and words in each language. A page of its own, because the lesson's page reloads itself."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
    typed = {f"title_{tag}": found.titles.get(tag, "") for tag in languages.NAMES}
    typed |= {f"text_{tag}": found.texts.get(tag, "") for tag in languages.NAMES}
    form = WordsForm(language=found.language, **typed)
    if form.validate_on_submit():
        with writing() as session:
            changed = row_of(session, Lesson, lesson_uid)
            editing.change_lesson(
                session, lesson_uid, titles=_by_language(form, "title", changed.titles),
                texts=_by_language(form, "text", changed.texts),
            )
            changed.language = form.language.data
            if changed.state == "published":  # what was published is never changed: the words go out in a new revision
                publishing.publish(session, guard.here(), lesson_uid, session.info["by_uid"])
        flash(gettext("Saved."))
        return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)
    page = render_template("teaching/lesson_words.html", form=form, lesson=found, course=course)
    return page, 400 if form.errors else 200


def _by_language(form: WordsForm, kind: str, before: dict[str, str]) -> dict[str, str]:
    """What was typed, with the languages that this page does not show kept as they were."""
    kept = {tag: text for tag, text in before.items() if tag not in languages.NAMES}
    typed = {tag: (form[f"{kind}_{tag}"].data or "").strip() for tag in languages.NAMES}
    return kept | {tag: text for tag, text in typed.items() if text}


@bp.post("/teaching/lessons/<lesson_uid>/publish")
@guard.allow(LESSON)
@caches("no-store")
def publish(lesson_uid: str) -> ResponseReturnValue:
    """Ask for it: it is published as soon as the video is prepared."""
    with writing() as session:
        publishing.publish(session, guard.here(), lesson_uid, session.info["by_uid"])
    return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)


@bp.post("/teaching/lessons/<lesson_uid>/withdraw")
@guard.allow(LESSON)
@caches("no-store")
def withdraw(lesson_uid: str) -> ResponseReturnValue:
    """Take it back from the children."""
    with writing() as session:
        publishing.withdraw(session, guard.here(), lesson_uid, session.info["by_uid"])
    return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)

