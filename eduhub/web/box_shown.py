"""What the page of a school's box says: the sentence about tomorrow, what is missing, the link of today, disk and battery.

Sentences are chosen here and not in the template, because each is true in one case alone. This module must not know routes.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.sync.allowance import traffic
from eduhub.sync.allowance.allowing import Standing
from eduhub.sync.releases import state as release_state
from eduhub.sync.status import battery, inflow, readiness
from eduhub.sync.status.battery import Battery
from eduhub.sync.status.forecast import Inflow
from eduhub.sync.status.readiness import MISSING, NEXT, DayReady, Readiness
from eduhub.web import coming, plots, shown
from eduhub.web.states import State

HOURS = 24
MOST_MISSING = 50  # the soonest; how many more there are is said


@dataclass(frozen=True)
class MissingRow:
    """A lesson that is to come and cannot be watched yet."""

    lesson: Lesson
    when: str  # for which it is planned
    size: int | None  # bytes until it can be watched; None: not known
    comes: str
    is_first: bool  # somebody wants it now, before all others


@dataclass(frozen=True)
class DayRow:
    """One of the coming days."""

    day: str
    state: State
    here: int
    all: int


@dataclass(frozen=True)
class LinkToday:
    """What the link brought and took today, by hour."""

    path: str
    rows: Sequence[tuple[str, int]]  # hour, bytes; only hours with some
    today: int
    month: int
    saved: int  # that came from a neighbour or a stick this month
    top: int


@dataclass(frozen=True)
class BoxPage:
    """Everything that stands on the page but for what other rooms know."""

    heading: str
    knows_the_day: bool
    missing: Sequence[MissingRow]
    more_missing: int
    days: Sequence[DayRow]
    rate: float | None


def page_of(session: Session, now: Standing) -> BoxPage:
    """What is known at this moment."""
    here = inflow.of_box(session, now)
    ready = readiness.at_box(session, now, here)
    missing = ready.missing
    return BoxPage(
        heading(ready), ready.today is not None, _missing(session, ready, here, now.at_ms),
        max(0, len(missing) - MOST_MISSING), [day_row(ready, day) for day in ready.days if day.lessons], here.bytes_s,
    )  # fmt: skip


def heading(ready: Readiness) -> str:
    """The one sentence that a school asks for."""
    if not any(day.lessons for day in ready.days):
        return str(gettext("Nothing is planned for the coming days."))
    missing = len(ready.missing)
    if ready.today is None:
        if not missing:
            return str(gettext("Every planned lesson is here"))
        return str(ngettext("%(num)s planned lesson is not here yet", "%(num)s planned lessons are not here yet", missing))
    for day in (ready.today, ready.coming):
        found = ready.of(day)
        lacking = found.count(MISSING) if found is not None else 0
        if lacking and day is not None:
            when = shown.near_day(day, ready.today)
            return str(ngettext(
                "%(num)s lesson for %(day)s is not here yet", "%(num)s lessons for %(day)s are not here yet", lacking, day=when
            ))
    if missing:
        return str(ngettext(
            "%(num)s lesson for the coming days is still on its way", "%(num)s lessons for the coming days are still on their way", missing
        ))
    soonest = ready.of(ready.coming)
    if soonest is not None and soonest.lessons and ready.coming is not None:
        return str(gettext("Everything for %(day)s is here", day=shown.near_day(ready.coming, ready.today)))
    return str(gettext("Everything for the coming days is here"))


def day_row(ready: Readiness, day: DayReady) -> DayRow:
    """One day in a row: how many of its lessons can be watched, and what is wrong with the others."""
    here = sum(lesson.can_be_watched for lesson in day.lessons)
    name = shown.near_day(day.day, ready.today or day.day) if day.day != NEXT else str(gettext("next"))
    return DayRow(name, lamp_state(day.lamp, day.counts), here, len(day.lessons))


def lamp_state(lamp: str, counts: Sequence[int]) -> State:
    """A lamp with what it means in words: never the colour alone."""
    missing, taken_back, unpublished = (counts[readiness.STATES.index(name)] for name in readiness.STATES[2:])
    words = [
        ngettext("%(num)s to come", "%(num)s to come", missing) if missing else "",
        ngettext("%(num)s taken back", "%(num)s taken back", taken_back) if taken_back else "",
        ngettext("%(num)s not published", "%(num)s not published", unpublished) if unpublished else "",
    ]
    told = ", ".join(word for word in words if word)
    if lamp == readiness.GREEN:
        return State(str(gettext("all here")), "done", "good")
    if lamp == readiness.NOTHING:
        return State(str(gettext("nothing planned")), "draft")
    if lamp == readiness.UNKNOWN:
        return State(told or str(gettext("not known")), "wait", "slow")
    return State(told, "no" if lamp == readiness.RED else "wait", "bad" if lamp == readiness.RED else "slow")


def _missing(session: Session, ready: Readiness, here: Inflow, at_ms: int | None) -> list[MissingRow]:
    rows = ready.missing[:MOST_MISSING]
    lessons = {row.uid: row for row in session.scalars(select(Lesson).where(Lesson.uid.in_([row.lesson_uid for row in rows])))}
    days: dict[str, str] = {}
    for day in ready.days:
        for lesson in day.lessons:
            days.setdefault(lesson.lesson_uid, day.day)
    return [
        MissingRow(
            lessons[row.lesson_uid], _planned_for(days.get(row.lesson_uid, NEXT), ready.today), row.held.floor_left,
            coming.word(row.in_s, at_ms, here.zone), row.lesson_uid in ready.wished,
        )
        for row in rows if row.lesson_uid in lessons
    ]  # fmt: skip


def _planned_for(day: str, today: str | None) -> str:
    return shown.near_day(day, today) if day != NEXT and today is not None else str(gettext("next"))


def link_today(session: Session, installation: Installation, now: Standing) -> LinkToday:
    """The traffic of this day and month of the school, by the clock by which bytes are booked."""
    at_ms, zone = int(installation.steady.now_s() * 1000) if now.at_ms is None else now.at_ms, now.time_zone
    midnight, month = traffic.day_begins_ms(at_ms, zone), traffic.month_begins_ms(at_ms, zone)
    by_hour = [0] * HOURS
    for row in traffic.by_hour(session, midnight, traffic.LINK):
        at = min(HOURS - 1, max(0, (row.hour_ms - midnight) // traffic.HOUR_MS))
        by_hour[at] += row.moved.down + row.moved.up
    top = max(by_hour)
    return LinkToday(
        plots.bars(by_hour, top), [(_hour(midnight, at, zone), count) for at, count in enumerate(by_hour) if count], sum(by_hour),
        now.used.month, traffic.used(session, month, traffic.NEIGHBOUR, traffic.STICK), top,
    )  # fmt: skip


def _hour(midnight_ms: int, at: int, zone: str) -> str:
    return f"{clock.local(midnight_ms + at * traffic.HOUR_MS, zone):%H:%M}"


def machine(installation: Installation) -> tuple[int, int, Battery | None]:
    """Bytes free and in all of the disk, and the battery where there is one."""
    disk = shutil.disk_usage(installation.settings.data_dir)
    return disk.free, disk.total, battery.read(battery.FOLDER)


def update_state(found: release_state.State) -> State | None:
    """How far the box is with another version, in words; None where none is offered."""
    version = found.offered or ""
    unfit = {
        "step": gettext("version %(version)s can only be put in after another one", version=version),
        "refused": gettext("version %(version)s was refused: the box cannot read it, or cannot tell that it is genuine", version=version),
    }
    words = {
        release_state.COMING: State(gettext("version %(version)s is coming, %(size)s of it are missing", version=version, size=shown.megabytes(found.bytes_left)), "wait", "slow"),
        release_state.READY: State(gettext("version %(version)s is here and is put in when school is over", version=version), "done", "good"),
        release_state.FAILED: State(gettext("version %(version)s did not work; the box goes on with the one before", version=version), "no", "bad"),
        release_state.BY_HAND: State(gettext("version %(version)s is here and is to be put in by hand", version=version), "wait", "slow"),
        release_state.UNFIT: State(
            unfit.get(found.why or "", gettext("version %(version)s was not made for a box like this one", version=version)), "no", "bad"
        ),
    }  # fmt: skip
    return words.get(found.stage)
