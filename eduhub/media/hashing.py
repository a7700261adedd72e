"""SHA-256 of a file while it arrives, however many connections and processes it takes.

The digest runs over what this process writes. After a restart, or when another process has
written meanwhile, the missing stretch is read back from the disk, a little with every block
that arrives, so that nobody waits for it.

This module must not know sessions, HTTP or the database.
"""

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

_READ = 1 << 20
_CATCH_UP = 4 << 20  # bytes read back with one block: a hundredth of a second or so
_KEPT = 64  # files that this process remembers


@dataclass
class Running:
    """The digest of the first `done` bytes of one file: `of` is another one for a file that was begun anew."""

    of: tuple[int, int | None]
    done: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, block: bytes, at: int) -> None:
        """`block` was written at `at`; counted at once when everything before it was."""
        if at == self.done:
            self.digest.update(block)
            self.done += len(block)

    def catch_up(self, descriptor: int, size: int, most: int = _CATCH_UP) -> None:
        """Read back at most `most` bytes of the file's first `size` that were not counted yet."""
        until = min(size, self.done + most)
        while self.done < until:
            found = os.pread(descriptor, min(_READ, until - self.done), self.done)
            if not found:
                raise OSError(f"the file ends at {self.done}, not at {size}")
            self.digest.update(found)
            self.done += len(found)

    def finish(self, descriptor: int, size: int) -> str:
        """The SHA-256 of the whole file of `size` bytes, in hex."""
        self.catch_up(descriptor, size, size)
        return str(self.digest.hexdigest())


class Hashes:
    """What this process remembers of files that are on their way."""

    def __init__(self) -> None:
        self._lock, self._running = Lock(), OrderedDict[str, Running]()

    def take(self, name: str, descriptor: int, began_ns: int | None) -> Running:
        """The digest of the file `name`, open as `descriptor`. Whoever takes it gives it back, if all went well.

        `began_ns` tells a file from one of the same name that another process has begun: the inode's number may be the same.
        """
        facts = os.fstat(descriptor)
        of = (facts.st_ino, began_ns)
        with self._lock:
            found = self._running.pop(name, None)
        if found is None or found.of != of or found.done > facts.st_size:
            return Running(of)
        return found

    def give_back(self, name: str, running: Running) -> None:
        """Remember how far a digest is, for the next connection."""
        with self._lock:
            self._running[name] = running
            while len(self._running) > _KEPT:
                self._running.popitem(last=False)

    def forget(self, name: str) -> None:
        """The file is gone."""
        with self._lock:
            self._running.pop(name, None)
