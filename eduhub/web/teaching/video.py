"""A lesson's video on the teacher's pages: which file it is, how far it is prepared, what was made of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses.models import Lesson, LessonSource
from eduhub.media import ladders, mending
from eduhub.media.models import Rendition, Source
from eduhub.web import states
from eduhub.web.states import State


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


def with_states(session: Session, lessons: Sequence[Lesson]) -> list[LessonRow]:
    """Each lesson with its newest file, in the order given."""
    sources = _newest_sources(session, [lesson.uid for lesson in lessons])
    of_source = ladders.views(session, [source.uid for source in sources.values()])
    damaged = {source.uid for source in mending.damaged_sources(session)}
    rows = []
    for lesson in lessons:
        source = sources.get(lesson.uid)
        ladder = of_source.get(source.uid) if source is not None else None
        shown = states.of_lesson(lesson, source, ladder)
        if source is not None and source.uid in damaged:
            shown = states.with_damage(shown)
        rows.append(LessonRow(lesson, source, shown))
    return rows


def _newest_sources(session: Session, lesson_uids: Sequence[str]) -> dict[str, Source]:
    found = session.execute(
        select(LessonSource.lesson_uid, Source)
        .join(Source, Source.uid == LessonSource.source_uid)
        .where(
            LessonSource.lesson_uid.in_(lesson_uids), LessonSource.purpose != "sound", LessonSource.replaced_on.is_(None)
        )
        .order_by(Source.made_ms, Source.uid)
    )
    return {row.lesson_uid: row.Source for row in found}


def sizes(session: Session, source: Source | None) -> list[SizeRow]:
    """What was made of a file, largest last."""
    if source is None:
        return []
    view = ladders.view(session, source.uid)
    recipe = view.recipe_id if view is not None else ""
    rows = session.scalars(select(Rendition).where(Rendition.source_uid == source.uid, Rendition.recipe == recipe))
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
