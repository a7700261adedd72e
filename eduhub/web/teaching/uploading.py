"""What a page tells the script that sends files: where each announced file goes, with which right, how far it is.

The same right stands in the form that works without a script. See docs/formats/uploads.md.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for
from flask_babel import format_decimal, gettext
from markupsafe import Markup
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub.courses import editing, recordings
from eduhub.courses.models import Course, Lesson, LessonSource
from eduhub.errors import NotFound
from eduhub.installation import Installation
from eduhub.media import intents, quotas, uploads
from eduhub.media.models import Source
from eduhub.media.recipes import Recipe
from eduhub.uids import new_uid
from eduhub.web import shown
from eduhub.web.learning import lesson_data
from eduhub.web.teaching.upload_words import words

ADDRESS = "/media/uploads"
INTENT_LASTS_S = 7 * 24 * 3600  # a slow week must not end an upload
LIGHT_MOST_BYTES = 512 << 20
_MOST_UNFINISHED = 50


@dataclass(frozen=True)
class Limits:
    """What is said before a file is chosen. Bytes."""

    limit_mb: int
    limit_hours: int
    room: int  # what the school may still keep
    most: int  # the smaller of the two

    @property
    def room_words(self) -> str:
        """The room in the page's language: '12.3 GB'."""
        if self.room < 1_000_000_000:
            return str(shown.megabytes(self.room))
        return str(gettext("%(size)s GB", size=format_decimal(round(self.room / 1e9, 1))))


@dataclass(frozen=True)
class UploadPart:
    """The part of a page where files are sent: for the plain form `intent`, for the script `data` and its address."""

    limits: Limits
    data: Markup
    script: str | None  # None where the front end was not built
    action: str = ADDRESS
    intent: str = ""


def awaited(session: Session, lesson_uid: str, purpose: str = "master") -> str | None:
    """The file that was announced for a lesson and has not arrived, if there is one."""
    found = session.execute(
        select(LessonSource.source_uid, Source.state)
        .outerjoin(Source, Source.uid == LessonSource.source_uid)
        .where(
            LessonSource.lesson_uid == lesson_uid, LessonSource.replaced_on.is_(None), LessonSource.purpose == purpose
        )
        .order_by(LessonSource.uid.desc())
    )
    return next((source_uid for source_uid, state in found if state in (None, "arriving")), None)


def _awaited_of_many(session: Session, lessons: Sequence[Lesson]) -> dict[str, str]:
    """The awaited recording of each of these lessons that has one."""
    found = session.execute(
        select(LessonSource.lesson_uid, LessonSource.source_uid)
        .outerjoin(Source, Source.uid == LessonSource.source_uid)
        .where(
            LessonSource.lesson_uid.in_([lesson.uid for lesson in lessons]), LessonSource.replaced_on.is_(None),
            LessonSource.purpose == "master", or_(Source.uid.is_(None), Source.state == "arriving"),
        )
        .order_by(LessonSource.uid)
    )
    return {row.lesson_uid: row.source_uid for row in found}


def announce(session: Session, lesson: Lesson, purpose: str = "master") -> str:
    """The uid of the file that this lesson awaits; announced now unless it was before."""
    known = awaited(session, lesson.uid, purpose)
    if known is not None:
        return known
    source_uid = new_uid()
    editing.attach_source(
        session, lesson_uid=lesson.uid, source_uid=source_uid, language=lesson.language, purpose=purpose
    )
    return source_uid


def announce_light(session: Session, lesson: Lesson) -> str:
    """The uid of a light copy for a lesson whose recording is on its way. Raises NotFound when none is awaited."""
    if awaited(session, lesson.uid) is None:
        raise NotFound("no recording of this lesson is awaited")
    return announce(session, lesson, "light")


def of_lesson(session: Session, installation: Installation, lesson: Lesson) -> UploadPart | None:
    """The upload of a lesson's page; None when no file is awaited."""
    source_uid = awaited(session, lesson.uid)
    if source_uid is None:
        return None
    limits = _limits(session, installation, lesson.org_uid, without=source_uid)
    target = _target(installation, lesson, source_uid, limits)
    script = lesson_data.built("light-copy.js")
    light = None
    if script is not None and not _has_light(session, lesson.uid):
        light = {"announce": url_for("announcing.light_copy", lesson_uid=lesson.uid), "script": script}
    data = {"page": "lesson", "target": target, "after": _page_of(lesson), "light": light, "words": words()}
    return UploadPart(limits, _json(data), lesson_data.built("uploader.js"), intent=target["token"])


def of_voice(session: Session, installation: Installation, lesson: Lesson) -> UploadPart | None:
    """The upload of a further voice; None when none is awaited. Only the sound of that file is used."""
    source_uid = awaited(session, lesson.uid, "sound")
    if source_uid is None:
        return None
    limits = _limits(session, installation, lesson.org_uid, without=source_uid)
    target = _target(installation, lesson, source_uid, limits, recipe=Recipe(edit=recordings.cut_of(lesson), sound_only=True))
    after = url_for("recordings.voices", lesson_uid=lesson.uid)
    data = {"page": "lesson", "target": target, "after": after, "light": None, "words": words()}
    return UploadPart(limits, _json(data), lesson_data.built("uploader.js"), intent=target["token"])


