"""What is spoken in a lesson, to read: a page of its own, because a lesson's page must stay light."""

from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from eduhub import guard
from eduhub.courses.models import Course, Lesson
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.web import languages, moments, passes, rights
from eduhub.web.edge import reading, row_of, today
from eduhub.web.learning import lesson_cards, materials

bp = Blueprint("transcripts", __name__)


@dataclass(frozen=True)
class Line:
    """What is said at one moment."""

    seconds: str
    written: str
    text: str


@bp.get("/lessons/<lesson_uid>/transcript")
@guard.allow(guard.anyone)  # a lesson may be open to all: the audience decides, right below
@caches("no-store")
def transcript(lesson_uid: str) -> ResponseReturnValue:
    """What is spoken in a lesson, in one of the languages of its captions; each line leads to its moment."""
    viewer = guard.viewer()
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        day = today(session, viewer.person.org_uid if viewer.person else found.org_uid)
        rights.check_watches(session, found, day)
        course = row_of(session, Course, found.course_uid)
        parts_for = passes.audience_of(lesson_uid)
        card = lesson_cards.of_lessons(session, [found], {course.uid: course}, None, parts_for).get(found.uid)
    if card is None:
        raise NotFound
    language = materials.transcript_language(card, request.args.get("language"))
    lines = [
        Line(materials.seconds(cue.start_ms), moments.written(cue.start_ms // 1000 * 1000), cue.text)
        for cue in (materials.cues_of(card, language) if language else ())
    ]
    others = [
        (part.language, languages.NAMES.get(str(part.language), part.language))
        for part in materials.captions_parts(card)
    ]
    return render_template(
        "learning/transcript.html", lesson=found, course=course, language=language, lines=lines, others=others
    )
