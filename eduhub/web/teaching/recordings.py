"""A lesson's recordings on the teacher's pages: how far each size is, trying again, stopping, voices. At the hub only.

The lesson's own page is in `courses.py`, the upload's part of it in `uploading.py`, trimming in `trimming.py`.
"""

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses import editing
from eduhub.courses.models import Course, Lesson, LessonSource
from eduhub.errors import BadInput, NotFound
from eduhub.http import caches
from eduhub.media import ladders
from eduhub.media.facts import Probe
from eduhub.media.models import Source
from eduhub.media.recipes import Sound
from eduhub.uids import new_uid
from eduhub.web import languages, states
from eduhub.web.edge import note, reading, row_of, uid_of, writing
from eduhub.web.forms import Form, language_field
from eduhub.web.rights import LESSON
from eduhub.web.states import State
from eduhub.web.teaching import uploading, video

bp = Blueprint("recordings", __name__)


class VoiceForm(Form):
    """Another voice for the lesson."""

    language = language_field()


@dataclass(frozen=True)
class StepRow:
    """One size of a lesson: how far it is, and what can be done about it."""

    name: str
    word: str
    state: State
    bytes: int
    ahead: int | None
    ready_s: float | None
    may_repeat: bool


@dataclass(frozen=True)
class Steps:
    """All sizes of one recording."""

    source_uid: str
    recipe: str
    rows: tuple[StepRow, ...]

    @property
    def in_work(self) -> bool:
        """Whether anything is still to come."""
        return any(row.state.preparing for row in self.rows)

    @property
    def all_made(self) -> bool:
        """Whether every size is there: then their list says nothing that the sizes do not."""
        return all(row.state.colour == "good" for row in self.rows)


@dataclass(frozen=True)
class VoiceRow:
    """A second voice: its language, its file, its state."""

    source_uid: str
    language: str
    file_name: str
    state: State


@bp.get("/teaching/lessons/<lesson_uid>/progress")
@guard.allow(LESSON)
@caches("no-store")
def progress(lesson_uid: str) -> ResponseReturnValue:
    """The part of the lesson's page that changes while a recording is prepared, by itself."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        row = video.with_states(session, [found])[0]
        steps = steps_of(session, row.source)
    return render_template("teaching/progress.html", lesson=found, shown=row.state, source=row.source, steps=steps)


@bp.post("/teaching/lessons/<lesson_uid>/steps/<step>/again")
@guard.allow(LESSON)
@caches("no-store")
def again(lesson_uid: str, step: str) -> ResponseReturnValue:
    """Try one size again that failed or was stopped."""
    with writing() as session:
        found = row_of(session, Lesson, lesson_uid)
        source = _source_of(session, found, uid_of(request.form.get("source_uid", "")))
        ladders.try_again(session, source.uid, request.form.get("recipe", ""), step)
        note(session, "media.try_again", found.org_uid, source.uid)
    flash(gettext("It waits for its turn again."))
    return _back(lesson_uid)


@bp.post("/teaching/lessons/<lesson_uid>/stop")
@guard.allow(LESSON)
@caches("no-store")
def stop(lesson_uid: str) -> ResponseReturnValue:
    """Stop preparing; what is finished stays."""
    with writing() as session:
        found = row_of(session, Lesson, lesson_uid)
        source = _source_of(session, found, uid_of(request.form.get("source_uid", "")))
        ladders.stop(session, source.uid)
        note(session, "media.stop", found.org_uid, source.uid)
    flash(gettext("It is being stopped. What is finished is kept."))
    return _back(lesson_uid)


@bp.route("/teaching/lessons/<lesson_uid>/voices", methods=["GET", "POST"])
@guard.allow(LESSON)
@caches("no-store")
def voices(lesson_uid: str) -> ResponseReturnValue:
    """Which sound tracks of the file are used, in which languages; further voices as files of their own."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        source = video.with_states(session, [found])[0].source
        rows = _voice_rows(session, found)
        upload = uploading.of_voice(session, guard.here(), found)
    tracks = Probe.from_json(source.probe).sounds if source is not None and source.probe is not None else ()
    form = VoiceForm(language=found.language)
    if request.method == "POST" and form.validate_on_submit() and source is not None:
        chosen = [Sound(track.index, request.form.get(f"language-{track.index}", found.language)) for track in tracks
                  if f"use-{track.index}" in request.form]  # fmt: skip
        chosen.sort(key=lambda sound: str(sound.index) != request.form.get("main", ""))
        try:
            with writing() as session:
                editing.choose_sounds(session, source.uid, chosen or None)
                note(session, "media.choose_sounds", found.org_uid, source.uid)
            flash(gettext("Saved. The old version stays until the new one is ready."))
            return redirect(url_for("recordings.voices", lesson_uid=lesson_uid), 303)
        except BadInput:
            form.form_errors.append(gettext("Give each voice a language of its own."))
    used = {int(row["index"]): str(row["language"]) for row in (source.sounds or [] if source is not None else [])}
    page = render_template(
        "teaching/voices.html", form=form, lesson=found, course=course, tracks=tracks, used=used, rows=rows,
        upload=upload, names=languages.NAMES,
    )
    return page, 400 if form.errors else 200


