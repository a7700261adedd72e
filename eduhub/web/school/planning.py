"""The plan of the week: one page a class, a grid of days and periods, a list on a phone.

A form says where it saw the lesson that it moves: who comes second is told, and undoes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import HiddenField, SelectField

from eduhub import guard
from eduhub.courses import plan, weeks
from eduhub.courses.models import Course, Lesson, PlanRow
from eduhub.errors import BadInput, NotFound, PlanChanged
from eduhub.http import caches
from eduhub.schools import calendars
from eduhub.schools.models import Group, Organisation, SchoolCalendar
from eduhub.web import shown
from eduhub.web.edge import note, reading, row_of, today
from eduhub.web.forms import Form, pairs, sentence
from eduhub.web.rights import GROUP, PLAN_ROW
from eduhub.web.school import history, roster

bp = Blueprint("planning", __name__)
SCHOOL_DAYS = 5  # a Saturday or a Sunday is shown when something is planned on it, or when it is asked for


class SlotForm(Form):
    """A lesson and a slot of the week for it."""

    lesson_uid = SelectField(lazy_gettext("Lesson"))
    day = SelectField(lazy_gettext("Day"))
    period = SelectField(lazy_gettext("Period"))
    seen = HiddenField()  # where the lesson stood when the form was made
    of = HiddenField()  # the day whose week the page showed

    @property
    def slot(self) -> plan.Slot:
        """The day and the period that were chosen."""
        period = int(self.period.data) if self.period.data and self.day.data else None
        return self.day.data or None, period


@dataclass(frozen=True)
class Line:
    """A planned lesson. `lesson` is None where its row has not come here yet."""

    row: PlanRow
    lesson: Lesson | None

    @property
    def seen(self) -> str:
        """Its slot, as a form carries it."""
        return seen_text((self.row.day, self.row.period))


@dataclass(frozen=True)
class Cell:
    """One slot of the week; without a period: some time that day."""

    period: int | None
    lines: Sequence[Line]


@dataclass(frozen=True)
class DayRow:
    """One day of the week."""

    day: str
    word: str
    is_today: bool
    is_school_day: bool
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Week:
    """A week of one class, as the page shows it."""

    days: Sequence[DayRow]
    periods: Mapping[int, tuple[str, str]]
    some_time: bool  # whether anything is planned for a day without a period
    following: Sequence[Line]  # what is 'next'
    lines: Sequence[Line]


def seen_text(slot: plan.Slot) -> str:
    """A slot as a form carries it: `2026-11-23/3`."""
    return f"{slot[0] or ''}/{slot[1] or ''}"


def seen_slot(text: str | None) -> plan.Slot | None:
    """The slot that a form carries; None when it says nothing."""
    day, found, period = (text or "").partition("/")
    if not found:
        return None
    return day or None, int(period) if period.isdecimal() and len(period) < 3 else None


@bp.get("/groups/<group_uid>/weeks/<day>")
@guard.allow(GROUP)
@caches("no-store")
def week(group_uid: str, day: str) -> ResponseReturnValue:
    """The week that a day lies in; `?period=3` asks for a lesson on that day, `?row=UID` moves one."""
    return _page(group_uid, day, None)


@bp.post("/groups/<group_uid>/weeks/<day>")
@guard.allow(GROUP)
@caches("no-store")
def put(group_uid: str, day: str) -> ResponseReturnValue:
    """Put a lesson into a slot of the week."""
    with reading() as session:
        group = row_of(session, Group, group_uid)
        form = _form(session, group, day, None)
    if not form.validate_on_submit():
        return _page(group_uid, day, form)
    on, period = form.slot
    with history.undoable() as (session, say):
        row = plan.add(session, group_uid=group_uid, lesson_uid=form.lesson_uid.data, day=on, period=period)
        note(session, "plan.add", group.org_uid, row.uid)
        say(group.org_uid, gettext("The lesson is in the plan."))
    return redirect(url_for("planning.week", group_uid=group_uid, day=on or day), 303)


@bp.post("/plan/<plan_uid>/move")
@guard.allow(PLAN_ROW)
@caches("no-store")
def move(plan_uid: str) -> ResponseReturnValue:
    """Put a planned lesson into another slot."""
    with reading() as session:
        row = row_of(session, PlanRow, plan_uid)
        group = row_of(session, Group, row.group_uid)
        day = request.form.get("of") or row.day or today(session, group.org_uid)
        form = _form(session, group, _asked(day), row)
    if not form.validate_on_submit():
        raise BadInput("not a slot of these weeks")
    on, period = form.slot
    try:
        with history.undoable() as (session, say):
            plan.move(session, plan_uid, day=on, period=period, seen=seen_slot(form.seen.data))
            note(session, "plan.move", group.org_uid, plan_uid)
            say(group.org_uid, gettext("The lesson is in its new place."))
    except PlanChanged as error:
        flash(sentence(error), "slow")
    return redirect(url_for("planning.week", group_uid=group.uid, day=on or day), 303)


@bp.post("/plan/<plan_uid>/drop")
@guard.allow(PLAN_ROW)
@caches("no-store")
def drop(plan_uid: str) -> ResponseReturnValue:
    """Take a lesson out of the plan."""
    try:
        with history.undoable() as (session, say):
            row = row_of(session, PlanRow, plan_uid)
            group_uid, day = row.group_uid, today(session, row.org_uid)
            shown_day = request.form.get("of") or row.day or day
            plan.drop(session, plan_uid, day, seen=seen_slot(request.form.get("seen")))
            note(session, "plan.drop", row.org_uid, plan_uid)
            say(row.org_uid, gettext("The lesson is out of the plan."))
    except PlanChanged as error:
        flash(sentence(error), "slow")
    return redirect(url_for("planning.week", group_uid=group_uid, day=shown_day), 303)


@bp.post("/groups/<group_uid>/weeks/<day>/carry-on")
@guard.allow(GROUP)
@caches("no-store")
def carry_on(group_uid: str, day: str) -> ResponseReturnValue:
    """Fill the week's free slots as in the week before: the next lessons, or the same ones."""
    with history.undoable() as (session, say):
        group = row_of(session, Group, group_uid)
        before = weeks.shifted(_asked(day), -weeks.DAYS)
        if request.form.get("how") == "same":
            carried = weeks.repeat(session, group_uid, before, day)
        else:
            carried = weeks.continue_courses(session, group_uid, before, day, today(session, group.org_uid))
        note(session, "plan.carry_on", group.org_uid, group_uid)
        if carried.made:
            say(group.org_uid, _carried_word(carried))
    if not carried.made:
        flash(_carried_word(carried), "slow")
    return redirect(url_for("planning.week", group_uid=group_uid, day=day), 303)


