"""The school's terms and the hours of its periods: what the plan of the week calls a holiday, and when a period begins."""

import re
from datetime import date
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import DateField, TextAreaField, validators

from eduhub import guard
from eduhub.errors import BadInput
from eduhub.http import caches
from eduhub.schools import calendars
from eduhub.schools.models import Organisation, SchoolCalendar
from eduhub.web import shown
from eduhub.web.edge import note, reading, row_of
from eduhub.web.forms import Form
from eduhub.web.rights import SCHOOL
from eduhub.web.school import history

bp = Blueprint("school_calendar", __name__)
_HOUR = re.compile(r"\s*(\d{1,2}):(\d{2})\s*[-\u2013\u2014~\uff5e]\s*(\d{1,2}):(\d{2})\s*")


def _day(label: Any) -> DateField:
    return DateField(label, validators=[validators.Optional()])


class CalendarForm(Form):
    """Two terms and the periods of a day."""

    first_begins = _day(lazy_gettext("The first term begins"))
    first_ends = _day(lazy_gettext("The first term ends"))
    second_begins = _day(lazy_gettext("The second term begins"))
    second_ends = _day(lazy_gettext("The second term ends"))
    hours = TextAreaField(lazy_gettext("Periods of a day, one a line"))

    def terms(self) -> list[dict[str, str]]:
        """The terms of which both days were given."""
        pairs = ((self.first_begins.data, self.first_ends.data), (self.second_begins.data, self.second_ends.data))
        return [
            {"name": str(number), "starts_on": begins.isoformat(), "ends_on": ends.isoformat()}
            for number, (begins, ends) in enumerate(pairs, start=1)
            if begins and ends
        ]

    def periods(self) -> list[dict[str, Any]]:
        """The hours that were typed. Raises BadInput."""
        lines = [line for line in (self.hours.data or "").splitlines() if line.strip()]
        found = [_HOUR.fullmatch(line) for line in lines]
        if not found or not all(found):
            raise BadInput("a period looks like 09:30-10:10")
        times = [[f"{int(one[at]):02}:{one[at + 1]}" for at in (1, 3)] for one in found if one]
        return [{"period": number, "starts": starts, "ends": ends} for number, (starts, ends) in enumerate(times, start=1)]


@bp.route("/schools/<org_uid>/calendar", methods=["GET", "POST"])
@guard.allow(SCHOOL)
@caches("no-store")
def edit(org_uid: str) -> ResponseReturnValue:
    """The terms, and the hours of the periods."""
    with reading() as session:
        school = row_of(session, Organisation, org_uid)
        form = CalendarForm(**_values(calendars.get(session, org_uid)))
    if form.validate_on_submit():
        try:
            with history.undoable() as (session, say):
                calendar = row_of(session, SchoolCalendar, org_uid)
                calendars.set_terms(calendar, form.terms())
                calendars.set_class_hours(calendar, form.periods())
                session.flush()
                note(session, "schools.change_calendar", org_uid, org_uid)
                say(org_uid, gettext("Saved."))
            return redirect(url_for("school.home", org_uid=org_uid), 303)
        except BadInput:
            told = gettext("Terms follow one another, and so do periods. A period looks like 09:30-10:10.")
            form.form_errors.append(told)
    page = render_template(
        "school/form.html", form=form, heading=gettext("Terms and periods"), act=gettext("Save"),
        intro=gettext("Days outside the terms are shown as holidays in the plan of the week."),
        where=[(url_for("school.home", org_uid=org_uid), shown.plain(school.names))],
        hints={"hours": gettext("When each begins and ends, for example 09:30-10:10.")},
    )
    return page, 400 if form.errors else 200


def _values(calendar: SchoolCalendar) -> dict[str, Any]:
    names = (("first_begins", "first_ends"), ("second_begins", "second_ends"))
    values: dict[str, Any] = {}
    for (begins, ends), term in zip(names, calendar.terms, strict=False):
        values |= {begins: _as_day(term.get("starts_on")), ends: _as_day(term.get("ends_on"))}
    hours = calendars.hours_of(calendar)
    return values | {"hours": "\n".join(f"{starts}-{ends}" for starts, ends in hours.values())}


def _as_day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):  # from another machine, which may have let anything through
        return None
