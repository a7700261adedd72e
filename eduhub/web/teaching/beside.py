"""A change to what stands beside a lesson's video: captions, chapters, attachments. At the hub only."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import flash
from flask_babel import gettext
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.courses import publishing
from eduhub.courses.models import Lesson
from eduhub.web.edge import note, row_of, writing


@contextmanager
def changing(lesson_uid: str, action: str) -> Iterator[Session]:
    """One transaction. What was done in it is noted as `action`, and children who see the lesson already get it anew."""
    with writing() as session:
        found = row_of(session, Lesson, lesson_uid)
        yield session
        note(session, action, found.org_uid, lesson_uid)
        publishing.renew(session, guard.here(), lesson_uid, session.info["by_uid"])
    flash(gettext("Saved."))
