"""When a box may fetch, and how fast: windows by hour, a ceiling, a lower one in class hours, megabytes a day and a month.

A pure core: time, the school's hours and what was used come in. What goes home and the streams always go; this is about
parts. An unknown time (None) lies in every window and in no class hour.

This module must not know databases, sockets or how bytes are counted (`traffic`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eduhub import clock
from eduhub.errors import BadInput

MINUTES_OF_A_DAY = 24 * 60
MAX_WINDOWS = 8
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")


class Window(NamedTuple):
    """Minutes of a day, from `begins` up to before `ends`; over midnight where it ends before it begins."""

    begins: int
    ends: int

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies in it."""
        if self.begins < self.ends:
            return self.begins <= minute < self.ends
        return minute >= self.begins or minute < self.ends

    def __str__(self) -> str:
        """As it is written."""
        return f"{_clock(self.begins)}-{_clock(self.ends)}"


def parse_windows(text: str) -> tuple[Window, ...]:
    """Windows as `22:00-06:00,12:00-14:00`, in their order; none for an empty text. Raises BadInput, which says what is wrong."""
    found = []
    for written in (part.strip() for part in text.split(",")) if text.strip() else ():
        match = _WINDOW.fullmatch(written)
        if match is None:
            raise BadInput(f"hours look like 22:00-06:00, and {written!r:.30} does not")
        numbers = [int(number) for number in match.groups() if number is not None]
        window = Window(numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3])
        if window.begins == window.ends:
            raise BadInput(f"{written} begins when it ends")
        found.append(window)
    if len(found) > MAX_WINDOWS:
        raise BadInput(f"at most {MAX_WINDOWS} spans of hours")
    for number, window in enumerate(found):
        if any(_overlap(window, other) for other in found[:number]):
            raise BadInput(f"{window} lies over another span of hours")
    return tuple(found)


def written(windows: Iterable[Window]) -> str:
    """The text that `parse_windows` reads as these."""
    return ",".join(map(str, windows))


@dataclass(frozen=True)
class Limits:
    """What a school allows. None: no limit. A ceiling of 0 in class hours: nothing then."""

    windows: tuple[Window, ...] = ()  # none: at any time
    ceiling_kbit_s: int | None = None
    class_ceiling_kbit_s: int | None = None
    day_bytes: int | None = None
    month_bytes: int | None = None


@dataclass(frozen=True)
class Used:
    """Bytes both ways on the link, of this day and this month."""

    day: int = 0
    month: int = 0


@dataclass(frozen=True)
class Verdict:
    """What holds at a moment. `waits_for` is why no part may be begun: window, class_hours, day, month; '' for none of them."""

    waits_for: str = ""
    ceiling_kbit_s: int | None = None
    left_bytes: int | None = None  # of the day or the month, whichever is nearer

    @property
    def may_fetch(self) -> bool:
        """Whether parts may be begun."""
        return not self.waits_for


def judge(limits: Limits, class_hours: Sequence[Window], minute: int | None, used: Used) -> Verdict:
    """What holds at a minute of the school's day (None: unknown). `class_hours`: those of that day, none on a free one."""
    left = [limit - so_far for limit, so_far in ((limits.day_bytes, used.day), (limits.month_bytes, used.month)) if limit is not None]
    left_bytes = max(0, min(left)) if left else None
    is_class = minute is not None and any(window.holds(minute) for window in class_hours)
    ceilings = [limits.ceiling_kbit_s, limits.class_ceiling_kbit_s if is_class else None]
    ceiling = min((number for number in ceilings if number is not None), default=None)
    waits_for = ""
    if limits.day_bytes is not None and used.day >= limits.day_bytes:
        waits_for = "day"
    if limits.month_bytes is not None and used.month >= limits.month_bytes:
        waits_for = "month"
    if is_class and limits.class_ceiling_kbit_s == 0:
        waits_for = "class_hours"
    if limits.windows and minute is not None and not any(window.holds(minute) for window in limits.windows):
        waits_for = "window"
    return Verdict(waits_for, ceiling, left_bytes)


def minute_of_day(time_zone: str, at_ms: int | None) -> int | None:
    """The minute of the day there at an instant; None while it is unknown."""
    if at_ms is None:
        return None
    there = clock.local(at_ms, time_zone)
    return there.hour * 60 + there.minute


def _overlap(one: Window, other: Window) -> bool:
    return one.holds(other.begins) or other.holds(one.begins)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
