"""Worksheets and pictures beside a lesson: announced with a title, sent, checked, then a part of the next package.

This module must not know pages, nor how files arrive or are checked. See docs/formats/attachments.md.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import editing
from eduhub.courses.models import Lesson, LessonAttachment
from eduhub.errors import BadInput, NotFound
from eduhub.media import attachments, binding
from eduhub.media.models import Source
from eduhub.uids import new_uid

AUDIENCES = ("learner", "teacher")
MOST = 20  # of one lesson
TITLE = "title"  # the field of a part that says what it is called


def announce(session: Session, lesson_uid: str, *, title: str, language: str, audience: str) -> LessonAttachment:
    """A file that will be sent. Raises NotFound, BadInput."""
    session.flush()
    session.get(Lesson, lesson_uid, with_for_update=True, populate_existing=True)
    lesson = editing.find_lesson(session, lesson_uid)
    if audience not in AUDIENCES:
        raise BadInput("an attachment is for children or for teachers")
    titles = editing.checked_texts({language: title}, editing.MAX_TITLE)
    if len(of_lesson(session, lesson)) >= MOST:
        raise BadInput(f"a lesson has {MOST} attachments at most")
    row = LessonAttachment(
        org_uid=lesson.org_uid, lesson_uid=lesson.uid, source_uid=new_uid(), title=titles[language], language=language,
        audience=audience, dropped_on=None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def drop(session: Session, lesson_uid: str, attachment_uid: str) -> None:
    """The lesson has that file no more, from its next revision on. Safe to repeat. Raises NotFound."""
    row = session.get(LessonAttachment, attachment_uid)
    if row is None or row.lesson_uid != lesson_uid:  # the right to a lesson is no right to another's
        raise NotFound("no such attachment of this lesson")
    if row.dropped_on is None:
        row.dropped_on = clock.now().date().isoformat()
        session.flush()


def of_lesson(session: Session, lesson: Lesson) -> list[tuple[LessonAttachment, Source | None]]:
    """What stands, or will stand, beside a lesson, in the order in which it was added; without a source: still awaited."""
    found = session.execute(
        select(LessonAttachment, Source)
        .outerjoin(Source, Source.uid == LessonAttachment.source_uid)
        .where(LessonAttachment.lesson_uid == lesson.uid, LessonAttachment.dropped_on.is_(None))
        .order_by(LessonAttachment.uid)
    )
    return [(row, source) for row, source in found]


def parts_of(session: Session, lesson: Lesson) -> list[dict[str, Any]]:
    """The entries of a manifest: every file that was checked."""
    return [
        _part(row, source) for row, source in of_lesson(session, lesson)
        if source is not None and source.state == attachments.CHECKED and source.sha256 is not None
    ]  # fmt: skip


def blobs_in_use(session: Session) -> set[str]:
    """The names of the piece lists of attachments; their files are those of sources."""
    found = session.scalars(select(Source.probe).where(Source.state == attachments.CHECKED, Source.sha256.is_not(None)))
    return {str(facts["pieces"]) for facts in found if facts and facts.get("pieces")}


def _part(row: LessonAttachment, source: Source) -> dict[str, Any]:
    facts = source.probe or {}
    measures = {name: facts[name] for name in ("width", "height") if name in facts}
    entry = binding.part_facts(
        f"attachment-{row.uid}", "attachment", str(facts["type"]), size=source.bytes or 0, sha256=source.sha256 or "",
        pieces=None, language=row.language, **measures,
    )
    return entry | {"audience": row.audience, "pieces": facts["pieces"], TITLE: row.title}
