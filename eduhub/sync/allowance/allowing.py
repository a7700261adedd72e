"""Node: whether parts may be fetched at this moment, and how fast: the school's rules, its hours, and what was used.

Asked between any two pieces, so it looks into the database only every few seconds. It also notices that the plan, a wish or
the rules have changed: then the order is another, and the round begins anew.

The rules themselves are `policies`, the judgement is `budgets`. This module must not know connections or files.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.changes import Change
from eduhub.errors import BadInput
from eduhub.installation import Installation
from eduhub.schools import calendars
from eduhub.schools.models import SchoolCalendar
from eduhub.sync.allowance import budgets, policies, schedule_clock, traffic, wishes
from eduhub.sync.allowance.budgets import Limits, Used, Verdict, Window
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.allowance.policies import Rules
from eduhub.sync.boxes import joining
from eduhub.sync.models import Node, Upstream

LOOKED_EVERY_S = 10.0
_DAY_MS, _MONTH_MS = 86_400_000, 30 * 86_400_000
# What the order of lessons hangs on.
_ORDER = ("plan_row", "group_course", "site_policy", "course_policy")


class MustStop(Exception):
    """Nothing may come any more, not even what was asked for: a class has begun."""


@dataclass(frozen=True)
class Standing:
    """What the database says at a moment."""

    limits: Limits
    class_hours: tuple[Window, ...]
    time_zone: str
    at_ms: int | None  # of the schedule clock
    used: Used
    silent_ms: int | None  # since the hub told the time
    upstream: Upstream | None  # its hub; None before it joined
    node: Node | None  # this box; the same
    rules: Rules
    calendar: SchoolCalendar | None

    @property
    def org_uid(self) -> str | None:
        """The school of this box."""
        return self.node.org_uid if self.node is not None else None


def standing(session: Session, installation: Installation) -> Standing:
    """The limits of this box's site, the class hours of the day, and what has been used; six questions. Ask once and hand it on."""
    upstream, node = joining.own(session)
    rules = policies.of_site(session, node.site_uid if node is not None else None, installation.settings.sync_window)
    calendar = calendars.find(session, node.org_uid) if node is not None else None
    zone = calendars.known_zone(calendar.time_zone if calendar is not None else None)
    at_ms, silent_ms = schedule_clock.look(session, installation.steady)
    used = _used(session, installation, zone, at_ms)
    return Standing(rules.limits, _class_hours_now(calendar, zone, at_ms), zone, at_ms, used, silent_ms, upstream, node, rules, calendar)


def verdict(now: Standing, more: int = 0) -> Verdict:
    """What holds; `more` bytes are used beyond what is written down."""
    used = Used(now.used.day + more, now.used.month + more)
    return budgets.judge(now.limits, now.class_hours, budgets.minute_of_day(now.time_zone, now.at_ms), used)


def _class_hours_now(calendar: SchoolCalendar | None, zone: str, at_ms: int | None) -> tuple[Window, ...]:
    """Those of the day; none while the day is unknown. A calendar says no days of the week: every day of a term has them."""
    day = schedule_clock.day(zone, at_ms)
    return class_hours(calendar) if day is not None and calendars.is_school_day(calendar, day) else ()


def class_hours(calendar: SchoolCalendar | None) -> tuple[Window, ...]:
    """The class hours of a school day; none without a calendar."""
    found: list[Window] = []
    for begins, ends in calendars.hours_of(calendar).values() if calendar is not None else ():
        try:
            found += budgets.parse_windows(f"{begins}-{ends}")
        except BadInput:  # of a machine that lets anything through
            continue
    return tuple(found)


def _used(session: Session, installation: Installation, zone: str, at_ms: int | None) -> Used:
    if at_ms is None:
        now_ms = int(installation.steady.now_s() * 1000)  # a day is one of running time
        return Used(*traffic.used_of_both(session, now_ms - _DAY_MS, now_ms - _MONTH_MS))
    return Used(*traffic.used_of_both(session, traffic.day_begins_ms(at_ms, zone), traffic.month_begins_ms(at_ms, zone)))


class Budget:
    """The same for a round that goes on for hours."""

    def __init__(self, installation: Installation, ledger: Ledger, now_s: Callable[[], float] | None = None) -> None:
        self._installation, self._ledger, self._now_s = installation, ledger, now_s or clock.monotonic_s
        with installation.database.read() as session:
            self._order = _order(session, 0)
        self._look()

    @property
    def order_has_changed(self) -> bool:
        """Whether something else comes first since this was made."""
        return self._other_order

    def verdict(self) -> Verdict:
        """What holds now, with what is on its way and not written down yet."""
        if self._now_s() - self._looked_s >= LOOKED_EVERY_S:
            self._look()
        now = self._standing
        at_ms = None if now.at_ms is None else now.at_ms + round((self._now_s() - self._looked_s) * 1000)
        return verdict(replace(now, at_ms=at_ms), self._ledger.waiting() + self._ledger.coming())

    def ceiling_kbit_s(self) -> float | None:
        """How fast may be read at this moment."""
        ceiling = self.verdict().ceiling_kbit_s
        return None if ceiling is None else float(ceiling)

    def turn(self) -> None:
        """Raises MustStop when what was asked for may not come either."""
        if self.verdict().ceiling_kbit_s == 0:
            raise MustStop

    def _look(self) -> None:
        self._looked_s = self._now_s()
        self._ledger.book()  # what it holds would else be missing from the day's sum, or be in it twice
        with self._installation.database.read() as session:
            self._standing = standing(session, self._installation)
            self._other_order = _order(session, self._order[0]) != self._order


def _order(session: Session, since: int) -> tuple[int, tuple[int, int]]:
    """Another one when the order of lessons may be another: the last change of what it hangs on, and the wishes.

    `since`: changes up to there are known; 0: whatever was the last one is."""
    if not since:
        return changes.latest_seq(session), wishes.stamp(session)
    newer = select(Change.seq).where(Change.seq > since, Change.table_name.in_(_ORDER)).order_by(Change.seq.desc()).limit(1)
    return session.scalar(newer) or since, wishes.stamp(session)
