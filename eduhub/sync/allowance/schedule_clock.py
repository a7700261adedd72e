"""A box's schedule clock: the last signed hub time, plus the seconds this machine ran since.

It never goes by the box's own wall clock. Before the first signed time it is unknown: then windows
count as open and nothing is decided by the day. Seconds in which the box was switched off are
missing, so after a power cut it runs late until the next contact; it never runs ahead.

This module must not know who needs the time.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.clock import SteadyClock
from eduhub.sync.models import Upstream

# Asked by nearly every page.
_KNOWN = (
    select(Upstream.hub_time_ms, Upstream.hub_time_steady_s)
    .where(Upstream.hub_time_ms.is_not(None))
    .order_by(Upstream.priority)
    .limit(1)
)


def now_ms(session: Session, steady: SteadyClock) -> int | None:
    """The schedule clock as Unix milliseconds; None while it is unknown."""
    return look(session, steady)[0]


def silent_ms(session: Session, steady: SteadyClock) -> int | None:
    """How long this machine has run since the hub last told the time, in ms; None before the first. No wall clock has a part in it."""
    return look(session, steady)[1]


def look(session: Session, steady: SteadyClock) -> tuple[int | None, int | None]:
    """What `now_ms` and `silent_ms` say of one moment, in one question."""
    known = session.execute(_KNOWN).first()
    if known is None or known.hub_time_steady_s is None:
        return None, None
    passed_ms = (steady.now_s() - int(known.hub_time_steady_s)) * 1000
    return int(known.hub_time_ms) + int(passed_ms), max(0, round(passed_ms))


def day(time_zone: str, at_ms: int | None) -> str | None:
    """The ISO day of a schedule time in a school's time zone; None while it is unknown."""
    return None if at_ms is None else clock.day_of(at_ms, time_zone)
