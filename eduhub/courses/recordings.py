"""Which recordings a lesson is made of and how each is cut; and having them prepared so.

A lesson is made of one recording with a picture (or sound alone), `master` or `light`, and of further voices,
`sound`. What a teacher wants (edit list, sound tracks) may not be prepared yet: `choose` then says
what was published, so that nothing vanishes while something better is being made.

This module must not know how media is prepared, nor what a package is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.courses.models import Lesson, LessonSource
from eduhub.courses.origins import Origin, is_same_recording, origin_of
from eduhub.errors import BadInput
from eduhub.jobs import queue
from eduhub.media import ladder, ladders
from eduhub.media.models import LadderRow, Source
from eduhub.media.recipes import Recipe, Sound, Span

PUBLISH = "courses.publish_if_ready"
PICTURE_PURPOSES = ("master", "light")
VOICE = "sound"
_ROUNDED_MS = 1000
_USABLE = ("arrived", "prepared")

Attached = tuple[LessonSource, Source]


@dataclass(frozen=True)
class Used:
    """One recording as it goes into a package: a ladder whose floor is ready."""

    attached: LessonSource
    recipe: Recipe

    @property
    def key(self) -> tuple[str, str]:
        """The ladder: source and id of the recipe."""
        return self.attached.source_uid, self.recipe.id


@dataclass(frozen=True)
class Chosen:
    """What a package would be made of now."""

    main: Used
    voices: tuple[Used, ...]


def after_preparing(lesson_uid: str) -> dict[str, Any]:
    """The job that follows each finished step of a recording of this lesson, as an upload intent carries it."""
    return {"kind": PUBLISH, "args": {"lesson_uid": lesson_uid}}


def choose(session: Session, lesson: Lesson) -> Chosen | None:
    """What a package would be made of now; None while nothing is prepared.

    A master before a light copy, then the newest; cut as the lesson wants it. What that would take away from what
    is published must be there first: a picture in place of the light copy's, each voice that is not known to have failed.
    """
    origin = origin_of(session, lesson)
    attached = _of_lesson(session, lesson.uid, ("prepared",))
    for row, source in attached:
        if row.purpose not in PICTURE_PURPOSES:
            continue
        wanted = Used(row, recipe_for(lesson, row, source, origin))
        spoken = attached if is_same_recording(row, origin) else _since(session, attached, row)
        if _is_ready(session, wanted):
            chosen = Chosen(wanted, _voices(session, spoken, wanted.recipe.edit))
            if _may_follow(session, spoken, chosen, origin):
                return chosen
        if origin is not None and row.source_uid == origin.row.source_uid:
            return _as_published(session, row, attached, origin)
    return None


def order(session: Session, lesson_uid: str) -> None:
    """Have every recording of a lesson prepared as the lesson wants it now, and nothing else of it."""
    lesson = session.get(Lesson, lesson_uid)
    if lesson is None:
        return
    for row, source, recipes in _wanted(session, lesson):
        for recipe in recipes:
            ladders.want(session, source, recipe, then=after_preparing(lesson_uid), light=row.purpose == "light")
        if recipes:
            put_aside(session, row, but=[recipe.id for recipe in recipes])


def wanted_of(session: Session, lesson: Lesson, row: LessonSource) -> list[Recipe]:
    """The recipes by which a lesson wants one of its recordings."""
    return next((recipes for other, _, recipes in _wanted(session, lesson) if other.uid == row.uid), [])


def put_aside(session: Session, row: LessonSource, *, but: Iterable[str] = ()) -> None:
    """Encode nothing more of a recording that this lesson does not want, unless another lesson has it too."""
    others = select(LessonSource.uid).where(
        LessonSource.source_uid == row.source_uid, LessonSource.lesson_uid != row.lesson_uid,
        LessonSource.replaced_on.is_(None),
    )  # fmt: skip
    if session.scalars(others.limit(1)).first() is None:
        ladders.put_aside(session, row.source_uid, but=but)


def changed(session: Session, lesson_uid: str) -> None:
    """After a change of what a lesson wants: order what is missing, and publish what is there already."""
    order(session, lesson_uid)
    lesson = session.get(Lesson, lesson_uid)
    if lesson is not None and lesson.state in {"submitted", "published"}:
        then = after_preparing(lesson_uid)
        # Not by a dedupe word: one that runs already has read what was before.
        queue.enqueue(session, then["kind"], then["args"], org_uid=lesson.org_uid)


def recipe_for(lesson: Lesson, row: LessonSource, source: Source, origin: Origin | None) -> Recipe:
    """How a lesson wants one of its recordings with a picture. Its edit list is about one recording only."""
    edit = cut_of(lesson) if _is_about(lesson, row, source, origin) else None
    return Recipe(edit=edit, sounds=_sounds(source))


def cut_of(lesson: Lesson) -> tuple[Span, ...] | None:
    """The lesson's edit list as spans; None: all of it."""
    if not lesson.edit_list:
        return None
    return tuple((int(start), int(end)) for start, end in lesson.edit_list)


