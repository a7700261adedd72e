"""Trimming: what of a recording a lesson shows, typed as times. At the hub only."""

from itertools import pairwise

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import FieldList, StringField

from eduhub import guard
from eduhub.courses import editing
from eduhub.courses.models import Course, Lesson
from eduhub.errors import BadInput, NotFound
from eduhub.http import caches
from eduhub.media.facts import Probe
from eduhub.media.recipes import Span
from eduhub.web import moments
from eduhub.web.edge import note, reading, row_of, writing
from eduhub.web.forms import Form
from eduhub.web.rights import LESSON
from eduhub.web.teaching import video

bp = Blueprint("trimming", __name__)
CUTS = 5  # passages that can be left out of the middle


class TrimForm(Form):
    """Where a lesson begins and ends in its recording, and what is left out between."""

    begins = StringField(lazy_gettext("Begins at"))
    ends = StringField(lazy_gettext("Ends at"))
    cut_from = FieldList(StringField(lazy_gettext("Leave out from")), min_entries=CUTS, max_entries=CUTS)
    cut_to = FieldList(StringField(lazy_gettext("to")), min_entries=CUTS, max_entries=CUTS)


@bp.route("/teaching/lessons/<lesson_uid>/trim", methods=["GET", "POST"])
@guard.allow(LESSON)
@caches("no-store")
def trim(lesson_uid: str) -> ResponseReturnValue:
    """Choose what of the recording is shown, without sending it again."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        source = video.with_states(session, [found])[0].source
    if source is None or source.probe is None:
        raise NotFound("there is no recording to trim")
    duration_ms = Probe.from_json(source.probe).duration_ms
    form = TrimForm(data=_as_typed(found.edit_list, duration_ms))
    if form.validate_on_submit():
        try:
            edit = _spans(form, duration_ms)
            with writing() as session:
                editing.trim(session, lesson_uid, edit)
                note(session, "lesson.trim", found.org_uid, lesson_uid)
            flash(gettext("Saved. The old version stays until the new one is ready."))
            return redirect(url_for("teaching.lesson", lesson_uid=lesson_uid), 303)
        except BadInput:
            form.form_errors.append(gettext("The times must follow each other, within the recording, and leave something to see."))
        except ValueError:
            form.form_errors.append(gettext("Write a time as minutes and seconds, for example 3:20."))
    page = render_template(
        "teaching/trim.html", form=form, lesson=found, course=course, length_ms=duration_ms,
        ends=moments.written(duration_ms),
    )
    return page, 400 if form.errors else 200


# --- inside -------------------------------------------------------------------------


def _as_typed(edit: list[list[int]] | None, duration_ms: int) -> dict[str, object]:
    spans = edit or [[0, duration_ms]]
    cuts = [(before[1], after[0]) for before, after in pairwise(spans)]
    cuts += [(-1, -1)] * (CUTS - len(cuts))
    return {
        "begins": moments.written(spans[0][0]), "ends": moments.written(spans[-1][1]),
        "cut_from": [moments.written(start) if start >= 0 else "" for start, _ in cuts[:CUTS]],
        "cut_to": [moments.written(end) if end >= 0 else "" for _, end in cuts[:CUTS]],
    }  # fmt: skip


def _spans(form: TrimForm, duration_ms: int) -> list[Span] | None:
    """What was typed, as spans; None for the whole recording. Raises ValueError, BadInput."""
    begins = moments.read(form.begins.data or "0:00")
    ends = moments.read(form.ends.data) if form.ends.data else duration_ms
    spans, start = [], begins
    for cut_from, cut_to in zip(form.cut_from.data, form.cut_to.data, strict=True):
        if bool(cut_from) != bool(cut_to):
            raise BadInput("a passage has a beginning and an end")
        if cut_from:
            spans.append((start, moments.read(cut_from)))
            start = moments.read(cut_to)
    spans.append((start, ends))
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)) or ends > duration_ms:
        raise BadInput("spans follow each other, within the recording")
    if any(end <= start for start, end in spans):
        raise BadInput("a span has a length")
    return None if spans == [(0, duration_ms)] else spans
