"""What the page's script asks for while it sends: one more announced file. Forms in, JSON out; rights as the pages have them."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from eduhub import guard
from eduhub.courses import editing
from eduhub.courses.models import Lesson
from eduhub.errors import BadInput
from eduhub.http import caches
from eduhub.web.edge import note, row_of, writing
from eduhub.web.forms import Form, language_field, text_field
from eduhub.web.rights import COURSE, LESSON
from eduhub.web.teaching import uploading

bp = Blueprint("announcing", __name__)


class VideoLessonForm(Form):
    """A new lesson for a file that was chosen on the course's page."""

    title = text_field(lazy_gettext("Title"), lazy_gettext("Give it a title."))
    language = language_field()


@bp.post("/teaching/courses/<course_uid>/videos")
@guard.allow(COURSE)
@caches("no-store")
def video_lesson(course_uid: str) -> ResponseReturnValue:
    """A lesson that is named like its file, and the file announced."""
    form = VideoLessonForm()
    if not form.validate_on_submit():
        raise BadInput("; ".join(str(why) for whys in form.errors.values() for why in whys))
    with writing() as session:
        lesson = editing.add_lesson(
            session, course_uid=course_uid, titles={form.language.data: form.title.data}, language=form.language.data
        )
        source_uid = uploading.announce(session, lesson)
        note(session, "lesson.add", lesson.org_uid, lesson.uid)
        return jsonify(uploading.announced(session, guard.here(), lesson, source_uid))


@bp.post("/teaching/lessons/<lesson_uid>/light")
@guard.allow(LESSON)
@caches("no-store")
def light_copy(lesson_uid: str) -> ResponseReturnValue:
    """A small copy of the video that is on its way, announced."""
    with writing() as session:
        lesson = row_of(session, Lesson, lesson_uid)
        source_uid = uploading.announce_light(session, lesson)
        return jsonify(uploading.announced(session, guard.here(), lesson, source_uid))