def checked_cut(edit: Sequence[Sequence[int]] | None, duration_ms: int) -> list[list[int]] | None:
    """Spans of a recording of that length as a lesson keeps them; None for all of it. Raises BadInput."""
    if edit is None:
        return None
    spans = [tuple(span) for span in edit]
    if any(len(span) != 2 or any(type(end) is not int for end in span) for span in spans) or not 0 < len(spans) <= ladder.MOST_SPANS:
        raise BadInput(f"an edit list has 1 to {ladder.MOST_SPANS} spans of two times")
    start, end = spans[-1]
    if duration_ms < end <= duration_ms + _ROUNDED_MS:  # a page shows whole seconds
        spans[-1] = (start, duration_ms)
    Recipe(edit=tuple((start, end) for start, end in spans))  # refuses what is empty or not in order
    if spans[-1][1] > duration_ms:
        raise BadInput("a span ends after the recording")
    if sum(end - start for start, end in spans) < ladder.SHORTEST_MS:
        raise BadInput("less than half a second would be left")
    return None if spans == [(0, duration_ms)] else [[start, end] for start, end in spans]


def in_use(session: Session, lesson: Lesson) -> tuple[LessonSource, Source] | None:
    """The recording that an edit list of the lesson is about: the published one, else the best that has arrived."""
    origin = origin_of(session, lesson)
    found = [
        (row, source) for row, source in _of_lesson(session, lesson.uid, _USABLE) if row.purpose in PICTURE_PURPOSES
    ]
    published = [pair for pair in found if origin is not None and pair[0].source_uid == origin.row.source_uid]
    prepared = [pair for pair in found if pair[1].state == "prepared"]
    return next(iter((*published, *prepared, *found)), None)


def older_than(session: Session, used: Used) -> list[LessonSource]:
    """The recordings that a used one replaces: of its purpose (a voice: and language), attached before it."""
    row = used.attached
    found = session.scalars(
        select(LessonSource).where(
            LessonSource.lesson_uid == row.lesson_uid, LessonSource.purpose == row.purpose,
            LessonSource.uid != row.uid, LessonSource.replaced_on.is_(None),
        )
    )
    same = [other for other in found if row.purpose != VOICE or other.language == row.language]
    return [other for other in same if attached_at(session, other) < attached_at(session, row)]


def left_behind(session: Session, lesson: Lesson, chosen: Chosen, origin: Origin | None) -> list[LessonSource]:
    """What else is used no more: light copies of a master, voices that were spoken to another recording or anew."""
    main = chosen.main.attached
    found = [row for used in chosen.voices for row in older_than(session, used)]
    for row, _source in _of_lesson(session, lesson.uid, ("arrived", "prepared", "refused")):
        is_older = attached_at(session, row) < attached_at(session, main)
        is_published = origin is not None and row.source_uid == origin.row.source_uid
        if row.purpose == "light" and main.purpose == "master" and (is_older or is_published):
            found.append(row)
        if row.purpose == VOICE and is_older and not is_same_recording(main, origin):
            found.append(row)
    return found


def attached_at(session: Session, row: LessonSource) -> tuple[int, str]:
    """The row's place among the sources of its lesson: by the log's counter, which no wrong clock moves."""
    written = changes.versions(session, LessonSource.__tablename__, row.uid)
    return max((change.counter for change in written if change.field == "source_uid"), default=0), row.uid


# --- inside -------------------------------------------------------------------------

def _as_published(session: Session, row: LessonSource, attached: list[Attached], origin: Origin) -> Chosen | None:
    """The recording and its cut as they are published, while what is wanted of it is being made.

    Of a lesson that was taken back nothing is shown that its teacher has cut since.
    """
    ladder = session.get(LadderRow, (origin.row.source_uid, origin.row.recipe))
    if ladder is None or not origin.shown:
        return None
    used = Used(row, Recipe.from_json(ladder.wanted))
    return Chosen(used, _voices(session, attached, used.recipe.edit)) if _is_ready(session, used) else None


