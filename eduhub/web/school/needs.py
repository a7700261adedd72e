"""What needs a school's admin: each line is proved by rows, and leads to where it is mended."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock, guard
from eduhub.courses import weeks
from eduhub.courses.models import Course, Lesson, LessonSource, PlanRow
from eduhub.media.models import LadderStep, Source
from eduhub.schools import calendars
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.models import Node, NodeContact
from eduhub.web import box_states, shown
from eduhub.web.school import roster

DAYS_AHEAD = 7
DAY_MS = 24 * 3600 * 1000
NEARLY_FULL = 0.1  # of the disk
MOST_LINES = 5  # of one kind


@dataclass(frozen=True)
class Need:
    """Something that waits for the admin."""

    text: str
    address: str


def of_school(
    session: Session, org_uid: str, day: str, people: Sequence[roster.PersonRow], rows: Sequence[roster.GroupRow]
) -> list[Need]:
    """All of it, what concerns children first."""
    found = [*_children(session, org_uid, people), *_classes(session, org_uid, day, rows)]
    if guard.here().settings.role == "hub":
        return [*found, *_boxes(session, org_uid), *_recordings(session, org_uid)]
    return [*found, *_this_box(session)]


def _children(session: Session, org_uid: str, people: Sequence[roster.PersonRow]) -> Iterable[Need]:
    alone = sum(1 for row in people if row.is_alone)
    if alone:
        text = ngettext("%(num)s child without a class", "%(num)s children without a class", alone)
        yield Need(text, url_for("people.everybody", org_uid=org_uid, without_class=1))
    held = roster.cards_of(session, [row.person.uid for row in people])
    cardless = {row.person.uid for row in people if row.may_have_card and not row.has_left and row.person.uid not in held}
    anew = roster.had_cards(session, cardless) if box_states.one_was_lost(session, org_uid) else set()
    if anew:
        text = ngettext("%(num)s card must be printed anew", "%(num)s cards must be printed anew", len(anew))
        yield Need(text, url_for("cards.to_print", org_uid=org_uid))
    if cardless - anew:
        text = ngettext("%(num)s child without a card", "%(num)s children without a card", len(cardless - anew))
        yield Need(text, url_for("people.everybody", org_uid=org_uid, without_card=1))


def _classes(session: Session, org_uid: str, day: str, rows: Sequence[roster.GroupRow]) -> Iterable[Need]:
    for row in rows:
        if row.children and not row.courses:
            yield Need(
                gettext("%(name)s takes no course yet", name=row.name), url_for("school.group", group_uid=row.group.uid)
            )
    coming = [weeks.shifted(day, number) for number in range(DAYS_AHEAD)]
    calendar = calendars.find(session, org_uid)
    if not any(calendars.is_school_day(calendar, at) for at in coming):
        return
    planned = set(session.scalars(
        select(PlanRow.group_uid).where(
            PlanRow.org_uid == org_uid, PlanRow.dropped_on.is_(None), PlanRow.day.between(coming[0], coming[-1])
        )
    ))  # fmt: skip
    for row in rows:
        if row.children and row.courses and row.group.uid not in planned:
            yield Need(
                gettext("%(name)s has no plan for the coming week", name=row.name),
                url_for("planning.week", group_uid=row.group.uid, day=day),
            )


def _boxes(session: Session, org_uid: str) -> Iterable[Need]:
    in_use = (Node.org_uid == org_uid, Node.revoked_on.is_(None), Node.ended_on.is_(None))
    nodes = session.scalars(select(Node).where(*in_use).order_by(Node.name))
    for node in nodes:
        contact = session.get(NodeContact, node.uid)
        address = url_for("school_boxes.one", org_uid=org_uid, node_uid=node.uid)
        silent_ms = clock.now_ms() - contact.last_ms if contact is not None else 0
        if silent_ms > box_states.SILENT_MS:
            days = silent_ms // DAY_MS
            yield Need(
                ngettext("The box %(name)s has been silent for %(num)s day",
                         "The box %(name)s has been silent for %(num)s days", days, name=node.name), address,
            )  # fmt: skip
        if contact is not None and contact.disk_full_ms is not None:
            yield Need(gettext("The disk of the box %(name)s is full", name=node.name), address)


def _this_box(session: Session) -> Iterable[Need]:
    disk = shutil.disk_usage(guard.here().settings.data_dir)
    if disk.free < NEARLY_FULL * disk.total:
        free = shown.megabytes(disk.free)
        yield Need(gettext("The disk of this box is nearly full: %(free)s are free", free=free), url_for("box.status"))
    silent_ms = schedule_clock.silent_ms(session, guard.here().steady) or 0
    if silent_ms > box_states.SILENT_MS:
        days = silent_ms // DAY_MS
        yield Need(
            ngettext("The county has not been reached for %(num)s day", "The county has not been reached for %(num)s days", days),
            url_for("box.status"),
        )


def _recordings(session: Session, org_uid: str) -> Iterable[Need]:
    """Lessons of the school whose recording was refused, or could not be prepared."""
    used = (
        select(Lesson, Source)
        .join(Course, Course.uid == Lesson.course_uid)
        .join(LessonSource, LessonSource.lesson_uid == Lesson.uid)
        .join(Source, Source.uid == LessonSource.source_uid)
        .where(Course.org_uid == org_uid, LessonSource.replaced_on.is_(None))
        .order_by(Lesson.uid)
    )
    failed = select(LadderStep.source_uid).where(LadderStep.state == "failed", LadderStep.name == "floor")
    wrong = used.where((Source.state == "refused") | Source.uid.in_(failed))
    lessons = {lesson.uid: lesson for lesson, _source in session.execute(wrong)}
    for lesson in list(lessons.values())[:MOST_LINES]:
        title = shown.plain(lesson.titles, lesson.language)
        yield Need(
            gettext("The recording of '%(title)s' could not be used", title=title),
            url_for("teaching.lesson", lesson_uid=lesson.uid),
        )
    if len(lessons) > MOST_LINES:
        left = len(lessons) - MOST_LINES
        yield Need(
            ngettext("%(num)s more recording could not be used", "%(num)s more recordings could not be used", left),
            url_for("teaching.home"),
        )
