"""A school's time: its zone, its current school year, terms and class hours.

The school year is a row that a person moves on, never computed from a clock: a box whose
clock is wrong must not promote a class.
"""

import re
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.errors import BadInput, NotFound
from eduhub.schools.models import SchoolCalendar

TIME_ZONE = "Asia/Shanghai"
FIRST_MONTH = 9  # of the school year
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
# A village school's usual day; the sun is two hours behind Beijing's time there.
CLASS_HOURS = [
    {"period": 1, "starts": "09:30", "ends": "10:10"},
    {"period": 2, "starts": "10:20", "ends": "11:00"},
    {"period": 3, "starts": "11:20", "ends": "12:00"},
    {"period": 4, "starts": "12:10", "ends": "12:50"},
    {"period": 5, "starts": "15:30", "ends": "16:10"},
    {"period": 6, "starts": "16:20", "ends": "17:00"},
    {"period": 7, "starts": "17:20", "ends": "18:00"},
]


def start(session: Session, org_uid: str) -> SchoolCalendar:
    """The calendar of a new school: this school year with its two terms, the usual hours. The school can change it."""
    year = year_of(clock.today(TIME_ZONE))
    terms = [
        {"name": "1", "starts_on": f"{year}-09-01", "ends_on": f"{year + 1}-01-15"},
        {"name": "2", "starts_on": f"{year + 1}-03-01", "ends_on": f"{year + 1}-07-15"},
    ]
    made = SchoolCalendar(
        uid=org_uid, org_uid=org_uid, current_school_year=year, terms=terms, class_hours=[dict(row) for row in CLASS_HOURS]
    )
    session.add(made)
    session.flush()
    return made


def find(session: Session, org_uid: str) -> SchoolCalendar | None:
    """A school's calendar; None for a region, and before it has arrived."""
    return session.get(SchoolCalendar, org_uid)


def get(session: Session, org_uid: str) -> SchoolCalendar:
    """A school's calendar; raises NotFound."""
    found = find(session, org_uid)
    if found is None:
        raise NotFound("no such calendar")
    return found


def zone_of(session: Session, org_uid: str | None) -> str:
    """A school's time zone; the usual one where it has no calendar, or names a zone that this machine does not know."""
    calendar = find(session, org_uid) if org_uid else None
    return known_zone(calendar.time_zone if calendar is not None else None)


def known_zone(name: str | None) -> str:
    """That zone, or the usual one: a calendar can come from a machine whose list of zones is newer."""
    return name if name is not None and _is_known(name) else TIME_ZONE


def _is_known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def year_of(day: str) -> int:
    """The school year that a day falls into, by the year in which it began."""
    at = date.fromisoformat(day)
    return at.year if at.month >= FIRST_MONTH else at.year - 1


def is_school_day(calendar: SchoolCalendar | None, day: str) -> bool:
    """Whether a day lies in one of the school's terms; every day does where no terms are known."""
    terms = calendar.terms if calendar is not None else []
    spans = [(term.get("starts_on"), term.get("ends_on")) for term in terms if isinstance(term, dict)]
    known = [(first, last) for first, last in spans if isinstance(first, str) and isinstance(last, str)]
    return not known or any(first <= day <= last for first, last in known)


def hours_of(calendar: SchoolCalendar | None) -> dict[int, tuple[str, str]]:
    """When each period begins and ends; the usual hours where the school's own are not known."""
    hours: list[Any] = calendar.class_hours if calendar is not None and calendar.class_hours else CLASS_HOURS
    return {
        hour["period"]: (str(hour["starts"]), str(hour["ends"]))
        for hour in hours  # from another machine, which may have let anything through
        if isinstance(hour, dict) and isinstance(hour.get("period"), int) and {"starts", "ends"} <= hour.keys()
    }


def move_to_year(calendar: SchoolCalendar, year: int) -> None:
    """Begin a school year: cohorts are named by it from now on. Raises BadInput."""
    if not 1990 <= year <= 2200:
        raise BadInput("not a school year")
    calendar.current_school_year = year


def set_time_zone(calendar: SchoolCalendar, name: str) -> None:
    """Raises BadInput for a zone that is not in the zone table."""
    if not _is_known(name):
        raise BadInput("no such time zone")
    calendar.time_zone = name


def set_terms(calendar: SchoolCalendar, terms: list[dict[str, str]]) -> None:
    """Terms as [{"name", "starts_on", "ends_on"}], one after another. Raises BadInput."""
    before = ""
    for term in terms:
        if set(term) != {"name", "starts_on", "ends_on"} or not term["name"].strip() or len(term["name"]) > 60:
            raise BadInput("a term has a name, a first and a last day")
        if not before < clock.check_day(term["starts_on"]) < clock.check_day(term["ends_on"]):
            raise BadInput("terms follow one another")
        before = term["ends_on"]
    calendar.terms = [dict(term) for term in terms]


def set_class_hours(calendar: SchoolCalendar, hours: list[dict[str, Any]]) -> None:
    """Class hours as [{"period", "starts", "ends"}], one after another. Raises BadInput."""
    before = ""
    for number, hour in enumerate(hours, start=1):
        if set(hour) != {"period", "starts", "ends"} or hour["period"] != number:
            raise BadInput("class hours are numbered from 1")
        if not all(isinstance(hour[key], str) and _TIME.fullmatch(hour[key]) for key in ("starts", "ends")):
            raise BadInput("a time of day looks like 09:30")
        if not before <= hour["starts"] < hour["ends"]:
            raise BadInput("class hours follow one another")
        before = hour["ends"]
    calendar.class_hours = [dict(hour) for hour in hours]
