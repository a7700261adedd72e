"""When bytes that are still to come will be here: by the measured rate, and by what the school allows and has used.

Pure: whoever asks hands in what was measured. A forecast is in seconds from now, because a box may not know what time
it is; None says that nobody can tell. This module must not know databases.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from eduhub import clock
from eduhub.sync.allowance.budgets import MINUTES_OF_A_DAY, Limits, Used, Window, judge
from eduhub.sync.fetching.pace import BYTES_S

HORIZON_DAYS = 60  # what would come later than that has no day that is worth saying
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Inflow:
    """How fast lessons come, and when they may. `bytes_s`: while some are fetched; None: not measured lately.

    `class_hours` are those of a day for which `has_classes` says so (its ISO text).
    """

    bytes_s: float | None
    limits: Limits = field(default_factory=Limits)
    zone: str = "UTC"
    used: Used = field(default_factory=Used)
    class_hours: tuple[Window, ...] = ()
    has_classes: Callable[[str], bool] = lambda _day: True


class Curve:
    """How many bytes will have come until when, from the schedule time `at_ms` on. While that is unknown (None) every hour
    counts as open and an allowance as that of the one day that runs.
    """

    def __init__(self, inflow: Inflow, at_ms: int | None) -> None:
        self._spans = list(_spans(inflow, at_ms)) if inflow.bytes_s and inflow.bytes_s > 0 else []

    def in_s(self, count: int) -> float | None:
        """Seconds until `count` more bytes are here."""
        if count <= 0:
            return 0.0
        left = float(count)
        for span in self._spans:
            if left <= span.bytes:
                return span.begins_s + left / span.bytes_s
            left -= span.bytes
        return None


@dataclass(frozen=True)
class _Span:
    """A stretch of time in which bytes may come: when it begins, in seconds from now, how many it brings, and how fast."""

    begins_s: float
    bytes: float
    bytes_s: float


def _spans(inflow: Inflow, at_ms: int | None) -> Iterator[_Span]:
    assert inflow.bytes_s is not None
    limits, used = inflow.limits, inflow.used
    if at_ms is None:
        verdict = judge(limits, (), None, used)
        rate = _rate(inflow.bytes_s, verdict.ceiling_kbit_s)
        most = HORIZON_DAYS * _DAY_S * rate
        yield _Span(0.0, most if verdict.left_bytes is None else min(most, verdict.left_bytes), rate)
        return
    now_ms, until_ms = at_ms, at_ms + HORIZON_DAYS * round(_DAY_S * 1000)
    month = clock.local(at_ms, inflow.zone).month
    while now_ms < until_ms:
        local = clock.local(now_ms, inflow.zone)
        if local.month != month:
            month, used = local.month, Used()
        for begins_ms, ends_ms, minute in _stretches(inflow, local, now_ms):
            verdict = judge(limits, _classes(inflow, local), minute, used)
            rate = _rate(inflow.bytes_s, verdict.ceiling_kbit_s)
            if verdict.may_fetch and rate > 0:
                can = rate * (ends_ms - begins_ms) / 1000
                can = can if verdict.left_bytes is None else min(can, verdict.left_bytes)
                yield _Span((begins_ms - at_ms) / 1000, can, rate)
                used = Used(used.day + round(can), used.month + round(can))
            now_ms = ends_ms
        used = Used(0, used.month)


def _stretches(inflow: Inflow, local: datetime, now_ms: int) -> Iterator[tuple[int, int, int]]:
    """(from, to, a minute in it) of the rest of a day, cut wherever something else may hold."""
    edges = {minute for window in (*inflow.limits.windows, *_classes(inflow, local)) for minute in window}
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    begins_ms = now_ms
    for minute in sorted({*edges, MINUTES_OF_A_DAY} - {0}):
        # On the wall there: the zone says how many seconds that is. Clocks that are put back come by some minutes twice.
        ends_ms = round((midnight + timedelta(minutes=minute)).timestamp() * 1000)
        if ends_ms > begins_ms:
            yield begins_ms, ends_ms, _minute(begins_ms, inflow.zone)
            begins_ms = ends_ms
    if begins_ms == now_ms:  # where the clocks are put forward over midnight
        yield now_ms, now_ms + 60_000, _minute(now_ms, inflow.zone)


def _classes(inflow: Inflow, local: datetime) -> tuple[Window, ...]:
    return inflow.class_hours if inflow.has_classes(local.date().isoformat()) else ()


def _rate(measured: float, ceiling_kbit_s: int | None) -> float:
    return measured if ceiling_kbit_s is None else min(measured, ceiling_kbit_s * BYTES_S)


def _minute(at_ms: int, zone: str) -> int:
    local = clock.local(at_ms, zone)
    return local.hour * 60 + local.minute
