"""Node: a carrier to a mirror, which is left at once when it lies, crawls or falls silent.

What it brought that was proved by a hash stays; the rest is as if it had never come, so that nobody else is blamed for it.
This module must not know which mirror it is.
"""

from collections.abc import Callable

from eduhub import clock
from eduhub.errors import EduHubError, LinkDown, NodeRefused, NotFound
from eduhub.sync.fetching.blobs import Blobs
from eduhub.sync.fetching.carrier import Carrier, Receiver
from eduhub.sync.fetching.connection import Range
from eduhub.sync.fetching.pace import BYTES_S
from eduhub.sync.mirrors.choosing import LIED, REFUSED, SILENT, SLOW
from eduhub.sync.mirrors.slowness import Slowness

NEAR_RANGE_BYTES = 1 << 20
MOST_WRONG = 3  # pieces: a network flips a bit now and then, and TCP lets one in many thousands through


class _LeftAlone(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Wary:
    """A `Carrier` that does not raise what is the mirror's fault: it ends, brings nothing more, and says why."""

    def __init__(self, carrier: Carrier, least: tuple[int, float], *, is_near: bool) -> None:
        """`least`: so many bytes a second, over so many seconds each (`slowness`). `is_near`: on a network of our own."""
        self._carrier, self._least, self._is_near = carrier, least, is_near
        self.ceiling_kbit_s: Callable[[], float | None] = lambda: None
        self.why: str | None = None
        self.bytes = 0

    def run(self, receiver: Receiver) -> None:
        """Bring what the mirror gives. Raises what the receiver raises on its own account."""
        if self.why is not None:
            return
        if isinstance(receiver, Blobs):
            receiver.is_wary = True
            receiver.range_bytes = NEAR_RANGE_BYTES if self._is_near else receiver.range_bytes
        watched = _Watched(receiver, Slowness(*self._least, began_s=clock.monotonic_s()), self.ceiling_kbit_s)
        try:
            self._carrier.run(watched)
        except _LeftAlone as left:
            self.why = left.why
        except LinkDown:
            self.why = SILENT
        except NodeRefused:
            self.why = REFUSED
        finally:
            self.bytes += watched.bytes


class _Watched:
    """A receiver that looks at the bytes as they pass."""

    def __init__(self, receiver: Receiver, slowness: Slowness, ceiling_kbit_s: Callable[[], float | None]) -> None:
        self._receiver, self._slowness, self._ceiling_kbit_s = receiver, slowness, ceiling_kbit_s
        self.bytes = 0

    def turn(self) -> None:
        self._look(0)
        self._receiver.turn()

    def more(self) -> Range | None:
        return self._receiver.more()

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        self.bytes += len(payload)
        self._look(len(payload))
        self._receiver.take(asked, at, payload)
        self._judge()

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        self._receiver.refuse(asked, status, body)

    def whole(self, asked: Range) -> None:
        self._receiver.whole(asked)
        self._judge()

    def _look(self, count: int) -> None:
        ceiling = self._ceiling_kbit_s()
        if self._slowness.is_slow(clock.monotonic_s(), count, None if ceiling is None else ceiling * BYTES_S):
            raise _LeftAlone(SLOW)

    def _judge(self) -> None:
        if isinstance(self._receiver, Blobs) and self._receiver.wrong >= MOST_WRONG:
            raise _LeftAlone(LIED)


def blame(error: EduHubError) -> str:
    """What an answer that was no answer says of a mirror."""
    if isinstance(error, LinkDown):
        return SILENT
    return REFUSED if isinstance(error, NodeRefused | NotFound) else LIED
