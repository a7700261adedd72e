"""What needs a teacher: recordings that failed, lessons that were sent back, lessons that are ready to publish."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses import reviewing
from eduhub.courses.models import Course, Lesson
from eduhub.web.states import State
from eduhub.web.teaching import reviewing as reviews
from eduhub.web.teaching import video

MOST = 20  # on the first page; the rest is on the courses' own
_UNFINISHED = ("draft", "withdrawn", "submitted")


@dataclass(frozen=True)
class Need:
    """A lesson that waits for its teacher, and what it waits for."""

    lesson_uid: str
    course_uid: str
    titles: tuple[tuple[str, str], ...]
    language: str
    state: State
    may_publish: bool  # one tap does it
    asks_review: bool

    @property
    def words(self) -> dict[str, str]:
        """The titles by language."""
        return dict(self.titles)


def of_courses(session: Session, courses: Sequence[Course]) -> list[Need]:
    """What needs the teacher of these courses: what went wrong first, then what is ready."""
    by_uid = {course.uid: course for course in courses}
    lessons = list(session.scalars(
        select(Lesson).where(Lesson.course_uid.in_(by_uid)).order_by(Lesson.course_uid, Lesson.position, Lesson.uid)
    ))  # fmt: skip
    asked = reviewing.of_lessons(session, [lesson.uid for lesson in lessons])
    found = []
    for row in video.with_states(session, lessons):
        review = asked.get(row.lesson.uid)
        state = reviews.shown(row.state, review)
        is_ready = row.lesson.state == "draft" and review is None and row.state.icon == "done"
        if state.colour == "bad" or is_ready or _has_failed(row.state):
            asks = bool(by_uid[row.lesson.course_uid].asks_review)
            found.append(Need(
                row.lesson.uid, row.lesson.course_uid, tuple(sorted(row.lesson.titles.items())), row.lesson.language, state,
                is_ready, asks,
            ))  # fmt: skip
    return sorted(found, key=lambda need: need.may_publish)


def _has_failed(state: State) -> bool:
    return state.icon == "done" and state.colour == "slow" and not state.preparing
