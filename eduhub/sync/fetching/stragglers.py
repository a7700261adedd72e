"""Node: which connection keeps all others waiting at the end of a transfer, while the link could carry more.

Some senders come to believe that a link is slow, and ask it again seldom: after a few lost packets a hub whose kernel uses BBR sends
one packet a round trip for most of a minute (docs/decisions/0016). Among others that costs nothing; as the last one it does.

This module must not know why a transfer is at its end, nor what becomes of a straggler (`transfer`).
"""

from collections.abc import Sequence

from eduhub.sync.fetching.connection import Connection
from eduhub.sync.fetching.patience import straggler_s

_SPAN_S, _SPAN_ROUND_TRIPS = 2.0, 4  # a rate is that of so long at the least
_ROOM = 3  # the link has carried so many times as much


class Stragglers:
    """How fast the connections of one run are; none is a straggler until that is known."""

    def __init__(self) -> None:
        self._best = self._last = 0.0  # bytes a second, of all together
        self.look_anew(0.0)

    def look_anew(self, now_s: float) -> None:
        """What was read until now says nothing of how fast it comes."""
        self._looked_s = now_s
        self._read: dict[Connection, int] = {}  # bytes, at the last look
        self._busy: set[Connection] = set()  # at that time

    def look(self, lines: Sequence[Connection], now_s: float, round_trip_s: float) -> Connection | None:
        """Who should give what it still brings to those with nothing to do; None: nobody, or it is not known now. Call it all the time."""
        span_s = now_s - self._looked_s
        if span_s < max(_SPAN_S, _SPAN_ROUND_TRIPS * round_trip_s):
            return None
        rates = {line: (line.read - self._read[line]) / span_s for line in lines if line in self._read}
        speaks_s = max(1.0, 2 * round_trip_s)  # for who is silent there is another patience
        left_s = {
            line: line.coming / rates[line] for line in self._busy
            if rates.get(line) and line.ranges and now_s - line.heard_s < speaks_s
        }  # fmt: skip
        together = sum(rates.values())
        # What a kernel had kept for us is read all at once, and no link carried that: only what two spans in a row had.
        self._best, self._last = max(self._best, min(self._last, together)), together
        self.look_anew(now_s)
        self._read, self._busy = {line: line.read for line in lines}, {line for line in lines if line.ranges}
        if not left_s or len(self._busy) == len(lines) or together * _ROOM > self._best:
            return None
        slowest = max(left_s, key=left_s.__getitem__)
        return slowest if left_s[slowest] > straggler_s(round_trip_s) else None
