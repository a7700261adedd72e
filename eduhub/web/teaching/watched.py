"""What was watched: of a course and a lesson at the hub, for those who change it; of a class, for its own school.

Children are named on the page of a class alone, and that page is for teachers and admins of the class's school. The
pages of a course count: the children of the reader's own schools, and those of all others.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts.models import Person
from eduhub.courses import audience
from eduhub.courses.models import Course, Lesson
from eduhub.errors import NotFound
from eduhub.http import caches
from eduhub.learning import reports, tallies
from eduhub.learning.reports import Summary, Timeline
from eduhub.schools.models import Group, Organisation
from eduhub.web import moments, order, plots, rights, shown
from eduhub.web.edge import Page, page_of, reading, row_of, today
from eduhub.web.rights import COURSE, LESSON, TEACHES_CLASS
from eduhub.web.school import roster

of_courses = Blueprint("watched", __name__)
of_classes = Blueprint("watched_by_class", __name__)


@dataclass(frozen=True)
class LessonRow:
    """A lesson, and how the reader's own children watched it."""

    lesson: Lesson
    summary: Summary


@dataclass(frozen=True)
class ClassRow:
    """A class of the reader's own schools that takes the course."""

    uid: str
    name: str
    children: int
    may_open: bool


@dataclass(frozen=True)
class ChildRow:
    """A child, and what it has seen of each lesson on the page (0: nothing)."""

    name: str
    percents: Sequence[int]


@dataclass(frozen=True)
class OwnClasses:
    """The classes of the reader's own schools that take a course, and their children."""

    org_uids: frozenset[str]
    rows: Sequence[ClassRow]
    children: Collection[str]


@of_courses.get("/teaching/courses/<course_uid>/watched")
@guard.allow(COURSE)
@caches("no-store")
def course(course_uid: str) -> ResponseReturnValue:
    """How the lessons of a course were watched by the reader's own classes, and on which days."""
    with reading() as session:
        found = row_of(session, Course, course_uid)
        day = today(session, found.org_uid)
        page = page_of(_published(session, course_uid))
        own = _own_classes(session, found, day)
        report = reports.watched(session, page.rows, reports.lengths(session, page.rows), own.children, day)
        rows = [LessonRow(one, report.of_lesson.get(one.uid, Summary())) for one in page.rows]
    return render_template(
        "teaching/watched.html", course=found, page=page, rows=rows, classes=own.rows, children=len(own.children),
        days=report.by_day, days_path=plots.bars(list(report.by_day.values()), max(report.by_day.values())),
        most=max(report.by_day.items(), key=lambda pair: pair[1]), finished=reports.FINISHED_PERCENT,
    )


@of_courses.get("/teaching/lessons/<lesson_uid>/watched")
@guard.allow(LESSON)
@caches("no-store")
def lesson(lesson_uid: str) -> ResponseReturnValue:
    """One lesson along its length: how many saw each stretch, where they stopped, what they played again."""
    with reading() as session:
        found = row_of(session, Lesson, lesson_uid)
        course = row_of(session, Course, found.course_uid)
        own = _own_classes(session, course, today(session, course.org_uid))
        duration_ms = reports.lengths(session, [found]).get(found.uid, 0)
        line = reports.timeline(session, found, duration_ms, own.children, own.org_uids)
        elsewhere = reports.elsewhere(session, found, own.org_uids)
        schools = _school_rows(session, elsewhere)
    return render_template(
        "teaching/watched_lesson.html", lesson=found, course=course, line=line, classes=own.rows, children=len(own.children),
        paths=_paths(line), told=_told(line), ends=moments.written(duration_ms), middle=moments.written(duration_ms // 2000 * 1000),
        schools=schools, elsewhere=sum(elsewhere.values()), finished=reports.FINISHED_PERCENT,
    )


@of_classes.get("/groups/<group_uid>/courses/<course_uid>/watched")
@guard.allow(TEACHES_CLASS)
@caches("no-store")
def by_class(group_uid: str, course_uid: str) -> ResponseReturnValue:
    """What each child of a class has seen of each lesson of a course that the class takes."""
    with reading() as session:
        group = row_of(session, Group, group_uid)
        day = today(session, group.org_uid)
        found = row_of(session, Course, course_uid)
        if not audience.may_org_have(session, found, group.org_uid):
            raise NotFound
        page = page_of(_published(session, course_uid))
        children = reports.children_of(session, [group], day)[group.uid]
        seen = reports.percents_of(session, page.rows, reports.lengths(session, page.rows), children)
        people = session.scalars(select(Person).where(Person.uid.in_(children))).all()
        rows = [
            ChildRow(person.name, [seen.get((person.uid, one.uid), 0) for one in page.rows])
            for person in sorted(people, key=lambda person: order.key(person.name))
        ]
        name = roster.group_name(session, group)
    return render_template(
        "teaching/watched_class.html", group=group, name=name, course=found, page=page, rows=rows,
        may_open_course=guard.here().settings.role == "hub" and guard.may(COURSE, course_uid=course_uid),
    )


# --- inside -------------------------------------------------------------------------


def _published(session: Session, course_uid: str) -> list[Lesson]:
    """The lessons that children can have watched."""
    return list(session.scalars(
        select(Lesson).where(Lesson.course_uid == course_uid, Lesson.package_id.is_not(None)).order_by(Lesson.position, Lesson.uid)
    ))  # fmt: skip


def _own_classes(session: Session, course: Course, day: str) -> OwnClasses:
    own = rights.own_org_uids(session)
    groups = reports.classes_taking(session, course.uid, own, day)
    children = reports.children_of(session, groups, day)
    rows = [
        ClassRow(
            group.uid, roster.group_name(session, group), len(children[group.uid]), guard.may(TEACHES_CLASS, group_uid=group.uid)
        )
        for group in groups
    ]
    return OwnClasses(own, rows, frozenset().union(*children.values()))


def _paths(line: Timeline) -> Mapping[str, str]:
    """Both lower plots have a scale of their own, for a single child must be seen beside a class that watched."""
    most = max((*line.seen, 1))
    return {
        "seen": plots.area(line.seen, most), "stopped": plots.bars(line.stopped, max((*line.stopped, 1))),
        "again": plots.bars(line.again, max((*line.again, 1))),
    }  # fmt: skip


def _told(line: Timeline) -> Mapping[str, Sequence[str]]:
    """The peaks in words."""

    def at(slot: int) -> str:
        return moments.written(slot * tallies.SLOT_MS)

    return {
        "stopped": [
            ngettext("%(at)s: %(num)s child", "%(at)s: %(num)s children", count, at=at(slot))
            for slot, count in plots.peaks(line.stopped)
        ],
        "again": [gettext("%(at)s: %(count)s times", at=at(slot), count=count) for slot, count in plots.peaks(line.again)],
    }


def _school_rows(session: Session, counts: Mapping[str, int]) -> Page[tuple[dict[str, str], int]]:
    names = dict(session.execute(select(Organisation.uid, Organisation.names).where(Organisation.uid.in_(counts))).all())
    rows = [(names.get(uid, {}), count) for uid, count in counts.items()]
    return page_of(sorted(rows, key=lambda row: (-row[1], shown.plain(row[0]))))
