"""When a box asks its hub again. Pure functions: what time it is, and chance, are told.

After whatever befalls all boxes at once (the power is back, the hub asked for a pause) each waits for its own moment, which
follows from its uid; so a thousand boxes come one after the other. After failures the pauses grow up to some minutes and
never end. Nothing of it is kept on the disk.

This module must not know how anything is asked, nor any clock.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DAY_S = 86_400.0
LONGEST_PAUSE_S = 300.0  # after failures: an outage of a village's link may be over at any moment
MOST_JITTER = 0.05  # of an interval, later than the moment
_SECONDS = re.compile(r"[0-9]{1,9}")


def moment_s(node_uid: str, interval_s: float) -> float:
    """Where in an interval a box asks: from 0 to less than `interval_s` seconds, evenly spread over all uids."""
    digits = int.from_bytes(hashlib.sha256(f"eduhub-moment/1\0{node_uid}".encode()).digest()[:6], "big")
    return digits / 2**48 * interval_s


def retry_after_s(value: str | None, answered_at: str | None) -> float | None:
    """The seconds that a Retry-After asks for, at most a day; None when it asks for nothing that can be understood.

    A date counts from the answer's own `Date`: the clock of a box may be years off. Without that it says nothing.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return min(DAY_S, float(value))
    then, now = _date(value), _date(answered_at)
    if then is None or now is None:
        return None
    return min(DAY_S, max(0.0, (then - now).total_seconds()))


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    # -0000 says UTC without a zone.
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


@dataclass
class Rhythm:
    """When the next question is due. `began_s` is when the box began to run; all seconds are of one clock that only runs."""

    interval_s: float
    moment_s: float
    began_s: float
    chance: Callable[[], float]  # 0 to less than 1
    due_s: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        self.due_s = self.began_s + self.moment_s

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to ask."""
        return now_s >= self.due_s

    def asks(self, now_s: float) -> None:
        """It asks now: the next turn is this box's next moment, and a little later than that."""
        turns = (now_s - self.began_s - self.moment_s) // self.interval_s + 1
        moment_at_s = self.began_s + self.moment_s + max(0.0, turns) * self.interval_s
        # Whoever asked late, in the jitter or for a long round, must not ask twice in a row.
        if moment_at_s - now_s < self.interval_s / 2:
            moment_at_s += self.interval_s
        self.due_s = moment_at_s + self.chance() * MOST_JITTER * self.interval_s

    def went_well(self) -> None:
        """The hub answered."""
        self.failures = 0

    def failed(self, now_s: float, asked_for_s: float | None = None) -> None:
        """No answer, or one that asks for a pause: longer pauses, which end. A pause that was asked for ends at the moment."""
        self.failures += 1
        longest_s = max(self.interval_s, LONGEST_PAUSE_S)
        pause_s = min(longest_s, self.interval_s * 2.0 ** min(self.failures - 1, 20)) * (0.5 + self.chance())
        if asked_for_s is not None:
            pause_s = max(pause_s, min(DAY_S, asked_for_s) + self.moment_s)
        self.due_s = now_s + pause_s
