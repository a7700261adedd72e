"""Courses, units, lessons and their sources, and which group takes which course: the writes.

Whoever calls these has decided already that the person may; the rows say only what is so.

This module must not know who may do what, nor what a package is.
"""

import re
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import audience as reading
from eduhub.courses import recordings
from eduhub.courses.models import Course, GroupCourse, Lesson, LessonSource, Unit
from eduhub.errors import BadInput, NotAllowed, NotFound
from eduhub.media import ladders
from eduhub.media.facts import Probe
from eduhub.media.models import Source
from eduhub.media.recipes import Sound
from eduhub.schools.models import Group
from eduhub.uids import new_uid

PURPOSES = ("light", "master", "sound")
MAX_TITLE, MAX_TEXT = 200, 20_000
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


def add_course(
    session: Session, *, org_uid: str, titles: Mapping[str, str], audience: str = "own",
    listed_org_uids: list[str] | None = None,
) -> Course:  # fmt: skip
    """A new course that an organisation owns. Raises BadInput."""
    course = Course(
        org_uid=org_uid, titles=checked_texts(titles, MAX_TITLE), audience=checked_audience(audience),
        listed_org_uids=sorted(set(listed_org_uids or [])) or None,
    )  # fmt: skip
    session.add(course)
    session.flush()
    return course


def change_course(
    session: Session, course_uid: str, *, titles: Mapping[str, str] | None = None, audience: str | None = None,
    listed_org_uids: list[str] | None = None,
) -> Course:  # fmt: skip
    """Change what is given. A lesson's published package learns of it at its next revision. Raises NotFound, BadInput."""
    course = _course(session, course_uid)
    if titles is not None:
        course.titles = checked_texts(titles, MAX_TITLE)
    if audience is not None:
        course.audience = checked_audience(audience)
    if listed_org_uids is not None:
        course.listed_org_uids = sorted(set(listed_org_uids)) or None
    session.flush()
    return course


def add_unit(
    session: Session, *, course_uid: str, titles: Mapping[str, str], position: int | None = None
) -> Unit:
    """A new chapter, at the end unless a position is given. Raises NotFound, BadInput."""
    course = _course(session, course_uid)
    if position is None:
        last = session.scalar(select(func.max(Unit.position)).where(Unit.course_uid == course_uid))
        position = (last or 0) + 1
    unit = Unit(
        org_uid=course.org_uid, course_uid=course_uid, titles=checked_texts(titles, MAX_TITLE), position=position
    )
    session.add(unit)
    session.flush()
    return unit


def add_lesson(
    session: Session, *, course_uid: str, titles: Mapping[str, str], language: str, unit_uid: str | None = None,
    texts: Mapping[str, str] | None = None, position: int | None = None,
) -> Lesson:  # fmt: skip
    """A new draft, at the end of its course unless a position is given. Raises NotFound, BadInput."""
    course = _course(session, course_uid)
    _check_unit(session, course_uid, unit_uid)
    if position is None:
        last = session.scalar(select(func.max(Lesson.position)).where(Lesson.course_uid == course_uid))
        position = (last or 0) + 1
    lesson = Lesson(
        org_uid=course.org_uid, course_uid=course_uid, unit_uid=unit_uid, position=position,
        titles=checked_texts(titles, MAX_TITLE), texts=checked_texts(texts or {}, MAX_TEXT, may_be_empty=True),
        language=checked_language(language), state="draft", timeline_uid=new_uid(), edit_list=None, package_id=None,
    )  # fmt: skip
    session.add(lesson)
    session.flush()
    return lesson


def change_lesson(
    session: Session, lesson_uid: str, *, titles: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None, unit_uid: str | None = None, position: int | None = None,
) -> Lesson:  # fmt: skip
    """Change what is given; `publishing.publish` makes the next revision of it. Raises NotFound, BadInput."""
    lesson = find_lesson(session, lesson_uid)
    if titles is not None:
        lesson.titles = checked_texts(titles, MAX_TITLE)
    if texts is not None:
        lesson.texts = checked_texts(texts, MAX_TEXT, may_be_empty=True)
    if unit_uid is not None:
        _check_unit(session, lesson.course_uid, unit_uid)
        lesson.unit_uid = unit_uid
    if position is not None:
        lesson.position = position
    session.flush()
    return lesson


