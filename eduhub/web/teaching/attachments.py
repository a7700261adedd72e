"""Worksheets and pictures beside a lesson, on the teacher's pages. At the hub only."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import SelectField

from eduhub import guard
from eduhub.courses import attaching, recordings
from eduhub.courses.models import Course, Lesson, LessonAttachment
from eduhub.errors import BadInput, NotFound
from eduhub.http import caches
from eduhub.media import attachments
from eduhub.media.models import Source
from eduhub.web import languages, states
from eduhub.web.edge import note, reading, row_of, writing
from eduhub.web.forms import Form, language_field, pairs, text_field
from eduhub.web.rights import LESSON
from eduhub.web.states import State
from eduhub.web.teaching import beside, uploading

bp = Blueprint("attaching", __name__)
MOST_MB = attachments.MOST_BYTES >> 20


class AttachmentForm(Form):
    """What a file is called, and whom it is for."""

    title = text_field(lazy_gettext("Title"), lazy_gettext("Give it a title."))
    language = language_field()
    audience = SelectField(
        lazy_gettext("Who sees it"),
        choices=pairs([("learner", lazy_gettext("Children and teachers")), ("teacher", lazy_gettext("Teachers only"))]),
    )


@dataclass(frozen=True)
class Row:
    """One attachment and how far it is."""

    attachment: LessonAttachment
    bytes: int | None
    state: State
    may_repeat: bool = False  # it was to be looked at, and nobody does


@bp.route("/teaching/lessons/<lesson_uid>/attachments", methods=["GET", "POST"])
@guard.allow(LESSON)
@caches("no-store")
def of_lesson(lesson_uid: str) -> ResponseReturnValue:
    """What stands beside a lesson. A new file is announced with its title; the page then has the form for it."""
    form = AttachmentForm()
    if form.validate_on_submit():
        try:
            with writing() as session:
                found = row_of(session, Lesson, lesson_uid)
                attaching.announce(
                    session, lesson_uid, title=form.title.data, language=form.language.data, audience=form.audience.data
                )
                note(session, "lesson.attach", found.org_uid, lesson_uid)
            return redirect(url_for("attaching.of_lesson", lesson_uid=lesson_uid), 303)
        except BadInput:
            form.form_errors.append(gettext("A lesson has %(most)s attachments at most.", most=attaching.MOST))
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        known = attaching.of_lesson(session, found)
        awaited = next((row for row, source in known if source is None), None)
        upload = _upload(session, found, awaited) if awaited is not None else None
        looked_at = attachments.being_looked_at(session)
    if not form.is_submitted():
        form.language.data = found.language
    rows = [_row(*one, looked_at) for one in known]
    page = render_template(
        "teaching/attachments.html", form=form, lesson=found, course=course, rows=rows,
        in_work=any(row.state.preparing for row in rows), awaited=awaited, upload=upload, names=languages.NAMES, most_mb=MOST_MB,
    )
    return page, 400 if form.errors else 200


@bp.post("/teaching/lessons/<lesson_uid>/attachments/<attachment_uid>/drop")
@guard.allow(LESSON)
@caches("no-store")
def drop(lesson_uid: str, attachment_uid: str) -> ResponseReturnValue:
    """The lesson has that file no more."""
    with beside.changing(lesson_uid, "lesson.attach") as session:
        attaching.drop(session, lesson_uid, attachment_uid)
    return redirect(url_for("attaching.of_lesson", lesson_uid=lesson_uid), 303)


@bp.post("/teaching/lessons/<lesson_uid>/attachments/<attachment_uid>/again")
@guard.allow(LESSON)
@caches("no-store")
def again(lesson_uid: str, attachment_uid: str) -> ResponseReturnValue:
    """Have a file looked at again, when that has failed for a reason that is not the file's."""
    with writing() as session:
        found = row_of(session, Lesson, lesson_uid)
        known = {row.uid: source for row, source in attaching.of_lesson(session, found)}
        source = known.get(attachment_uid)
        if source is None or source.state in (attachments.CHECKED, attachments.REFUSED):
            raise NotFound("nothing to look at")
        attachments.ask(session, source, then=recordings.after_preparing(lesson_uid))
        note(session, "media.try_again", found.org_uid, source.uid)
    flash(gettext("It waits for its turn again."))
    return redirect(url_for("attaching.of_lesson", lesson_uid=lesson_uid), 303)


# --- inside -------------------------------------------------------------------------


def _upload(session: Session, lesson: Lesson, awaited: LessonAttachment) -> uploading.UploadPart:
    after = url_for("attaching.of_lesson", lesson_uid=lesson.uid)
    return uploading.of_attachment(
        session, guard.here(), lesson, awaited.source_uid, most_bytes=attachments.MOST_BYTES, after=after,
        then=recordings.after_preparing(lesson.uid),
    )


def _row(attachment: LessonAttachment, source: Source | None, looked_at: Collection[str]) -> Row:
    if source is None:
        return Row(attachment, None, State(gettext("waiting for the file"), "wait"))
    found: dict[str, Any] = {
        attachments.CHECKED: State(gettext("ready"), "done", "good"),
        attachments.REFUSED: State(gettext("refused"), "no", "bad", states.refusal(source.refusal or {})),
    }
    if source.state not in found and source.uid not in looked_at:
        failed = State(gettext("could not be looked at"), "no", "bad", gettext("The file is kept. Try again; if it fails again, tell the one who looks after the hub."))
        return Row(attachment, source.bytes, failed, may_repeat=True)
    return Row(attachment, source.bytes, found.get(source.state, State(gettext("being looked at"), "wait", preparing=True)))
