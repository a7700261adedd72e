"""Who did what, when: the list for the operator, and each school's own for its admin.

The entries hold uids. A name is shown only of people whose roster the reader may open: the school's own people, and for
the operator everybody; of others the page says that they are not of the school.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts import audit
from eduhub.accounts.audit import Wanted
from eduhub.accounts.models import AuditEntry, Person
from eduhub.courses.models import Course, Lesson
from eduhub.http import caches
from eduhub.schools import calendars, organisations
from eduhub.schools.models import Group, Organisation
from eduhub.web import shown
from eduhub.web.edge import PAGE_ROWS, Page, reading, row_of
from eduhub.web.forms import pairs
from eduhub.web.operator.audit_words import word_of
from eduhub.web.rights import OVERSEES, SCHOOL, organisations_overseen

bp = Blueprint("auditing", __name__)
hub_bp = Blueprint("auditing_hub", __name__)


@dataclass(frozen=True)
class Line:
    """One entry in words."""

    when: str
    what: str
    by: str
    about: str
    organisation: str


@bp.get("/schools/<org_uid>/audit")
@guard.allow(SCHOOL)
@caches("no-store")
def school(org_uid: str) -> ResponseReturnValue:
    """Who did what at the school; `?action=` and `?day=` ask for some of it."""
    with reading() as session:
        found = row_of(session, Organisation, org_uid)
        return _list(session, [org_uid], calendars.zone_of(session, org_uid), found)


@hub_bp.get("/operator/audit")
@guard.allow(OVERSEES)
@caches("no-store")
def home() -> ResponseReturnValue:
    """Who did what, everywhere; for the operator of a region at its schools."""
    with reading() as session:
        seen = None if guard.viewer().is_operator else [org.uid for org in organisations_overseen(session)]
        return _list(session, seen, guard.here().settings.time_zone, None)


def _list(session: Session, org_uids: Sequence[str] | None, zone: str, found: Organisation | None) -> ResponseReturnValue:
    action, day = request.args.get("action", ""), request.args.get("day", "")
    since_ms, until_ms = _day(day, zone)
    wanted = Wanted(org_uids, action, since_ms, until_ms)
    count = audit.count(session, wanted)
    last = max(1, -(-count // PAGE_ROWS))
    number = min(max(request.args.get("page", 1, type=int), 1), last)
    entries = audit.page(session, wanted, limit=PAGE_ROWS, skip=(number - 1) * PAGE_ROWS)
    names = _Names(session, org_uids)
    lines = [names.line(entry, zone) for entry in entries]
    words = sorted(((name, word_of(name)) for name in audit.actions(session, org_uids)), key=lambda pair: pair[1])
    return render_template(
        "school/audit.html", school=found, page=Page(lines, number, last, count), action=action, day=day,
        actions=pairs(words), also=shown.also({"action": action, "day": day}),
    )


def _day(text: str, zone: str) -> tuple[int | None, int | None]:
    """The first instant of a day and of the next one; nothing for what is no day."""
    try:
        asked = date.fromisoformat(text)
        begins = [datetime(one.year, one.month, one.day, tzinfo=ZoneInfo(zone)) for one in (asked, asked + timedelta(1))]
        return int(begins[0].timestamp() * 1000), int(begins[1].timestamp() * 1000)
    except (ValueError, OverflowError):
        return None, None


class _Names:
    """Names for one page, each looked up once; `seen`: whose people may be named (None: everybody's)."""

    def __init__(self, session: Session, seen: Sequence[str] | None) -> None:
        self._session = session
        self._seen = None if seen is None else {uid for one in seen for uid in organisations.path(session, one)}
        self._known: dict[str, str] = {}

    def line(self, entry: AuditEntry, zone: str) -> Line:
        """An entry in words."""
        by = self._name(entry.by_uid) if entry.by_uid else gettext("the system")
        about = self._name(entry.subject_uid) if entry.subject_uid and entry.subject_uid != entry.by_uid else ""
        organisation = self._name(entry.org_uid) if entry.org_uid else ""
        return Line(shown.when_there(entry.at_ms, zone), word_of(entry.action), by, "" if about == organisation else about, organisation)

    def _name(self, uid: str) -> str:
        if uid not in self._known:
            self._known[uid] = self._look_up(uid)
        return self._known[uid]

    def _look_up(self, uid: str) -> str:
        person = self._session.get(Person, uid)
        if person is not None:
            is_seen = self._seen is None or person.org_uid in self._seen
            return person.name if is_seen else gettext("somebody who is not of the school")
        lesson = self._session.get(Lesson, uid)
        if lesson is not None:
            return shown.plain(lesson.titles, lesson.language)
        course = self._session.get(Course, uid)
        if course is not None:
            return shown.plain(course.titles)
        found = self._session.get(Organisation, uid) or self._session.get(Group, uid)
        return shown.plain(found.names) if found is not None and found.names else ""