def attach_source(
    session: Session, *, lesson_uid: str, source_uid: str, language: str, purpose: str = "master"
) -> LessonSource:
    """Say what an uploaded file is for. What was attached before stays in use until this one is prepared.

    Safe to repeat. Raises NotFound, BadInput.
    """
    lesson = find_lesson(session, lesson_uid)
    if purpose not in PURPOSES:
        raise BadInput(f"a source is for one of {', '.join(PURPOSES)}")
    known = select(LessonSource).where(LessonSource.lesson_uid == lesson_uid, LessonSource.source_uid == source_uid)
    found = session.scalars(known).first()
    if found is not None:
        return found
    attached = LessonSource(
        org_uid=lesson.org_uid, lesson_uid=lesson_uid, source_uid=source_uid, purpose=purpose,
        language=checked_language(language), replaced_on=None,
    )  # fmt: skip
    session.add(attached)
    session.flush()
    if session.get(Source, source_uid) is not None:  # it arrived before, for another lesson
        recordings.changed(session, lesson_uid)
    return attached


def trim(session: Session, lesson_uid: str, edit: Sequence[Sequence[int]] | None) -> Lesson:
    """Use only these spans (ms, from the start of the file) of the lesson's recording; None: all of it.

    What is published stays until the sound and pictures of the new cut are ready. Raises NotFound, BadInput.
    """
    session.flush()  # it is read anew: the caller may have read what was before
    session.get(Lesson, lesson_uid, with_for_update=True, populate_existing=True)
    lesson = find_lesson(session, lesson_uid)
    used = recordings.in_use(session, lesson)
    if used is None or used[1].probe is None:
        raise NotFound(f"lesson {lesson_uid} has no recording that was looked at")
    lesson.edit_list = recordings.checked_cut(edit, int(used[1].probe["duration_ms"]))
    session.flush()
    recordings.changed(session, lesson_uid)
    return lesson


def choose_sounds(session: Session, source_uid: str, sounds: Sequence[Sound] | None) -> Source:
    """Use these sound tracks of a file, the main one first; None: the default one. Raises NotFound, BadInput."""
    ladders.all_locked(session, source_uid)
    source = session.get(Source, source_uid, with_for_update=True, populate_existing=True)
    if source is None or source.probe is None:
        raise NotFound(f"no source {source_uid} that was looked at")
    known = {track.index for track in Probe.from_json(source.probe).sounds}
    chosen = list(sounds or ())
    if not {sound.index for sound in chosen} <= known:
        raise BadInput("the file has no such sound track")
    if len({sound.index for sound in chosen}) < len(chosen) or len({sound.language for sound in chosen}) < len(chosen):
        raise BadInput("each sound track once, each in a language of its own")
    source.sounds = [{"index": sound.index, "language": checked_language(sound.language)} for sound in chosen] or None
    session.flush()
    uses = select(LessonSource.lesson_uid).where(LessonSource.source_uid == source_uid, LessonSource.replaced_on.is_(None))
    for lesson_uid in sorted(set(session.scalars(uses))):
        recordings.changed(session, lesson_uid)
    return source


def add_sound(session: Session, lesson_uid: str, source_uid: str, language: str) -> LessonSource:
    """A file whose sound is the lesson in another language; it follows the lesson's edit list. Raises NotFound, BadInput."""
    if checked_language(language) == find_lesson(session, lesson_uid).language:
        raise BadInput("the lesson is spoken in that language already")
    return attach_source(
        session, lesson_uid=lesson_uid, source_uid=source_uid, language=language, purpose=recordings.VOICE
    )


