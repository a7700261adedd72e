"""The lessons of a class on one day, as the pages list them: the same for every child who is in the same groups.

All of it is made once and kept (`kept.shelf`) for the whole class. So nothing in here may know who reads; how far a
child is is added on the page, to each row.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from flask import get_template_attribute
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses import audience, plan
from eduhub.courses.models import Course, PlanRow
from eduhub.schools.models import Group
from eduhub.web import kept
from eduhub.web.kept import Now
from eduhub.web.learning import lesson_cards
from eduhub.web.learning.lesson_cards import LessonCard

PLAN_DAYS = 7
MISSED_DAYS = 14  # how far back one is reminded of what was planned
FIRST_ROWS = 6  # lessons of one course on the first page; the rest is one tap further


@dataclass(frozen=True)
class Row:
    """One lesson that can be watched here, and when it is planned."""

    lesson_uid: str
    course_uid: str
    package_id: str
    timeline_uid: str
    titles: dict[str, str]
    course_titles: dict[str, str]
    language: str
    duration_ms: int
    bytes: int  # what Play costs
    poster: str | None
    day: str | None = None
    period: int | None = None
    here_ms: int = 0  # since when it can be watched here; the wall clock's word, for showing


@dataclass(frozen=True)
class Coming:
    """A lesson that is planned and cannot be watched here yet."""

    lesson_uid: str
    titles: dict[str, str]
    language: str
    day: str | None
    period: int | None
    percent: int  # of what it takes to show it, how much is here


@dataclass(frozen=True)
class Catalogue:
    """What a class may watch: its plan from today on, what was planned lately, and all of it in the order of the courses."""

    group_uids: tuple[str, ...]
    planned: tuple[Row, ...]
    rows: tuple[Row, ...]
    missed: tuple[Row, ...] = ()  # planned in the last days, the newest first: whoever has watched it has missed nothing
    coming: tuple[Coming, ...] = ()

    def of_course(self, course_uid: str) -> tuple[Row, ...]:
        """The rows of one course."""
        return tuple(row for row in self.rows if row.course_uid == course_uid)


@dataclass(frozen=True)
class CourseStart:
    """The first lessons of a course, written; each row is open at its end."""

    head: Markup
    rows: tuple[Row, ...]
    opened: tuple[Markup, ...]
    more: Markup  # the way to the whole course; empty where all of it is shown


def of_person(session: Session, now: Now, person_uid: str) -> Catalogue:
    """What a person's groups may watch today: made for the first of them who asks."""
    shelf = kept.shelf()
    group_uids = shelf.take(
        ("groups", now.shared, now.day, person_uid),
        lambda: tuple(group.uid for group in audience.groups_of_person(session, person_uid, now.day)),
    )
    return shelf.take(
        ("catalogue", now.shared, now.day, group_uids), lambda: _of_groups(session, group_uids, now.day),
        lambda made: 1 + len(made.rows) + len(made.planned) + len(made.missed) + len(made.coming),
    )  # fmt: skip


def of_open(session: Session, now: Now) -> tuple[Row, ...]:
    """The lessons of the courses that are open to everybody, course by course: made for the first who asks."""
    return kept.shelf().take(("open", now.shared), lambda: _open_rows(session), lambda made: 1 + len(made))


def piece(now: Now, macro: str, row: Row | None, *also: Hashable) -> Markup:
    """A piece of a page in its language (a macro of learning/rows.html), about one row: written once for all."""
    # The state of everything names a row together with its lesson and its place in the plan.
    which = (row.lesson_uid, row.day, row.period) if row else None
    arguments = (row, *also) if row else also
    return kept.shelf().take((macro, now.shared, now.language, which, *also), lambda: _write(macro, *arguments))


def written(now: Now, rows: Sequence[Row]) -> tuple[Markup, ...]:
    """The rows in the page's language, each open at its end for how far one is."""
    key = ("rows", now.shared, now.day, now.language, tuple((row.lesson_uid, row.day, row.period) for row in rows))
    return kept.shelf().take(key, lambda: tuple(_write("open_row", row, now.day) for row in rows), len)


def coming(now: Now, found: Catalogue, from_school: bool) -> Markup:
    """What is planned and not here yet, in the page's language."""
    key = ("coming", now.shared, now.day, now.language, found.group_uids)
    return kept.shelf().take(key, lambda: Markup("").join(_write("coming_row", one, now.day, from_school) for one in found.coming))