def _wanted(session: Session, lesson: Lesson) -> list[tuple[LessonSource, Source, list[Recipe]]]:
    """Each recording that has arrived, with its recipes: none for a light copy whose master can be shown."""
    origin, attached = origin_of(session, lesson), _of_lesson(session, lesson.uid, _USABLE)
    has_master = any(row.purpose == "master" and source.state == "prepared" for row, source in attached)
    pictures = [
        (row, source, [recipe_for(lesson, row, source, origin)] if row.purpose == "master" or not has_master else [])
        for row, source in attached if row.purpose in PICTURE_PURPOSES
    ]
    cuts = dict.fromkeys(recipe.edit for _row, _source, recipes in pictures for recipe in recipes)
    voices = [
        (row, source, [_voice_recipe(source, edit) for edit in cuts])
        for row, source in attached if row.purpose == VOICE
    ]
    return [*pictures, *voices]


def _of_lesson(session: Session, lesson_uid: str, states: Iterable[str]) -> list[Attached]:
    """The recordings of a lesson that are not replaced, best first: masters, then the newest."""
    found = session.execute(
        select(LessonSource, Source)
        .join(Source, Source.uid == LessonSource.source_uid)
        .where(
            LessonSource.lesson_uid == lesson_uid, LessonSource.replaced_on.is_(None), Source.state.in_(states),
            Source.sha256.is_not(None),
        )
    ).all()
    pairs = [(row, source) for row, source in found]
    return sorted(pairs, key=lambda pair: (pair[0].purpose == "master", attached_at(session, pair[0])), reverse=True)


def _since(session: Session, attached: list[Attached], row: LessonSource) -> list[Attached]:
    """Those that were attached after a recording: what came before was spoken to another one."""
    return [pair for pair in attached if attached_at(session, pair[0]) > attached_at(session, row)]


def _is_ready(session: Session, used: Used) -> bool:
    # Shared, so that nobody forgets its renditions while a package is made of them.
    ladder = session.get(LadderRow, used.key, with_for_update={"read": True}, populate_existing=True)
    return ladder is not None and ladder.floor_ready


def _voices(session: Session, attached: list[Attached], edit: tuple[Span, ...] | None) -> tuple[Used, ...]:
    """For each language the newest voice that is ready in the same cut."""
    found: dict[str, Used] = {}
    for row, source in attached:
        if row.purpose == VOICE and source.state == "prepared" and row.language not in found:
            used = Used(row, _voice_recipe(source, edit))
            if _is_ready(session, used):
                found[row.language] = used
    return tuple(found[language] for language in sorted(found))


def _voice_recipe(source: Source, edit: tuple[Span, ...] | None) -> Recipe:
    return Recipe(edit=edit, sounds=_sounds(source), sound_only=True)


def _may_follow(session: Session, attached: list[Attached], chosen: Chosen, origin: Origin | None) -> bool:
    """Whether nothing that is published would vanish for a while; what was taken back or trimmed away may."""
    if origin is None or not origin.shown or chosen.main.key == (origin.row.source_uid, origin.row.recipe):
        return True
    source_uid, recipe_id = chosen.main.key
    if origin.purpose == "light" and chosen.main.attached.purpose == "master" and origin.has_picture:
        videos = [step for step in ladders.steps_of(session, source_uid, recipe_id) if step.name != ladders.FLOOR]
        if videos and all(step.state != "done" for step in videos):
            return False
    ready = {used.attached.source_uid for used in chosen.voices}
    languages = {used.attached.language for used in chosen.voices}
    spoken = {str(uid) for uid, _recipe in origin.row.voices}
    for row, source in attached:
        if row.purpose != VOICE or row.source_uid not in spoken or row.source_uid in ready or row.language in languages:
            continue
        recipe = _voice_recipe(source, chosen.main.recipe.edit)
        if not ladders.is_ending(session, row.source_uid, recipe.id, ladders.FLOOR):
            return False
    return True


def _is_about(lesson: Lesson, row: LessonSource, source: Source, origin: Origin | None) -> bool:
    """Whether the lesson's edit list was written for this recording: of the next one nobody has cut anything yet."""
    edit = cut_of(lesson)
    if edit is None:
        return False
    if origin is not None:
        return is_same_recording(row, origin)
    duration_ms = (source.probe or {}).get("duration_ms")
    return duration_ms is None or edit[-1][0] < int(duration_ms)


def _sounds(source: Source) -> tuple[Sound, ...] | None:
    if not source.sounds:
        return None
    return tuple(Sound(int(sound["index"]), str(sound["language"])) for sound in source.sounds)
