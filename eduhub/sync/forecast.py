"""When bytes that are still to come will be here: by the measured rate, the hours for lessons and the allowances.

Pure: whoever asks hands in what was measured. A forecast is in seconds from now, because a box may not know what time
it is; None says that nobody can tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from eduhub import clock

ANY_TIME = "00:00-24:00"
HORIZON_DAYS = 60  # what would come later than that has no day that is worth saying
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Allowance:
    """How many bytes a day or a month may bring, and how many of the present one's are left."""

    each: int
    left: int


@dataclass(frozen=True)
class Pace:
    """How fast lessons come, and when they may. `bytes_s`: while something is fetched; None: nothing was fetched lately."""

    bytes_s: float | None
    window: str = ANY_TIME  # as 22:00-06:00, by the clocks of `zone`
    zone: str = "UTC"
    day: Allowance | None = None
    month: Allowance | None = None


def comes_in_s(count: int, pace: Pace, at_ms: int | None) -> float | None:
    """Seconds until `count` more bytes are here. `at_ms`: the schedule clock; while it is unknown (None) every hour counts
    as open and an allowance as that of the one day that runs.
    """
    if count <= 0:
        return 0.0
    if not pace.bytes_s or pace.bytes_s <= 0:
        return None
    left = float(count)
    for span in _spans(pace, at_ms):
        if left <= span.bytes:
            return span.begins_s + left / pace.bytes_s
        left -= span.bytes
    return None


@dataclass(frozen=True)
class _Span:
    """A stretch of time in which bytes may come: when it begins, in seconds from now, and how many it brings."""

    begins_s: float
    bytes: float


def _spans(pace: Pace, at_ms: int | None) -> Iterator[_Span]:
    assert pace.bytes_s is not None
    most = [allowance.left for allowance in (pace.day, pace.month) if allowance is not None]
    if at_ms is None:
        yield _Span(0.0, min([HORIZON_DAYS * _DAY_S * pace.bytes_s, *most]))
        return
    day_left = pace.day.left if pace.day is not None else None
    month_left = pace.month.left if pace.month is not None else None
    zone, now = ZoneInfo(pace.zone), at_ms
    until_ms = at_ms + HORIZON_DAYS * round(_DAY_S * 1000)
    while now < until_ms:
        midnight = _midnight_after(now, zone)
        opens = now + round(clock.until_window_s(pace.window, pace.zone, now) * 1000)
        if opens < midnight:
            closes = min(midnight, _closes(pace, opens))
            can = pace.bytes_s * (closes - opens) / 1000
            can = min([can, *(left for left in (day_left, month_left) if left is not None)])
            yield _Span((opens - at_ms) / 1000, max(0.0, can))
            day_left = None if day_left is None else max(0, day_left - round(can))
            month_left = None if month_left is None else max(0, month_left - round(can))
            now = closes
        else:
            now = midnight
        if now == midnight:
            day_left = pace.day.each if pace.day is not None else None
            if pace.month is not None and datetime.fromtimestamp(now / 1000, tz=UTC).astimezone(zone).day == 1:
                month_left = pace.month.each


def _closes(pace: Pace, at_ms: int) -> int:
    """When a window that is open ends; beyond the day for one that always is."""
    begins, ends = pace.window.split("-")
    if begins == ends or pace.window == ANY_TIME:
        return at_ms + round(_DAY_S * 1000)
    return at_ms + round(clock.until_window_s(f"{ends}-{begins}", pace.zone, at_ms) * 1000)


def _midnight_after(at_ms: int, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(zone)
    begins = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)  # on the wall there
    # Where the clocks are put forward at midnight, the day begins an hour later; never before the moment asked about.
    return max(at_ms + 1, round(begins.timestamp() * 1000))
