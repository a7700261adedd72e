"""Node: whether this is a moment in which nobody would miss the box for a minute.

School is over, by the schedule clock, and for half an hour nobody has watched or answered anything. Where the schedule
clock is unknown, class hours count as over (decision 17); what the children do is told by running time alone.
This module must not know what waits for it.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.installation import Installation
from eduhub.schools import calendars
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.boxes import joining
from eduhub.sync.models import OutboxRow

NOBODY_FOR_S = 1800
_LESSONS_AROUND_MIN = 30  # children come early and leave late


def now(session: Session, installation: Installation) -> bool:
    """Whether the box can stand still for a minute now."""
    node = joining.own_node(session)
    if node is None:
        return True
    at_ms = schedule_clock.now_ms(session, installation.steady)
    zone = calendars.zone_of(session, node.org_uid)
    calendar = calendars.find(session, node.org_uid)
    hours = calendar.class_hours if calendar is not None else []
    return not (at_ms is not None and in_school_day(hours, zone, at_ms)) and not _somebody_learns(session, installation.steady.now_s())


def in_school_day(class_hours: list[dict[str, object]], zone: str, at_ms: int) -> bool:
    """Whether a moment lies between the first lesson of a day and the last one, or half an hour around them; on any day."""
    texts = [(str(row.get("starts")), str(row.get("ends"))) for row in class_hours if isinstance(row, dict)]
    spans = [(_minutes(starts), _minutes(ends)) for starts, ends in texts]
    known = [(starts, ends) for starts, ends in spans if starts is not None and ends is not None]
    if not known:
        return False
    local = clock.local(at_ms, zone)
    minute = local.hour * 60 + local.minute
    first, last = min(starts for starts, _ends in known), max(ends for _starts, ends in known)
    return first - _LESSONS_AROUND_MIN <= minute < last + _LESSONS_AROUND_MIN


def _minutes(text: str) -> int | None:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes) if hours.isdigit() and minutes.isdigit() else None


def _somebody_learns(session: Session, now_steady_s: float) -> bool:
    lately = select(OutboxRow.sequence).where(
        OutboxRow.made_steady_s > int(now_steady_s) - NOBODY_FOR_S, OutboxRow.kind == "event",
        OutboxRow.body["context"].as_string() != "system",
    )  # fmt: skip
    return session.scalars(lately.limit(1)).first() is not None
