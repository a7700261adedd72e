"""Forget what was replaced: renditions that no lesson uses, and the files of recordings that gave way to others.

A timer's job, `media.forget_replaced`. Whether something is used is asked each time; that it is used no more
is noted with the steady second, and only when that has lasted for the setting's days the rows go. The
blobs are left to the sweep that looks which of them no row names.

This module must not know how files are removed.
"""

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from eduhub import logs
from eduhub.courses import recordings
from eduhub.courses.models import Lesson, LessonAttachment, LessonSource, PackageOrigin
from eduhub.delivery.models import PartRow
from eduhub.installation import JobContext
from eduhub.media import ladders
from eduhub.media.models import LadderRow, LadderStep, Rendition, Source

log = logs.logger(__name__)

_DAY_S = 24 * 3600
_Key = tuple[str, str]


def forget_replaced(context: JobContext) -> None:
    """The job: note what is used no more, and forget what has not been used for long enough. Safe to repeat."""
    installation = context.installation
    now_s, days = int(installation.steady.now_s()), installation.settings.keep_replaced_days
    with installation.database.read() as session:
        uids = list(session.scalars(select(Source.uid).order_by(Source.uid)))
    for number, uid in enumerate(uids):
        context.progress(number / len(uids))
        with installation.database.write() as session:  # one by one, so that nobody waits for the whole
            forget(session, uid, now_steady_s=now_s, after_s=days * _DAY_S)


def forget(session: Session, source_uid: str, *, now_steady_s: int, after_s: int) -> None:
    """The same for one recording."""
    of_source = ladders.all_locked(session, source_uid)
    source = session.get(Source, source_uid, with_for_update=True)
    if source is None:
        return
    attached, used = _uses(session, source)
    left = 0
    for ladder in of_source:
        if ladder.recipe in used or _is_held(session, source_uid, ladder.recipe):
            ladder.unused_steady_s = None
        elif _is_over(ladder, now_steady_s, after_s):
            _drop(session, ladder)
            continue
        left += 1
    if attached:
        source.unused_steady_s = None
    elif source.state != "forgotten" and _is_over(source, now_steady_s, after_s) and not left:
        source.state, source.sha256, source.bytes = "forgotten", None, None
        log.info("replaced recording forgotten", source=source_uid)
    session.flush()


# --- inside -------------------------------------------------------------------------


def _uses(session: Session, source: Source) -> tuple[bool, set[str]]:
    """Whether any lesson has the recording, and by which recipes lessons use it or want it."""
    beside = select(LessonAttachment.uid).where(
        LessonAttachment.source_uid == source.uid, LessonAttachment.dropped_on.is_(None)
    )
    attached, recipes = session.scalars(beside.limit(1)).first() is not None, set[str]()
    rows = session.execute(
        select(LessonSource, Lesson)
        .join(Lesson, Lesson.uid == LessonSource.lesson_uid)
        .where(LessonSource.source_uid == source.uid)
    ).all()
    for row, lesson in rows:
        recipes |= _in_package(session, lesson, source.uid)
        if row.replaced_on is None:
            wanted = recordings.wanted_of(session, lesson, row)
            attached = attached or row.purpose != "light" or bool(wanted)
            recipes |= {recipe.id for recipe in wanted}
    return attached, recipes


def _in_package(session: Session, lesson: Lesson, source_uid: str) -> set[str]:
    """The recipes by which the recording is in the lesson's newest package."""
    origin = session.get(PackageOrigin, lesson.package_id) if lesson.package_id is not None else None
    if origin is None:
        return set()
    keys: list[_Key] = [(origin.source_uid, origin.recipe), *((str(uid), str(recipe)) for uid, recipe in origin.voices)]
    return {recipe for uid, recipe in keys if uid == source_uid}


def _is_held(session: Session, source_uid: str, recipe: str) -> bool:
    """Whether a package that is held contains a rendition of the ladder."""
    parts = (
        select(PartRow.sha256)
        .join(Rendition, Rendition.sha256 == PartRow.sha256)
        .where(
            Rendition.source_uid == source_uid, Rendition.recipe == recipe,
            or_(PartRow.held.is_(True), PartRow.wanted.is_(True)),
        )
    )
    return session.scalars(parts.limit(1)).first() is not None


def _is_over(row: LadderRow | Source, now_steady_s: int, after_s: int) -> bool:
    """Whether it has been unused for long enough; notes when that was first seen."""
    if row.unused_steady_s is None:
        row.unused_steady_s = now_steady_s
    return now_steady_s - row.unused_steady_s >= after_s


def _drop(session: Session, ladder: LadderRow) -> None:
    source_uid, recipe = ladder.source_uid, ladder.recipe
    ladders.end(session, ladder)
    for table in (Rendition, LadderStep):
        session.execute(delete(table).where(table.source_uid == source_uid, table.recipe == recipe))
    session.delete(ladder)
    session.flush()
    log.info("replaced renditions forgotten", source=source_uid, recipe=recipe)
