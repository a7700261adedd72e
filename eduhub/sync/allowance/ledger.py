"""Node: collects what a round moves, and books it every few seconds: a cut, or a kill, loses the last of them only.

Payload is counted where it is taken in; what the sockets carried beyond it (`fetching.meter`) is booked to no lesson, so
that the sum is what crossed the link. This module must not know files, parts or jobs.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from eduhub import clock
from eduhub.errors import DiskFull
from eduhub.installation import Installation
from eduhub.sync.allowance import traffic
from eduhub.sync.allowance.traffic import LINK, Moved
from eduhub.sync.fetching.meter import NOTHING, Meter, Passed

BOOKED_EVERY_S = 10.0
# A longer silence between two blocks of parts is an outage, or there was nothing to fetch; a lost packet is not.
LONGEST_GAP_S = 3.0


@dataclass
class _Sum:
    down: int = 0
    up: int = 0
    busy_s: float = 0.0

    def add(self, other: "_Sum") -> None:
        self.down, self.up, self.busy_s = self.down + other.down, self.up + other.up, self.busy_s + other.busy_s


class Ledger:
    """Use it as a context manager: leaving it books the rest, whatever happened. Several threads may count at once."""

    def __init__(self, installation: Installation, now_s: Callable[[], float] = clock.monotonic_s) -> None:
        self._installation, self._now_s = installation, now_s
        self._meters: list[Meter] = []
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str], _Sum] = {}  # by way and lesson
        self._via = LINK
        self._came_s: dict[str, float] = {}
        self._booked_s = self._now_s()
        self.on_came: Callable[[int], None] = lambda _count: None  # for whoever shows it
        self.coming: Callable[[], int] = lambda: 0  # bytes that were asked for on the link and have not come
        self._link_down = self._link_up = 0  # all of the link that was booked or will be

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.book()

    def watch(self, meter: Meter, since: Passed = NOTHING) -> None:
        """Count what passes these sockets; they are on the link. What had passed up to `since` is booked already."""
        with self._lock:
            self._link_down, self._link_up = self._link_down + since.down, self._link_up + since.up
        self._meters.append(meter)

    @contextmanager
    def by(self, via: str) -> Iterator[None]:
        """What comes in the block comes this way (`traffic.NEIGHBOUR`), where `came` is not told another."""
        before, self._via = self._via, via
        try:
            yield
        finally:
            self._via = before

    @property
    def is_on_link(self) -> bool:
        """Whether what comes now comes over the link."""
        return self._via == LINK

    def came(self, lesson_uid: str, count: int, via: str | None = None) -> None:
        """Bytes of a part or manifest of a lesson."""
        way, now_s = via or self._via, self._now_s()
        with self._lock:
            found = self._sums.setdefault((way, lesson_uid), _Sum())
            found.down += count
            gap_s = now_s - self._came_s.get(way, now_s - LONGEST_GAP_S - 1)
            found.busy_s += gap_s if gap_s <= LONGEST_GAP_S else 0.0
            self._came_s[way] = now_s
            self._link_down += count if way == LINK else 0
        self.on_came(count)

    def turn(self) -> None:
        """Book what there is, when it is time to. Cheap; called several times a second."""
        if self._now_s() - self._booked_s >= BOOKED_EVERY_S:
            self.book()

    def waiting(self) -> int:
        """Bytes both ways on the link that are not booked yet."""
        self._add_the_rest()
        with self._lock:
            return sum(found.down + found.up for (via, _uid), found in self._sums.items() if via == LINK)

    def book(self) -> None:
        """Write down all there is; on a full disk it waits for the next time."""
        self._booked_s = self._now_s()
        self._add_the_rest()
        with self._lock:
            sums, self._sums = self._sums, {}
        if not sums:
            return
        try:
            with self._installation.database.write() as session:
                at_ms = traffic.now_ms(session, self._installation.steady)
                for via in sorted({way for way, _uid in sums}):
                    moved = {uid: Moved(found.down, found.up, found.busy_s) for (way, uid), found in sums.items() if way == via}
                    traffic.book(session, at_ms, via, moved)
        except DiskFull:
            with self._lock:
                for key, found in sums.items():
                    self._sums.setdefault(key, _Sum()).add(found)

    def _add_the_rest(self) -> None:
        """What the sockets carried beyond the payload: of no lesson."""
        passed = [meter.total() for meter in self._meters]
        with self._lock:
            # Payload may be counted a moment before its packets are; then the difference waits.
            down = max(0, sum(found.down for found in passed) - self._link_down)
            up = max(0, sum(found.up for found in passed) - self._link_up)
            if down or up:
                rest = self._sums.setdefault((LINK, ""), _Sum())
                rest.down, rest.up = rest.down + down, rest.up + up
                self._link_down, self._link_up = self._link_down + down, self._link_up + up
