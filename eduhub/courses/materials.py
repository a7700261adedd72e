"""What a teacher adds to a lesson beside the video: captions, chapters, attachments; and what a package has of it.

Captions and chapters belong to a time axis. When the video is trimmed or replaced a new one begins: what was written
for the old one is kept, and shown again when that axis comes back.

Whoever calls these has decided already that the person may. What changes here goes out with the lesson's next
revision, which the caller makes.

This module must not know pages, nor how files arrive. See docs/formats/captions.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import attaching, captions, chapters, editing
from eduhub.courses.chapters import Chapter
from eduhub.courses.models import Lesson, LessonCaptions, LessonChapters
from eduhub.delivery import package
from eduhub.delivery.blobs import BlobStore, remember
from eduhub.errors import NotFound
from eduhub.media import binding


@dataclass(frozen=True)
class Captioned:
    """The captions of a lesson: those that are shown, one for each language, and those of an earlier video."""

    shown: tuple[LessonCaptions, ...]
    earlier: tuple[LessonCaptions, ...]


# --- captions -----------------------------------------------------------------------


def set_captions(session: Session, store: BlobStore, lesson_uid: str, language: str, payload: bytes) -> LessonCaptions:
    """Take a WebVTT or SRT file as the lesson's captions in a language, in place of those it has.

    Raises NotFound, BadInput, CaptionsRefused, DiskFull.
    """
    cues = captions.parse(payload)
    lesson = _locked(session, lesson_uid)
    written = captions.to_webvtt(cues)
    blob = store.put_bytes(written)
    remember(session, blob)
    pieces = None
    if blob.bytes > package.PIECE_BYTES:
        pieces = store.put_bytes(package.piece_list(store.path(blob.sha256)))
        remember(session, pieces)
    return _take(session, lesson, editing.checked_language(language), LessonCaptions(
        org_uid=lesson.org_uid, lesson_uid=lesson.uid, timeline_uid=lesson.timeline_uid, language=language,
        sha256=blob.sha256, pieces=pieces.sha256 if pieces else None, bytes=blob.bytes, cues=len(cues), dropped_on=None,
    ))  # fmt: skip


def use_captions(session: Session, lesson_uid: str, captions_uid: str) -> LessonCaptions:
    """Show captions that were written for an earlier video with the present one. Safe to repeat. Raises NotFound."""
    lesson = _locked(session, lesson_uid)
    row = _captions(session, lesson, captions_uid)
    if row.timeline_uid == lesson.timeline_uid:
        return row
    return _take(session, lesson, row.language, LessonCaptions(
        org_uid=lesson.org_uid, lesson_uid=lesson.uid, timeline_uid=lesson.timeline_uid, language=row.language,
        sha256=row.sha256, pieces=row.pieces, bytes=row.bytes, cues=row.cues, dropped_on=None,
    ))  # fmt: skip


def drop_captions(session: Session, lesson_uid: str, captions_uid: str) -> None:
    """Show these captions no more. Safe to repeat. Raises NotFound."""
    row = _captions(session, _locked(session, lesson_uid), captions_uid)
    if row.dropped_on is None:
        row.dropped_on = clock.now().date().isoformat()
        session.flush()


def captions_of(session: Session, lesson: Lesson) -> Captioned:
    """The captions of a lesson that were not dropped."""
    found = select(LessonCaptions).where(LessonCaptions.lesson_uid == lesson.uid, LessonCaptions.dropped_on.is_(None))
    rows = session.scalars(found.order_by(LessonCaptions.uid)).all()
    # Two teachers on two machines may have added some of one language: the newer ones are shown.
    shown = {row.language: row for row in rows if row.timeline_uid == lesson.timeline_uid}
    return Captioned(
        tuple(shown[language] for language in sorted(shown)),
        tuple(row for row in rows if row.timeline_uid != lesson.timeline_uid),
    )


# --- chapters -----------------------------------------------------------------------


def set_chapters(session: Session, lesson_uid: str, language: str, found: Sequence[Chapter]) -> None:
    """These are the chapters of the lesson in a language; none: it has none. Raises NotFound, BadInput, ChaptersRefused."""
    written = [[chapter.at_ms, chapter.title] for chapter in chapters.checked(found)]
    lesson = _locked(session, lesson_uid)
    row = _chapters(session, lesson).get(editing.checked_language(language))
    if row is not None:
        row.chapters = written
    elif written:
        session.add(LessonChapters(
            org_uid=lesson.org_uid, lesson_uid=lesson.uid, timeline_uid=lesson.timeline_uid, language=language,
            chapters=written,
        ))  # fmt: skip
    session.flush()


def chapters_of(session: Session, lesson: Lesson, *, earlier: bool = False) -> dict[str, list[Chapter]]:
    """The chapters of a lesson by language; `earlier`: of the video before the present one."""
    rows = _chapters(session, lesson, earlier=earlier)
    found = {language: [Chapter(int(at_ms), str(title)) for at_ms, title in row.chapters] for language, row in rows.items()}
    return {language: rows for language, rows in sorted(found.items()) if rows}


# --- what a package has of it -------------------------------------------------------


def parts_of(session: Session, lesson: Lesson) -> list[dict[str, Any]]:
    """The entries of a manifest: captions and attachments."""
    return [*(_captions_part(row) for row in captions_of(session, lesson).shown), *attaching.parts_of(session, lesson)]


def fields_of(session: Session, lesson: Lesson) -> dict[str, Any]:
    """The fields of a manifest: chapters, where there are any."""
    found = chapters_of(session, lesson)
    return {chapters.FIELD: {language: chapters.as_json(rows) for language, rows in found.items()}} if found else {}


def blobs_in_use(session: Session) -> set[str]:
    """The names of every blob that captions need, also those of earlier videos, and attachments beside their files."""
    found = session.execute(select(LessonCaptions.sha256, LessonCaptions.pieces).where(LessonCaptions.dropped_on.is_(None)))
    return {name for row in found for name in row if name is not None} | attaching.blobs_in_use(session)


# --- inside -------------------------------------------------------------------------


def _take(session: Session, lesson: Lesson, language: str, row: LessonCaptions) -> LessonCaptions:
    today = clock.now().date().isoformat()
    same = select(LessonCaptions).where(
        LessonCaptions.lesson_uid == lesson.uid, LessonCaptions.timeline_uid == lesson.timeline_uid,
        LessonCaptions.language == language, LessonCaptions.dropped_on.is_(None),
    )  # fmt: skip
    for other in session.scalars(same):
        other.dropped_on = today
    session.add(row)
    session.flush()
    return row


def _captions_part(row: LessonCaptions) -> dict[str, Any]:
    facts = binding.part_facts(
        f"captions-{row.language}", "captions", captions.MEDIA_TYPE, size=row.bytes, sha256=row.sha256, pieces=None,
        language=row.language,
    )
    return facts | {"pieces": row.pieces}


def _captions(session: Session, lesson: Lesson, captions_uid: str) -> LessonCaptions:
    """The captions, when they are this lesson's: the right to a lesson is no right to another's."""
    row = session.get(LessonCaptions, captions_uid)
    if row is None or row.lesson_uid != lesson.uid:
        raise NotFound("no such captions of this lesson")
    return row


def _chapters(session: Session, lesson: Lesson, *, earlier: bool = False) -> dict[str, LessonChapters]:
    """The newest row of each language, of the present time axis or of others."""
    is_present = LessonChapters.timeline_uid == lesson.timeline_uid
    found = select(LessonChapters).where(LessonChapters.lesson_uid == lesson.uid, ~is_present if earlier else is_present)
    return {row.language: row for row in session.scalars(found.order_by(LessonChapters.uid))}


def _locked(session: Session, lesson_uid: str) -> Lesson:
    session.flush()  # it is read anew: another teacher may be writing
    session.get(Lesson, lesson_uid, with_for_update=True, populate_existing=True)
    return editing.find_lesson(session, lesson_uid)
