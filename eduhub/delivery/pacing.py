"""A narrow line, for whoever wants to see how a lesson comes through one: bytes leave as slowly as over 128 kbit/s.

All requests of one preview share one line, in whatever process they are answered: the moment at which the line is
free again lies in a small file of slots, one for a line. Two previews that meet in one slot make each other slower.

This module must not know packages or who looks.
"""

import fcntl
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from eduhub import clock

SLOTS = 256
# Each answer over a narrow line holds a thread for as long as it takes, whoever asked: the other threads are the readers'.
MOST_AT_ONCE = 24
_BLOCKS_A_SECOND = 10
_HEADER_BYTES = 400  # what an answer's head weighs on the line
_MOMENT = struct.Struct("d")
_at_once = threading.BoundedSemaphore(MOST_AT_ONCE)


class Line:
    """One narrow line. `name` says whose it is."""

    def __init__(self, file: Path, name: str, kbit_s: int) -> None:
        self._file, self._bytes_s = file, kbit_s * 125
        self._at = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % SLOTS * _MOMENT.size

    def take(self, count: int) -> float:
        """Put so many bytes on the line; returns in how many seconds they have come through."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # of this descriptor: between threads as between processes
            now = clock.monotonic_s()
            held = os.pread(descriptor, _MOMENT.size, self._at)
            free = _MOMENT.unpack(held)[0] if len(held) == _MOMENT.size else 0.0
            # A moment far ahead is of another boot: no line is taken for so long.
            begins = free if now < free < now + 600 else now
            through = begins + count / self._bytes_s
            os.pwrite(descriptor, _MOMENT.pack(through), self._at)
            return through - now
        finally:
            os.close(descriptor)

    @property
    def block(self) -> int:
        """So many bytes leave at once."""
        return max(256, self._bytes_s // _BLOCKS_A_SECOND)


def begin() -> bool:
    """Whether one more answer of this process may go over a narrow line; `Answer.close` ends it."""
    return _at_once.acquire(blocking=False)


class Answer:
    """What `read` gives, as it comes out at the far end of a line; made after `begin` has said yes."""

    def __init__(self, line: Line, read: Callable[[int], bytes], close: Callable[[], None]) -> None:
        self._line, self._read, self._close = line, read, close
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        clock.sleep_s(self._line.take(_HEADER_BYTES))
        while found := self._read(self._line.block):
            clock.sleep_s(self._line.take(len(found)))
            yield found

    def close(self) -> None:
        """Whoever serves it calls this, also when it was never begun."""
        if self._is_open:
            self._is_open = False
            _at_once.release()
            self._close()
