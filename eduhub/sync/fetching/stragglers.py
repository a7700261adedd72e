"""Node: which connection keeps all others waiting at the end of a transfer, while the link could carry more.

Some senders come to believe that a link is slow, and ask it again seldom: after a few lost packets a hub whose kernel uses BBR sends
one packet a round trip for most of a minute (docs/decisions/0016). Among others that costs nothing; as the last one it does.

This module must not know why a transfer is at its end, nor what becomes of a straggler (`transfer`).
"""

from collections.abc import Sequence

from eduhub.sync.fetching.connection import Connection
from eduhub.sync.fetching.patience import straggler_s

SPAN_S, SPAN_ROUND_TRIPS = 2.0, 4  # a rate is that of so long at the least
ROOM = 3  # the link has carried so many times as much


class Stragglers:
    """Look at the connections all the while; none is found until their rates are known."""

    def __init__(self) -> None:
        self._best = 0.0  # bytes a second, of all together
        self.look_anew(0.0)

    def look_anew(self, now_s: float) -> None:
        """What was read until now says nothing of how fast it comes."""
        self._looked_s = now_s
        self._read: dict[Connection, int] = {}  # bytes, at the last look
        self._busy: set[Connection] = set()  # at that time

    def found(self, lines: Sequence[Connection], now_s: float, round_trip_s: float) -> Connection | None:
        """The connection that should give what it still brings to those with nothing to do. None: no one, or not known now."""
        span_s = now_s - self._looked_s
        if span_s < max(SPAN_S, SPAN_ROUND_TRIPS * round_trip_s):
            return None
        rates = {line: (line.read - self._read[line]) / span_s for line in lines if line in self._read}
        left_s = {line: line.coming / rates[line] for line in self._busy if rates.get(line) and line.ranges}  # who is silent is no straggler
        together = sum(rates.values())
        self._best = max(self._best, together)
        self.look_anew(now_s)
        self._read, self._busy = {line: line.read for line in lines}, {line for line in lines if line.ranges}
        if not left_s or len(self._busy) == len(lines) or together * ROOM > self._best:
            return None
        slowest = max(left_s, key=left_s.__getitem__)
        return slowest if left_s[slowest] > straggler_s(round_trip_s) else None
