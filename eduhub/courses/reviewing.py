"""Review: in a course that asks for it, a second pair of eyes before children see a lesson.

`Course.asks_review` says so. A teacher then hands a lesson in, a reviewer looks at it as a child would see it and publishes
it or sends it back with a word. What was published goes on by itself only where nobody has to look again: further
renditions of the same recordings in the same cut. Everything else waits.

The rows stay at the hub, where lessons are made. Who may hand in and who may review is decided above.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts import audit
from eduhub.courses import materials
from eduhub.courses.models import Course, Lesson, LessonReview
from eduhub.courses.origins import Origin, is_same_recording
from eduhub.courses.recordings import Chosen
from eduhub.delivery.package import Manifest
from eduhub.errors import BadInput

WAITING, SENT_BACK, PASSED = "waiting", "sent_back", "passed"
MAX_WORD = 2000
_MADE_OF_RECORDINGS = frozenset({"video", "audio", "stills", "poster", "index", "playlist", "download"})


@dataclass(frozen=True)
class Waiting:
    """A lesson that waits for a reviewer."""

    lesson: Lesson
    course: Course
    review: LessonReview


def set_asked(session: Session, course: Course, asks: bool, by_uid: str | None) -> None:
    """Have the lessons of a course reviewed from now on, or no longer. What is published stays."""
    if bool(course.asks_review) == asks:
        return
    course.asks_review = asks
    action = "course.review_on" if asks else "course.review_off"
    audit.note(session, action, by_uid=by_uid, org_uid=course.org_uid, subject_uid=course.uid)


def hand_in(session: Session, lesson: Lesson, by_uid: str | None) -> LessonReview:
    """The lesson waits for a reviewer. Safe to repeat."""
    row = session.get(LessonReview, lesson.uid)
    if row is None:
        row = LessonReview(
            lesson_uid=lesson.uid, state=WAITING, word=None, words=None, asked_by_uid=by_uid, asked_ms=clock.now_ms(),
            answered_by_uid=None,
        )  # fmt: skip
        session.add(row)
    elif row.state == WAITING:
        return row
    else:
        row.state, row.asked_by_uid, row.asked_ms = WAITING, by_uid, clock.now_ms()
    audit.note(session, "lesson.hand_in", by_uid=by_uid, org_uid=lesson.org_uid, subject_uid=lesson.uid)
    session.flush()
    return row


def send_back(session: Session, lesson: Lesson, word: str, by_uid: str | None) -> None:
    """The teacher is to change something: `word` says what. Raises BadInput for a lesson that does not wait."""
    row = session.get(LessonReview, lesson.uid)
    if row is None or row.state != WAITING:
        raise BadInput("the lesson does not wait for a reviewer")
    word = word.strip()
    if not word or len(word) > MAX_WORD or "\0" in word:
        raise BadInput(f"a word to the teacher has 1 to {MAX_WORD} letters")
    row.state, row.word, row.answered_by_uid = SENT_BACK, word, by_uid
    audit.note(session, "lesson.send_back", by_uid=by_uid, org_uid=lesson.org_uid, subject_uid=lesson.uid)
    session.flush()


def passed(session: Session, lesson: Lesson, by_uid: str | None) -> None:
    """A reviewer has published it; nothing waits any more."""
    row = session.get(LessonReview, lesson.uid)
    if row is not None:
        row.state, row.word, row.answered_by_uid = PASSED, None, by_uid
        session.flush()


def call_off(session: Session, lesson: Lesson) -> None:
    """It was taken back: nobody has to look at it."""
    row = session.get(LessonReview, lesson.uid)
    if row is not None:
        session.delete(row)
        session.flush()


def propose_words(session: Session, lesson: Lesson, words: dict[str, Any], by_uid: str | None) -> None:
    """Keep {titles, texts, language} for a published lesson until a reviewer publishes them: nothing is shown before."""
    row = hand_in(session, lesson, by_uid)
    row.words = words
    session.flush()


def take_words(session: Session, lesson: Lesson) -> None:
    """What was proposed becomes the lesson's own."""
    row = session.get(LessonReview, lesson.uid)
    if row is not None and row.words is not None:
        lesson.titles, lesson.texts, lesson.language = row.words["titles"], row.words["texts"], row.words["language"]
        row.words = None
        session.flush()


def seen_now(session: Session, lesson: Lesson, chosen: Chosen | None) -> str:
    """A word for what a reviewer would publish now: another recording, cut, voice, text, caption or attachment is another
    word, one more size of the same recording is not. Empty while nothing is prepared (`recordings.choose`).
    """
    if chosen is None:
        return ""
    row = session.get(LessonReview, lesson.uid)
    words = (row.words if row is not None else None) or {
        "titles": lesson.titles, "texts": lesson.texts, "language": lesson.language,
    }  # fmt: skip
    edit, voices = chosen.main.recipe.edit, sorted(used.attached.source_uid for used in chosen.voices)
    said = {
        "main": chosen.main.attached.source_uid, "edit": edit and [list(span) for span in edit], "voices": voices,
        "words": {name: words[name] for name in ("titles", "texts", "language")},
        "beside": sorted((str(part["name"]), str(part["sha256"])) for part in materials.parts_of(session, lesson)),
        "fields": materials.fields_of(session, lesson),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def is_same_lecture(chosen: Chosen, origin: Origin | None) -> bool:
    """Whether what would go out is what was published: the same recordings in the same cut."""
    if origin is None or not origin.shown:
        return False
    main, spoken = chosen.main, {str(uid) for uid, _recipe in origin.row.voices}
    voices = {used.attached.source_uid for used in chosen.voices}
    return is_same_recording(main.attached, origin) and main.recipe.edit == origin.edit and voices <= spoken


def has_same_words(new: Manifest, held: Manifest) -> bool:
    """Whether two packages say the same beside their recordings: titles, texts, captions, what is attached."""

    def words(manifest: Manifest) -> tuple[Any, ...]:
        beside = sorted((part.name, part.sha256) for part in manifest.parts if part.kind not in _MADE_OF_RECORDINGS)
        return dict(manifest.titles), dict(manifest.texts), dict(manifest.extra), beside

    return words(new) == words(held)


def of_lessons(session: Session, lesson_uids: list[str]) -> dict[str, LessonReview]:
    """The reviews of these lessons that wait or were sent back, by lesson uid."""
    rows = session.scalars(
        select(LessonReview).where(LessonReview.lesson_uid.in_(lesson_uids), LessonReview.state.in_([WAITING, SENT_BACK]))
    )
    return {row.lesson_uid: row for row in rows}


def waiting(session: Session, course_uids: list[str]) -> list[Waiting]:
    """What waits for a reviewer in these courses, the longest first."""
    rows = session.execute(
        select(Lesson, Course, LessonReview)
        .join(Course, Course.uid == Lesson.course_uid)
        .join(LessonReview, LessonReview.lesson_uid == Lesson.uid)
        .where(Lesson.course_uid.in_(course_uids), LessonReview.state == WAITING)
        .order_by(LessonReview.asked_ms, Lesson.uid)
    )
    return [Waiting(lesson, course, review) for lesson, course, review in rows]
