"""Closed pages of the catalog in memory: they never change within their epoch, and a thousand boxes ask for the same ones.

This module must not know HTTP or the database.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple


class Packed(NamedTuple):
    """A page as it is, and with gzip."""

    plain: bytes
    gzip: bytes


class ClosedPages:
    """The pages that were asked for last, up to `most_bytes`. Safe to use from several threads."""

    def __init__(self, pack: Callable[[bytes], bytes], most_bytes: int = 16 << 20) -> None:
        self._pack, self._most = pack, most_bytes
        self._lock = Lock()
        self._pages: OrderedDict[tuple[str, int], Packed] = OrderedDict()
        self._held = 0

    def get(self, epoch: str, number: int) -> Packed | None:
        """A page that was kept, or None."""
        with self._lock:
            found = self._pages.get((epoch, number))
            if found is not None:
                self._pages.move_to_end((epoch, number))
            return found

    def keep(self, epoch: str, number: int, plain: bytes) -> Packed:
        """Keep a page that is closed; returns it packed. Those that nobody asked for go."""
        made = Packed(plain, self._pack(plain))
        with self._lock:
            before = self._pages.pop((epoch, number), None)
            self._pages[(epoch, number)] = made
            self._held += _size(made) - (_size(before) if before else 0)
            while self._held > self._most and self._pages:
                _key, gone = self._pages.popitem(last=False)
                self._held -= _size(gone)
        return made


def _size(page: Packed) -> int:
    return len(page.plain) + len(page.gzip)
