"""A lesson's video on the teacher's pages: which file it is, how far it is prepared, what was made of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses import publishing
from eduhub.courses.models import Lesson, LessonSource
from eduhub.installation import Installation
from eduhub.jobs.models import JobRow
from eduhub.media import intents, uploads
from eduhub.media.models import Rendition, Source
from eduhub.web import states
from eduhub.web.states import State

UPLOAD_ADDRESS = "/media/uploads"
INTENT_LASTS_S = 7 * 24 * 3600  # a slow week must not end an upload


@dataclass(frozen=True)
class LessonRow:
    """A lesson with its newest file and its state."""

    lesson: Lesson
    source: Source | None
    state: State


@dataclass(frozen=True)
class SizeRow:
    """One thing that was made of a video."""

    word: str
    bytes: int


@dataclass(frozen=True)
class UploadForm:
    """What the upload form needs: where it goes, its credential, and the limits that are said before."""

    action: str
    intent: str
    limit_mb: int
    limit_hours: int


def with_states(session: Session, lessons: Sequence[Lesson]) -> list[LessonRow]:
    """Each lesson with its newest file, in the order given."""
    sources = _newest_sources(session, [lesson.uid for lesson in lessons])
    jobs = _jobs(session, [source.uid for source in sources.values()])
    rows = []
    for lesson in lessons:
        source = sources.get(lesson.uid)
        job = jobs.get(source.uid) if source is not None else None
        rows.append(LessonRow(lesson, source, states.of_lesson(lesson, source, job)))
    return rows


def _newest_sources(session: Session, lesson_uids: Sequence[str]) -> dict[str, Source]:
    found = session.execute(
        select(LessonSource.lesson_uid, Source)
        .join(Source, Source.uid == LessonSource.source_uid)
        .where(LessonSource.lesson_uid.in_(lesson_uids), LessonSource.replaced_on.is_(None))
        .order_by(Source.made_ms, Source.uid)
    )
    return {lesson_uid: source for lesson_uid, source in found if source.state != "arriving"}


def _jobs(session: Session, source_uids: Iterable[str]) -> dict[str, JobRow]:
    """The preparation of each source: the job whose arguments name it, the newest if there were several."""
    wanted = set(source_uids)
    if not wanted:
        return {}
    of_source = JobRow.args["source_uid"].as_string()
    rows = session.scalars(
        select(JobRow).where(JobRow.kind == uploads.PREPARE, of_source.in_(wanted)).order_by(JobRow.made_ms)
    )
    return {row.args["source_uid"]: row for row in rows}


def sizes(session: Session, source: Source | None) -> list[SizeRow]:
    """What was made of a file, largest last."""
    if source is None:
        return []
    rows = session.scalars(select(Rendition).where(Rendition.source_uid == source.uid))
    found = [SizeRow(part_word(row.name, row.facts), int(row.facts.get("bytes", 0))) for row in rows]
    return sorted((row for row in found if row.word), key=lambda row: row.bytes)


def part_word(name: str, facts: dict[str, object]) -> str:
    """A part in a teacher's words; empty for what only machines read."""
    kind, height = facts.get("kind"), facts.get("height")
    if kind == "video":
        return str(gettext("Video, %(height)s lines", height=height))
    words = {
        "audio": gettext("Sound (%(name)s)", name=name), "stills": gettext("Pictures to go with the sound"),
        "poster": gettext("Picture for the list"), "download": gettext("File to save"),
    }
    return str(words.get(str(kind), ""))


def awaited(session: Session, lesson_uid: str) -> str | None:
    """The file that was announced for a lesson and has not arrived, if there is one."""
    found = session.execute(
        select(LessonSource.source_uid, Source.state)
        .outerjoin(Source, Source.uid == LessonSource.source_uid)
        .where(LessonSource.lesson_uid == lesson_uid, LessonSource.replaced_on.is_(None))
        .order_by(LessonSource.uid.desc())
    )
    return next((source_uid for source_uid, state in found if state in (None, "arriving")), None)


def upload_form(installation: Installation, lesson: Lesson, source_uid: str) -> UploadForm:
    """A signed right to send one announced file of this lesson; it outlives the sign-in."""
    settings = installation.settings
    intent = intents.UploadIntent(
        source_uid=source_uid, org_uid=lesson.org_uid, lesson_uid=lesson.uid, language=lesson.language,
        max_bytes=settings.upload_max_mb << 20,
        then=publishing.after_preparing(lesson.uid),
        expires_steady_s=int(installation.steady.now_s()) + INTENT_LASTS_S, back=f"/teaching/lessons/{lesson.uid}",
    )
    return UploadForm(
        UPLOAD_ADDRESS, intents.sign(installation.keys.secret, intent), settings.upload_max_mb, settings.media_max_hours
    )