def drop_sound(session: Session, lesson_uid: str, source_uid: str) -> None:
    """The lesson has that voice no more, from its next revision on. Safe to repeat. Raises NotFound."""
    find_lesson(session, lesson_uid)
    known = select(LessonSource).where(
        LessonSource.lesson_uid == lesson_uid, LessonSource.source_uid == source_uid,
        LessonSource.purpose == recordings.VOICE,
    )  # fmt: skip
    row = session.scalars(known).first()
    if row is None:
        raise NotFound(f"lesson {lesson_uid} has no voice {source_uid}")
    if row.replaced_on is None:
        row.replaced_on = clock.now().date().isoformat()
        session.flush()
        recordings.put_aside(session, row)
        recordings.changed(session, lesson_uid)


def give_course(session: Session, *, group_uid: str, course_uid: str, starts_on: str) -> GroupCourse:
    """A group takes a course from an ISO day on; one that takes it already keeps the span there is.

    Raises NotFound, BadInput, and NotAllowed when the course does not reach the school.
    """
    course, group = _course(session, course_uid), session.get(Group, group_uid)
    if group is None:
        raise NotFound(f"no group {group_uid}")
    if not reading.may_org_have(session, course, group.org_uid):
        raise NotAllowed(f"course {course_uid} is not for organisation {group.org_uid}")
    clock.check_day(starts_on)
    same = GroupCourse.group_uid == group_uid, GroupCourse.course_uid == course_uid, GroupCourse.ended_on.is_(None)
    takes_it = session.scalars(select(GroupCourse).where(*same).order_by(GroupCourse.uid)).first()
    if takes_it is not None and takes_it.starts_on <= starts_on:
        return takes_it
    span = GroupCourse(
        org_uid=group.org_uid, group_uid=group_uid, course_uid=course_uid, starts_on=starts_on, ended_on=None
    )
    session.add(span)
    session.flush()
    return span


def end_course(session: Session, group_course_uid: str, on: str) -> GroupCourse:
    """The group takes the course no more from an ISO day on; safe to repeat. Raises NotFound."""
    span = session.get(GroupCourse, group_course_uid)
    if span is None:
        raise NotFound(f"no group course {group_course_uid}")
    if span.ended_on is None:
        span.ended_on = clock.check_day(on)
        session.flush()
    return span


def find_lesson(session: Session, lesson_uid: str) -> Lesson:
    """The lesson; raises NotFound."""
    lesson = session.get(Lesson, lesson_uid)
    if lesson is None:
        raise NotFound(f"no lesson {lesson_uid}")
    return lesson


def checked_texts(texts: Mapping[str, str], longest: int, *, may_be_empty: bool = False) -> dict[str, str]:
    """Texts by language tag, trimmed, empty ones left out; raises BadInput."""
    kept = {checked_language(language): text.strip() for language, text in texts.items() if text.strip()}
    if not kept and not may_be_empty:
        raise BadInput("a title in at least one language is needed")
    if any(len(text) > longest or "\0" in text for text in kept.values()):
        raise BadInput(f"a text here has at most {longest} characters")
    return kept


def checked_language(tag: str) -> str:
    """A language tag such as `zh` or `zh-Hans`; raises BadInput."""
    if not _LANGUAGE.fullmatch(tag):
        raise BadInput(f"not a language tag: {tag[:40]!r}")
    return tag


def checked_audience(word: str) -> str:
    """One of the four audiences; raises BadInput."""
    if word not in reading.AUDIENCES:
        raise BadInput(f"the audience is one of {', '.join(reading.AUDIENCES)}")
    return word


def _course(session: Session, course_uid: str) -> Course:
    course = session.get(Course, course_uid)
    if course is None:
        raise NotFound(f"no course {course_uid}")
    return course


def _check_unit(session: Session, course_uid: str, unit_uid: str | None) -> None:
    if unit_uid is None:
        return
    unit = session.get(Unit, unit_uid)
    if unit is None or unit.course_uid != course_uid:
        raise BadInput(f"unit {unit_uid} is not of this course")