# --- inside -------------------------------------------------------------------------


def _carried_word(carried: weeks.Carried) -> str:
    made = len(carried.made)
    said = str(ngettext("%(num)s lesson is in the plan.", "%(num)s lessons are in the plan.", made))
    if carried.left_out:
        said += " " + ngettext(
            "%(num)s place stayed as it was: taken, no school day, or no lesson left.",
            "%(num)s places stayed as they were: taken, no school day, or no lesson left.", carried.left_out,
        )
    return said


def _asked(day: str) -> str:
    try:
        return weeks.days_of(day)[0] and day
    except BadInput as error:
        raise NotFound("no such day in the address") from error


def _page(group_uid: str, day: str, form: SlotForm | None) -> ResponseReturnValue:
    with reading() as session:
        group = row_of(session, Group, group_uid)
        school = row_of(session, Organisation, group.org_uid)
        now = today(session, group.org_uid)
        found = _week(session, group, _asked(day), now)
        monday = weeks.days_of(day)[0]
        before = weeks.shifted(monday, -weeks.DAYS)
        moved = _moved(session, group) if form is None else None
        asks = form is not None or request.args.get("period") is not None
        filled = bool([row for row in plan.for_group(session, group_uid, before, weeks.shifted(monday, -1)) if row.day])
        page = render_template(
            "school/week.html", group=group, school=school, name=roster.group_name(session, group), week=found, day=day,
            monday=monday, before=before, after=weeks.shifted(monday, weeks.DAYS), this_week=weeks.days_of(now)[0],
            filled_before=filled, form=form or _form(session, group, day, moved), moved=moved, asks=asks,
            title=_week_title(monday),
        )
    return page, 400 if form is not None and form.errors else 200


def _week_title(monday: str) -> str:
    first, last = shown.day(monday), shown.day(weeks.shifted(monday, weeks.DAYS - 1))
    return str(gettext("%(first)s to %(last)s", first=first, last=last))


def _moved(session: Session, group: Group) -> PlanRow | None:
    uid = request.args.get("row")
    if not uid:
        return None
    row = row_of(session, PlanRow, uid, org_uid=group.org_uid)
    return row if row.group_uid == group.uid and row.dropped_on is None else None


