"""Node: where the megabytes went: what came and went in each hour, for which lesson, and by which way.

`link` is what a school pays for: every byte that crossed it is here, those of no lesson under ''. `neighbour` and
`stick` are what was saved. Hours are of the schedule clock; while that is unknown, of the steady clock, which cannot
be taken for it: no box has run since 2001. Once it is known they are dated anew.

Rows stay on the box, 400 days; after 60 they are days. This module must not know what bytes are allowed (`budgets`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, delete, func, select, text, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from eduhub import clock
from eduhub.clock import SteadyClock
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.models import Traffic

LINK, STICK, NEIGHBOUR = "link", "stick", "neighbour"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FIRST_DATED_MS = 1_000_000_000_000  # hours before it are of the steady clock
KEPT_MS, HOURS_KEPT_MS = 400 * DAY_MS, 60 * DAY_MS
RATE_OVER_MS, HALF_LIFE_MS, LEAST_BUSY_S = 14 * DAY_MS, 6 * HOUR_MS, 5.0

_BOOK = text(
    "INSERT INTO traffic (hour_ms, lesson_uid, via, bytes_down, bytes_up, busy_ms)"
    " VALUES (:hour_ms, :lesson_uid, :via, :down, :up, :busy_ms)"
    " ON CONFLICT (hour_ms, lesson_uid, via) DO UPDATE SET bytes_down = traffic.bytes_down + excluded.bytes_down,"
    " bytes_up = traffic.bytes_up + excluded.bytes_up, busy_ms = traffic.busy_ms + excluded.busy_ms"
)


@dataclass(frozen=True)
class Moved:
    """Bytes that came and went, and the seconds in which parts were coming."""

    down: int = 0
    up: int = 0
    busy_s: float = 0.0


@dataclass(frozen=True)
class Hour:
    """What moved in one hour (one day, where it is long ago) by one way."""

    hour_ms: int
    via: str
    moved: Moved


@dataclass(frozen=True)
class OfLesson:
    """What moved for one lesson ('' for none: streams, the catalog, what went home) by one way."""

    lesson_uid: str
    via: str
    moved: Moved


def now_ms(session: Session, steady: SteadyClock) -> int:
    """The time by which bytes are booked: the schedule clock's, or the steady clock's while that is unknown."""
    known_ms = schedule_clock.now_ms(session, steady)
    return known_ms if known_ms is not None else int(steady.now_s() * 1000)


def is_dated(at_ms: int) -> bool:
    """Whether a time of a row, or one that `now_ms` gave, is of the schedule clock."""
    return at_ms >= FIRST_DATED_MS


def book(session: Session, at_ms: int, via: str, moved: Mapping[str, Moved]) -> None:
    """Add what moved, by lesson uid, to the hour of `at_ms` (of `now_ms`). Cheap; yet not for each packet (`ledger`)."""
    hour_ms = at_ms - at_ms % HOUR_MS
    rows = [
        {"hour_ms": hour_ms, "lesson_uid": uid, "via": via, "down": found.down, "up": found.up, "busy_ms": round(found.busy_s * 1000)}
        for uid, found in sorted(moved.items())
        if found.down or found.up or found.busy_s
    ]
    if rows:
        session.execute(_BOOK, rows)
        session.expire_all()


def by_hour(session: Session, since_ms: int, via: str | None = None) -> list[Hour]:
    """What moved since the hour of an instant, by hour and way, the oldest first."""
    found = session.execute(
        _sums(Traffic.hour_ms, Traffic.via).where(*_since(since_ms), *([Traffic.via == via] if via else []))
        .group_by(Traffic.hour_ms, Traffic.via).order_by(Traffic.hour_ms, Traffic.via)
    )  # fmt: skip
    return [Hour(hour_ms, way, _moved(down, up, busy_ms)) for hour_ms, way, down, up, busy_ms in found]


def by_lesson(session: Session, since_ms: int) -> list[OfLesson]:
    """What moved since the hour of an instant, by lesson and way, the most first."""
    found = session.execute(
        _sums(Traffic.lesson_uid, Traffic.via).where(*_since(since_ms)).group_by(Traffic.lesson_uid, Traffic.via)
    )
    rows = [OfLesson(uid, way, _moved(down, up, busy_ms)) for uid, way, down, up, busy_ms in found]
    return sorted(rows, key=lambda row: (-row.moved.down - row.moved.up, row.lesson_uid, row.via))


def used(session: Session, since_ms: int, *via: str) -> int:
    """Bytes both ways since the hour of an instant, as `now_ms` has instants: of the steady clock's hours where it is of that.

    By these ways together; by the link where none is said.
    """
    total = func.coalesce(func.sum(Traffic.bytes_down + Traffic.bytes_up), 0)
    return int(session.scalar(select(total).where(*_since(since_ms), Traffic.via.in_(via or (LINK,)))) or 0)


def lessons_by(session: Session, via: str) -> int:
    """Of how many lessons something came by one way, as far as that is kept."""
    asked = select(func.count(func.distinct(Traffic.lesson_uid))).where(Traffic.via == via, Traffic.lesson_uid != "", Traffic.bytes_down > 0)
    return session.scalar(asked) or 0


def used_of_both(session: Session, day_ms: int, month_ms: int) -> tuple[int, int]:
    """What `used` says since each of two instants, the second no later than the first, in one question."""
    moved = Traffic.bytes_down + Traffic.bytes_up
    of_day = case((and_(true(), *_since(day_ms)), moved), else_=0)
    asked = select(func.sum(of_day), func.sum(moved)).where(*_since(month_ms), Traffic.via == LINK)
    day, month = session.execute(asked).one()
    return int(day or 0), int(month or 0)


def rate(session: Session, via: str = LINK) -> float | None:
    """Bytes of parts per second while parts were coming: what an hour weighs halves every six hours.

    None where less than five seconds are known. Of the two weeks before the newest measured hour.
    """
    measured = (Traffic.via == via, Traffic.busy_ms > 0)
    newest_ms = session.scalar(select(func.max(Traffic.hour_ms)).where(*measured))
    if newest_ms is None:
        return None
    rows = session.execute(
        select(Traffic.hour_ms, func.sum(Traffic.bytes_down), func.sum(Traffic.busy_ms))
        .where(*measured, Traffic.hour_ms > newest_ms - RATE_OVER_MS).group_by(Traffic.hour_ms)
    ).all()  # fmt: skip
    if sum(int(busy_ms) for _hour, _down, busy_ms in rows) < LEAST_BUSY_S * 1000:
        return None
    weights = [(float(0.5 ** ((newest_ms - hour_ms) / HALF_LIFE_MS)), int(down), int(busy_ms)) for hour_ms, down, busy_ms in rows]
    return sum(weight * down for weight, down, _ in weights) / sum(weight * busy_ms / 1000 for weight, _, busy_ms in weights)


def tidy(session: Session, steady: SteadyClock, time_zone: str) -> None:
    """Date what was booked without a date, make days of what is older than 60 days, drop what is older than 400."""
    known_ms = schedule_clock.now_ms(session, steady)
    if known_ms is None:
        return
    # The seconds in which the box was switched off are missing: such hours come out late, as the schedule clock itself.
    began_ms = known_ms - int(steady.now_s() * 1000)
    for hour_ms in session.scalars(select(Traffic.hour_ms).where(Traffic.hour_ms < FIRST_DATED_MS).distinct()).all():
        _move(session, hour_ms, began_ms + hour_ms)
    session.execute(delete(Traffic).where(Traffic.hour_ms < known_ms - KEPT_MS, Traffic.hour_ms >= FIRST_DATED_MS))
    old = select(Traffic.hour_ms).where(Traffic.hour_ms < known_ms - HOURS_KEPT_MS, Traffic.hour_ms >= FIRST_DATED_MS)
    for hour_ms in session.scalars(old.distinct()).all():
        _move(session, hour_ms, day_begins_ms(hour_ms, time_zone))


def day_begins_ms(at_ms: int, time_zone: str) -> int:
    """When the day of an instant began there, as the hour that holds it."""
    return _hour_of_midnight(clock.local(at_ms, time_zone))


def month_begins_ms(at_ms: int, time_zone: str) -> int:
    """When the month of an instant began there, as the hour that holds it."""
    return _hour_of_midnight(clock.local(at_ms, time_zone).replace(day=1))


def _hour_of_midnight(local: datetime) -> int:
    begins_ms = int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1000
    return begins_ms - begins_ms % HOUR_MS


def _move(session: Session, from_ms: int, to_ms: int) -> None:
    """Book an hour's rows to another; nothing where that is the same hour."""
    if to_ms - to_ms % HOUR_MS == from_ms:
        return
    rows = session.scalars(select(Traffic).where(Traffic.hour_ms == from_ms)).all()
    by_way: dict[str, dict[str, Moved]] = {}
    for row in rows:
        by_way.setdefault(row.via, {})[row.lesson_uid] = _moved(row.bytes_down, row.bytes_up, row.busy_ms)
    session.execute(delete(Traffic).where(Traffic.hour_ms == from_ms))
    for via, moved in by_way.items():
        book(session, to_ms, via, moved)


def _sums(*columns: InstrumentedAttribute[Any]) -> Select[Any]:
    return select(*columns, func.sum(Traffic.bytes_down), func.sum(Traffic.bytes_up), func.sum(Traffic.busy_ms))


def _since(since_ms: int) -> list[ColumnElement[bool]]:
    """Hours of the clock that an instant is of; all there are where it is 0 or before."""
    if since_ms <= 0:
        return []
    hour_ms = since_ms - since_ms % HOUR_MS
    return [Traffic.hour_ms >= hour_ms] + ([] if is_dated(since_ms) else [Traffic.hour_ms < FIRST_DATED_MS])


def _moved(down: int, up: int, busy_ms: int) -> Moved:
    return Moved(int(down), int(up), int(busy_ms) / 1000)