@bp.post("/teaching/lessons/<lesson_uid>/voices/add")
@guard.allow(LESSON)
@caches("no-store")
def add_voice(lesson_uid: str) -> ResponseReturnValue:
    """Announce a file with another voice; the page then has the form for it."""
    form = VoiceForm()
    with writing() as session:
        found = row_of(session, Lesson, lesson_uid)
        if form.language.data == found.language:
            flash(gettext("The lesson is spoken in this language already. Choose another one."))
        elif form.validate_on_submit() and uploading.awaited(session, found.uid, "sound") is None:
            editing.add_sound(session, found.uid, new_uid(), form.language.data)
            note(session, "lesson.add_voice", found.org_uid, found.uid)
    return redirect(url_for("recordings.voices", lesson_uid=lesson_uid), 303)


@bp.post("/teaching/lessons/<lesson_uid>/voices/<source_uid>/drop")
@guard.allow(LESSON)
@caches("no-store")
def drop_voice(lesson_uid: str, source_uid: str) -> ResponseReturnValue:
    """Use a voice no more; it disappears with the next version."""
    with writing() as session:
        found = row_of(session, Lesson, lesson_uid)
        editing.drop_sound(session, found.uid, source_uid)
        note(session, "lesson.drop_voice", found.org_uid, found.uid)
    flash(gettext("Saved. The old version stays until the new one is ready."))
    return redirect(url_for("recordings.voices", lesson_uid=lesson_uid), 303)


def steps_of(session: Session, source: Source | None) -> Steps | None:
    """Every size of a recording, in the order in which they are made; None before it was looked at."""
    view = ladders.view(session, source.uid) if source is not None else None
    if source is None or view is None or not view.steps:
        return None
    return Steps(source.uid, view.recipe_id, tuple(_step_row(session, step) for step in view.steps))


# --- inside -------------------------------------------------------------------------


def _step_row(session: Session, step: ladders.StepView) -> StepRow:
    in_work = step.job_uid if step.state in ("waiting", "running") else None
    expected = states.forecast_of(session, in_work) if in_work else None
    return StepRow(
        name=step.name, word=states.step_word(step.name), state=states.of_step(step), bytes=step.bytes,
        ahead=expected.ahead if expected and step.state == "waiting" else None,
        ready_s=expected.ends_in_s if expected else None, may_repeat=step.state in ("failed", "stopped"),
    )


def _voice_rows(session: Session, lesson: Lesson) -> list[VoiceRow]:
    found = session.execute(
        select(LessonSource, Source)
        .join(Source, Source.uid == LessonSource.source_uid)
        .where(LessonSource.lesson_uid == lesson.uid, LessonSource.purpose == "sound", LessonSource.replaced_on.is_(None))
        .order_by(Source.made_ms, Source.uid)
    )
    return [
        VoiceRow(source.uid, attached.language, source.file_name, states.of_voice(source, ladders.view(session, source.uid)))
        for attached, source in found
    ]


def _source_of(session: Session, lesson: Lesson, source_uid: str) -> Source:
    """The source, when it belongs to this lesson: the right to a lesson is no right to another's files."""
    attached = session.scalars(
        select(LessonSource).where(LessonSource.lesson_uid == lesson.uid, LessonSource.source_uid == source_uid)
    ).first()
    source = session.get(Source, source_uid) if attached is not None else None
    if source is None:
        raise NotFound("no such recording of this lesson")
    return source


def _back(lesson_uid: str) -> ResponseReturnValue:
    return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)