def _week(session: Session, group: Group, day: str, now: str) -> Week:
    days = weeks.days_of(day)
    calendar = calendars.find(session, group.org_uid)
    rows = plan.for_group(session, group.uid, days[0], days[-1])
    found = session.scalars(select(Lesson).where(Lesson.uid.in_([row.lesson_uid for row in rows])))
    lessons = {lesson.uid: lesson for lesson in found}
    lines = [Line(row, lessons.get(row.lesson_uid)) for row in rows]
    periods = _periods(calendar, lines)
    some_time = any(line.row.day and line.row.period is None for line in lines)
    return Week(
        [_day_row(at, now, day, calendar, periods, lines) for at in _shown_days(days, day, lines)], periods, some_time,
        [line for line in lines if line.row.day is None], lines,
    )


def _shown_days(days: Sequence[str], asked: str, lines: Sequence[Line]) -> list[str]:
    used = {line.row.day for line in lines}
    return [at for number, at in enumerate(days) if number < SCHOOL_DAYS or at in used or at == asked]


def _periods(calendar: SchoolCalendar | None, lines: Sequence[Line]) -> dict[int, tuple[str, str]]:
    hours = calendars.hours_of(calendar)
    used = {line.row.period: ("", "") for line in lines if line.row.period is not None}
    return dict(sorted((used | hours).items()))


def _day_row(
    at: str, now: str, asked: str, calendar: SchoolCalendar | None, periods: Mapping[int, tuple[str, str]],
    lines: Sequence[Line],
) -> DayRow:  # fmt: skip
    of_day = [line for line in lines if line.row.day == at]
    cells = [Cell(period, [line for line in of_day if line.row.period == period]) for period in (*periods, None)]
    return DayRow(at, shown.week_day(at), at == now, calendars.is_school_day(calendar, at), cells)


def _form(session: Session, group: Group, day: str, moved: PlanRow | None) -> SlotForm:
    now = today(session, group.org_uid)
    lessons = weeks.lessons_of_group(session, group.uid, now)
    planned = weeks.last_planned(session, group.uid)
    fresh = next((lesson.uid for lesson in lessons if lesson.uid not in planned), None)
    period = request.args.get("period", "")
    form = SlotForm(
        lesson_uid=fresh, day=moved.day or "" if moved else _asked(day), of=day,
        period=str(moved.period or "") if moved else period, seen=seen_text((moved.day, moved.period)) if moved else "",
    )
    if moved is not None:
        del form.lesson_uid  # it is moved, not exchanged for another
    else:
        form.lesson_uid.choices = _choices(session, lessons, planned)
    calendar = calendars.find(session, group.org_uid)
    days = [(at, shown.week_day(at)) for at in weeks.days_of(day)]
    if moved is not None:  # a week further, too
        days += [(at, shown.week_day(at)) for at in weeks.days_of(weeks.shifted(day, weeks.DAYS))]
    form.day.choices = pairs([*days, ("", gettext("next, without a day"))])
    hours = calendars.hours_of(calendar)
    numbers = range(1, max([*hours, moved.period or 1 if moved else 1, _number(period)]) + 1)
    words = [(str(number), _period_word(number, hours.get(number))) for number in numbers]
    form.period.choices = pairs([("", gettext("some time that day")), *words])
    return form


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 3 and int(text) <= plan.MAX_PERIOD else 1


def _period_word(number: int, hours: tuple[str, str] | None) -> str:
    word = str(gettext("period %(number)s", number=number))
    return f"{word}, {hours[0]}" if hours and hours[0] else word


def _choices(
    session: Session, lessons: Sequence[Lesson], planned: Mapping[str, str]
) -> dict[str, list[tuple[str, str]]]:
    """The lessons under their courses; what is planned already says when."""
    courses = {course.uid: course for course in session.scalars(
        select(Course).where(Course.uid.in_({lesson.course_uid for lesson in lessons}))
    )}  # fmt: skip
    choices: dict[str, list[tuple[str, str]]] = {}
    for lesson in lessons:
        course = courses.get(lesson.course_uid)
        title = shown.plain(lesson.titles, lesson.language)
        if lesson.uid in planned:
            title += f" ({_planned_word(planned[lesson.uid])})"
        choices.setdefault(shown.plain(course.titles) if course else "", []).append((lesson.uid, title))
    return choices


def _planned_word(day: str) -> str:
    return str(gettext("planned: %(day)s", day=shown.day(day)) if day else gettext("planned: next"))
