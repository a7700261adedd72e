"""Node: how fast may be read: a bucket of tokens over all connections. Whoever stops reading slows the sender down.

This module must not know connections, nor who set the ceiling.
"""

from collections.abc import Callable

BYTES_S = 125.0  # of a kbit/s
# So much may come at once after a pause: less, and the pauses between reads are longer than the clock's tick.
BURST_S = 0.5
LEAST_BYTES = 4096
# What lies in a kernel before we read it has crossed the link already. So many seconds of all connections together may
# lie there: less than a long round trip, and the ceiling would not be reached.
BUFFERED_S = 2.0
LEAST_BUFFER, OPEN_BUFFER = 8 << 10, 256 << 10


class Pace:
    """At most `ceiling_kbit_s()` (None: as fast as it comes), asked anew at each look, so that it may change by the hour."""

    def __init__(self, ceiling_kbit_s: Callable[[], float | None] = lambda: None) -> None:
        self._ceiling_kbit_s = ceiling_kbit_s
        self._tokens = 0.0
        self._looked_s: float | None = None

    def room(self, now_s: float) -> int | None:
        """Bytes that may be read now; None: any number."""
        rate = self._bytes_s()
        if rate is None:
            self._looked_s, self._tokens = None, 0.0
            return None
        most = max(float(LEAST_BYTES), rate * BURST_S)
        if self._looked_s is None:
            self._tokens = min(most, float(LEAST_BYTES))
        else:
            self._tokens = min(most, self._tokens + rate * max(0.0, now_s - self._looked_s))
        self._looked_s = now_s
        return max(0, int(self._tokens))

    def took(self, count: int) -> None:
        """So many bytes came; it may be more than there was room for, and then the next ones wait longer."""
        if self._looked_s is not None:
            self._tokens -= count

    def wait_s(self) -> float:
        """Until something may be read again, at the most a tick."""
        rate = self._bytes_s()
        return 0.0 if rate is None or self._tokens > 0 or rate <= 0 else (1.0 - self._tokens) / rate

    def buffer(self, connections: int) -> int | None:
        """How many bytes of one of so many connections a kernel should hold; None: as it likes."""
        rate = self._bytes_s()
        return None if rate is None else min(OPEN_BUFFER, max(LEAST_BUFFER, int(rate * BUFFERED_S / connections)))

    def connections(self, wanted: int, least: int) -> int:
        """How many of the wanted ones: no more than may share what a kernel may hold under a ceiling, but `least`."""
        rate = self._bytes_s()
        return wanted if rate is None else max(least, min(wanted, int(rate * BUFFERED_S / LEAST_BUFFER)))

    def _bytes_s(self) -> float | None:
        ceiling = self._ceiling_kbit_s()
        return None if ceiling is None else ceiling * BYTES_S
