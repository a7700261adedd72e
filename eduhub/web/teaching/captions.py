"""What a teacher adds to a lesson beside the video: captions and chapters. At the hub only."""

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_wtf.file import FileField
from werkzeug.exceptions import RequestEntityTooLarge
from wtforms import TextAreaField, validators

from eduhub import guard, http
from eduhub.courses import captions as captions_files
from eduhub.courses import chapters as chapter_rules
from eduhub.courses import materials
from eduhub.courses.chapters import Chapter
from eduhub.courses.models import Course, Lesson
from eduhub.errors import BadInput, CaptionsTooLarge
from eduhub.http import caches
from eduhub.web import languages, moments
from eduhub.web.edge import reading, row_of
from eduhub.web.forms import Form, language_field
from eduhub.web.rights import LESSON
from eduhub.web.teaching import beside

bp = Blueprint("materials", __name__)
_MOST_TYPED = 20_000


class CaptionsForm(Form):
    """A file with captions."""

    language = language_field()
    file = FileField(lazy_gettext("The file"), render_kw={"accept": ".vtt,.srt,text/vtt"})


def _lines(label: str) -> Any:
    too_long = lazy_gettext("This is too long: at most %(longest)s letters.", longest=_MOST_TYPED)
    return TextAreaField(label, validators=[validators.Length(max=_MOST_TYPED, message=too_long)])


class ChaptersForm(Form):
    """The chapters in each language, one a line."""

    chapters_en, chapters_zh, chapters_bo = (_lines(languages.NAMES[tag]) for tag in ("en", "zh", "bo"))


@bp.route("/teaching/lessons/<lesson_uid>/captions", methods=["GET", "POST"])
@guard.allow(LESSON)
@caches("no-store")
def captions(lesson_uid: str) -> ResponseReturnValue:
    """The captions of a lesson in each language; a file adds some, or takes the place of those there are."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        rows = materials.captions_of(session, found)
    form = CaptionsForm(language=found.language)
    if form.validate_on_submit():
        try:
            if not form.file.data:
                raise BadInput("no file was chosen")
            with form.file.data.stream as sent:
                payload = sent.read(captions_files.MOST_BYTES + 1)
            with beside.changing(lesson_uid, "lesson.captions") as session:
                materials.set_captions(session, guard.here().blobs, lesson_uid, form.language.data, payload)
            return redirect(url_for("materials.captions", lesson_uid=lesson_uid), 303)
        except BadInput as error:
            if form.file.data:
                form.refuse(error, "file")
            else:
                form.file.errors = [gettext("Choose a file.")]
    page = render_template(
        "teaching/captions.html", form=form, lesson=found, course=course, rows=rows, names=languages.NAMES,
        most_kb=captions_files.MOST_BYTES >> 10,
    )
    return page, 400 if form.errors else 200


@bp.errorhandler(RequestEntityTooLarge)
def too_large(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    """No form is read that is larger than forms are: the answer names the limit of what is sent here."""
    return http.answer(CaptionsTooLarge(most_kb=captions_files.MOST_BYTES >> 10))


@bp.post("/teaching/lessons/<lesson_uid>/captions/<captions_uid>/use")
@guard.allow(LESSON)
@caches("no-store")
def use_captions(lesson_uid: str, captions_uid: str) -> ResponseReturnValue:
    """Show captions of an earlier video with the present one."""
    with beside.changing(lesson_uid, "lesson.captions") as session:
        materials.use_captions(session, lesson_uid, captions_uid)
    return redirect(url_for("materials.captions", lesson_uid=lesson_uid), 303)


@bp.post("/teaching/lessons/<lesson_uid>/captions/<captions_uid>/drop")
@guard.allow(LESSON)
@caches("no-store")
def drop_captions(lesson_uid: str, captions_uid: str) -> ResponseReturnValue:
    """Show these captions no more."""
    with beside.changing(lesson_uid, "lesson.captions") as session:
        materials.drop_captions(session, lesson_uid, captions_uid)
    return redirect(url_for("materials.captions", lesson_uid=lesson_uid), 303)


@bp.route("/teaching/lessons/<lesson_uid>/chapters", methods=["GET", "POST"])
@guard.allow(LESSON)
@caches("no-store")
def chapters(lesson_uid: str) -> ResponseReturnValue:
    """The chapters of a lesson: a time and a title a line, in each language."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        shown = materials.chapters_of(session, found)
        earlier = {} if shown else materials.chapters_of(session, found, earlier=True)
    form = ChaptersForm(**{f"chapters_{tag}": _as_typed((shown or earlier).get(tag, [])) for tag in languages.NAMES})
    if form.validate_on_submit():
        typed = _typed(form)
        if typed is not None:
            with beside.changing(lesson_uid, "lesson.chapters") as session:
                for tag, rows in typed.items():
                    materials.set_chapters(session, lesson_uid, tag, rows)
            return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)
    page = render_template("teaching/chapters.html", form=form, lesson=found, course=course, are_earlier=bool(earlier))
    return page, 400 if form.errors else 200


# --- inside -------------------------------------------------------------------------


def _as_typed(rows: list[Chapter]) -> str:
    return "\n".join(f"{moments.written(one.at_ms)} {one.title}" for one in rows)


def _typed(form: ChaptersForm) -> dict[str, list[Chapter]] | None:
    """The chapters of each language; None when a line was refused, which the form then says."""
    found = {}
    for tag in languages.NAMES:
        field = form[f"chapters_{tag}"]
        try:
            found[tag] = _read(field.data or "")
        except BadInput as error:
            form.refuse(error, field.name)
    return found if not form.errors else None


def _read(text: str) -> list[Chapter]:
    """Raises ChaptersRefused with the number of the line as it was typed."""
    found = []
    for line, typed in enumerate(text.splitlines(), start=1):
        words = typed.split()
        if not words:
            continue
        try:
            chapter = Chapter(moments.read(words[0]), " ".join(words[1:]).strip(" -–—"))
        except ValueError as error:
            raise chapter_rules.refused(line, chapter_rules.BAD_TIME) from error
        chapter_rules.check(chapter, line)
        found.append(chapter)
    return found