def course_starts(now: Now, found: Catalogue) -> tuple[CourseStart, ...]:
    """The beginning of each course, in the page's language."""
    key = ("course starts", now.shared, now.day, now.language, found.group_uids)
    return kept.shelf().take(
        key, lambda: tuple(_course_starts(found.rows, now.day)), lambda made: sum(len(one.rows) for one in made)
    )


def _course_starts(rows: Sequence[Row], today: str) -> Iterator[CourseStart]:
    for _course_uid, grouped in groupby(rows, key=lambda row: row.course_uid):  # rows come course by course
        all_of_it = tuple(grouped)
        first = all_of_it[:FIRST_ROWS]
        is_cut = len(all_of_it) > len(first)
        more = _write("course_more", first[0], len(all_of_it)) if is_cut else Markup("")
        yield CourseStart(_write("course_head", first[0]), first, tuple(_write("open_row", row, today) for row in first), more)


def _write(macro: str, *arguments: Any) -> Markup:
    return Markup(get_template_attribute("learning/rows.html", macro)(*arguments))  # noqa: S704 - the macro has escaped


def _of_groups(session: Session, group_uids: Sequence[str], day: str) -> Catalogue:
    groups = session.scalars(select(Group).where(Group.uid.in_(group_uids)).order_by(Group.uid)).all()
    lessons = audience.lessons_of_groups(session, groups, day)
    wanted = {lesson.course_uid for lesson in lessons}
    courses = {course.uid: course for course in session.scalars(select(Course).where(Course.uid.in_(wanted)))}
    cards = lesson_cards.of_lessons(session, lessons, courses, None)
    here_ms = lesson_cards.here_since(session, [card.package_id for card in cards.values()])
    rows = {lesson.uid: _row(cards[lesson.uid], here_ms) for lesson in lessons if lesson.uid in cards}
    plans = _plans(session, groups, day)
    planned = [_on(rows[found.lesson_uid], found) for found in plans if not _is_over(found, day) and found.lesson_uid in rows]
    ahead = {row.lesson_uid for row in planned}
    missed = {
        found.lesson_uid: _on(rows[found.lesson_uid], found)
        for found in plans if _is_over(found, day) and found.lesson_uid in rows and found.lesson_uid not in ahead
    }  # fmt: skip
    by_uid = {lesson.uid: lesson for lesson in lessons}
    absent = {
        found.lesson_uid: found
        for found in reversed(plans) if not _is_over(found, day) and found.lesson_uid in by_uid and found.lesson_uid not in rows
    }  # fmt: skip
    percents = lesson_cards.awaited(session, absent)
    coming = [
        Coming(uid, by_uid[uid].titles, by_uid[uid].language, found.day, found.period, percents[uid])
        for uid, found in reversed(absent.items()) if uid in percents
    ]  # fmt: skip
    return Catalogue(
        tuple(group_uids), tuple(planned), tuple(rows.values()), tuple(reversed(missed.values())), tuple(coming)
    )


def _open_rows(session: Session) -> tuple[Row, ...]:
    courses = {course.uid: course for course in session.scalars(select(Course).where(Course.audience == "open"))}
    lessons = audience.open_lessons(session)
    cards = lesson_cards.of_lessons(session, lessons, courses, None)
    return tuple(_row(cards[lesson.uid], {}) for lesson in lessons if lesson.uid in cards)


def _plans(session: Session, groups: Sequence[Group], day: str) -> list[PlanRow]:
    """In the order in which it comes; what has no day comes first of all."""
    first, last = ((date.fromisoformat(day) + timedelta(days=days)).isoformat() for days in (-MISSED_DAYS, PLAN_DAYS))
    found = [row for group in groups for row in plan.for_group(session, group.uid, first, last)]
    return sorted(found, key=lambda row: (row.day or "", row.period or 0))


def _is_over(found: PlanRow, day: str) -> bool:
    return found.day is not None and found.day < day


def _on(row: Row, found: PlanRow) -> Row:
    return replace(row, day=found.day, period=found.period)


def _row(card: LessonCard, here_ms: Mapping[str, int]) -> Row:
    return Row(
        lesson_uid=card.lesson.uid, course_uid=card.course.uid, package_id=card.package_id, timeline_uid=card.timeline_uid,
        titles=card.lesson.titles, course_titles=card.course.titles, language=card.lesson.language,
        duration_ms=card.duration_ms, bytes=card.bytes, poster=card.poster, here_ms=here_ms.get(card.package_id, 0),
    )  # fmt: skip