def of_attachment(
    session: Session, installation: Installation, lesson: Lesson, source_uid: str, *, most_bytes: int, after: str,
    then: dict[str, Any],
) -> UploadPart:  # fmt: skip
    """The upload of a file to stand beside a lesson."""
    limits = _limits(session, installation, lesson.org_uid, without=source_uid)
    limits = replace(limits, most=min(limits.most, most_bytes))
    intent = _intent(installation, lesson, source_uid, max_bytes=most_bytes, then=then, back=after, attachment=True)
    target = _target_of(installation, intent, limits)
    data = {"page": "lesson", "target": target, "after": after, "light": None, "words": words()}
    return UploadPart(limits, _json(data), lesson_data.built("uploader.js"), intent=target["token"])


def of_course(session: Session, installation: Installation, course: Course, lessons: Sequence[Lesson]) -> UploadPart:
    """The upload of a course's page: several files, each a lesson of its own."""
    limits = _limits(session, installation, course.org_uid)
    waiting = _awaited_of_many(session, lessons)
    begun = [lesson for lesson in lessons if lesson.uid in waiting and uploads.find(installation, waiting[lesson.uid])]
    unfinished = [
        announced(session, installation, lesson, waiting[lesson.uid]) for lesson in begun[-_MOST_UNFINISHED:]
    ]
    data = {
        "page": "course", "announce": url_for("announcing.video_lesson", course_uid=course.uid),
        "unfinished": unfinished, "limit_bytes": limits.most, "words": words(),
    }
    return UploadPart(limits, _json(data), lesson_data.built("uploader.js"))


def announced(session: Session, installation: Installation, lesson: Lesson, source_uid: str) -> dict[str, Any]:
    """An announced file for the script: its lesson, and where it goes."""
    limits = _limits(session, installation, lesson.org_uid, without=source_uid)
    light = awaited(session, lesson.uid, "light") == source_uid
    return {
        "title": shown.plain(lesson.titles, lesson.language), "page": _page_of(lesson),
        "target": _target(installation, lesson, source_uid, limits, light=light),
    }  # fmt: skip


def _target(
    installation: Installation, lesson: Lesson, source_uid: str, limits: Limits, *, light: bool = False,
    recipe: Recipe | None = None,
) -> dict[str, Any]:
    """Address and right of one announced file, and what is there of it. The right outlives the sign-in."""
    intent = _intent(
        installation, lesson, source_uid, max_bytes=LIGHT_MOST_BYTES if light else installation.settings.upload_max_mb << 20,
        then=recordings.after_preparing(lesson.uid), light=light, recipe=None if recipe is None else recipe.as_json(),
        back=_page_of(lesson),
    )
    return _target_of(installation, intent, limits)


def _intent(installation: Installation, lesson: Lesson, source_uid: str, **more: Any) -> intents.UploadIntent:
    return intents.UploadIntent(
        source_uid=source_uid, org_uid=lesson.org_uid, lesson_uid=lesson.uid, language=lesson.language,
        expires_steady_s=int(installation.steady.now_s()) + INTENT_LASTS_S, **more,
    )  # fmt: skip


def _target_of(installation: Installation, intent: intents.UploadIntent, limits: Limits) -> dict[str, Any]:
    return {
        "endpoint": ADDRESS, "url": f"{ADDRESS}/{intent.source_uid}",
        "token": intents.sign(installation.keys.secret, intent), "limit_bytes": limits.most,
        "keep_days": installation.settings.upload_keep_days, "session": _session(installation, intent.source_uid),
    }


def _session(installation: Installation, source_uid: str) -> dict[str, Any] | None:
    found = uploads.find(installation, source_uid)
    if found is None:
        return None
    return {
        "offset": found.offset, "length": found.length, "name": found.file_name, "modified_ms": found.modified_ms,
        "sample": found.sample, "days": max(1, found.expires_s // (24 * 3600)),
    }


def _limits(session: Session, installation: Installation, org_uid: str, *, without: str | None = None) -> Limits:
    settings = installation.settings
    room = quotas.of(session, installation, org_uid, without=without).free
    return Limits(settings.upload_max_mb, settings.media_max_hours, room, min(settings.upload_max_mb << 20, room))


def _has_light(session: Session, lesson_uid: str) -> bool:
    """Whether a light copy has arrived that no master has replaced yet."""
    found = select(Source.uid).join(LessonSource, LessonSource.source_uid == Source.uid).where(
        LessonSource.lesson_uid == lesson_uid, LessonSource.replaced_on.is_(None), LessonSource.purpose == "light"
    )  # fmt: skip
    return session.scalars(found).first() is not None


def _page_of(lesson: Lesson) -> str:
    return url_for("teaching.lesson", lesson_uid=lesson.uid)


def _json(data: dict[str, Any]) -> Markup:
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # Inside <script> only "<" can end the element; \u003c is the same letter to a JSON reader.
    return Markup(written.replace("<", "\\u003c"))  # noqa: S704 - escaped in the line above
