"""Node: the bytes of one blob while they arrive, in work/<sha256>.part.

Bytes are appended as they come, so that a cut or a power failure costs what was on the way and no
more. Pieces of 128 KiB are checked against the piece list; one that does not fit is remembered and
fetched again alone. What is true about a blob is what its file holds, not what a row says: after a
start the file is hashed anew, which is quick beside any link.

This module must not know the database or what the bytes are for.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from os import write
from pathlib import Path

from eduhub.delivery.disk import disk_full_named
from eduhub.delivery.package import PIECE_BYTES
from eduhub.errors import HashMismatch, LinkDown
from eduhub.sync.link import Body

# Opens the bytes from a place on, up to before another (None: to the end).
OpenRange = Callable[[int, int | None], AbstractContextManager[Body]]
# Lessons leave this much of the disk to what the children do: the database must be able to grow by it.
KEPT_FREE_BYTES = 64 << 20
MAX_TRIES = 3  # of one piece, in one round: a line that flips bits that often is not the piece's fault


class PartFile:
    """One blob on its way. `pieces` are the hashes of its pieces; None for a blob of one piece."""

    def __init__(self, folder: Path, sha256: str, size: int, pieces: bytes | None) -> None:
        self.path = folder / f"{sha256}.part"
        self.sha256, self.size = sha256, size
        self._pieces = pieces
        self.bad_pieces = 0

    def held(self) -> int:
        """How many bytes are here."""
        try:
            return min(self.path.stat().st_size, self.size)
        except FileNotFoundError:
            return 0

    def receive(self, open_range: OpenRange, on_bytes: Callable[[int], None]) -> None:
        """Get every byte that is missing and every piece that is wrong. Raises LinkDown, DiskFull, HashMismatch.

        Returns with a whole and verified file at `path`. `on_bytes` is told how many bytes came.
        """
        with disk_full_named():
            self._receive(open_range, on_bytes)

    def _receive(self, open_range: OpenRange, on_bytes: Callable[[int], None]) -> None:
        if self.path.exists() and self.path.stat().st_size > self.size:
            os.truncate(self.path, self.size)
        if self.held() < self.size:
            self._require_room()
            with self.path.open("ab") as file, open_range(self.held(), None) as body:
                self._append(file.fileno(), body, on_bytes)
            if self.held() < self.size:
                raise LinkDown("the bytes ended early")
        elif self.size == 0:
            self.path.touch()
        for attempt in range(MAX_TRIES + 1):
            wrong = self._wrong_ranges()
            if not wrong:
                return
            if attempt == MAX_TRIES:
                break
            self.bad_pieces += len(wrong)
            for first, end in wrong:
                self._replace(open_range, first, end, on_bytes)
        self.path.unlink()
        raise HashMismatch(f"{self.sha256} came wrong {MAX_TRIES} times")

    def _require_room(self) -> None:
        if shutil.disk_usage(self.path.parent).free < self.size - self.held() + KEPT_FREE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _append(self, file: int, body: Body, on_bytes: Callable[[int], None]) -> None:
        """Write what comes at the end of the file, without what is there already, and no more than the whole."""
        skip = self.held() - body.first
        if skip < 0:
            raise LinkDown("the bytes begin behind what was asked for")
        room = self.size - self.held()
        for block in body:
            on_bytes(len(block))
            wanted = block[skip:][:room]
            skip = max(0, skip - len(block))
            room -= len(wanted)
            _write_all(file, wanted)
            if room == 0:
                return

    def _replace(self, open_range: OpenRange, first: int, end: int, on_bytes: Callable[[int], None]) -> None:
        with open_range(first, end) as body:
            got = bytearray()
            skip = first - body.first
            for block in body:
                on_bytes(len(block))
                got += block[max(0, skip) :]
                skip -= min(len(block), max(0, skip))
                if len(got) >= end - first:
                    break
        if len(got) < end - first or body.first > first:
            raise LinkDown("a piece ended early")
        with self.path.open("r+b") as file:
            file.seek(first)
            file.write(got[: end - first])

    def _wrong_ranges(self) -> list[tuple[int, int]]:
        """(first, end) of every piece of the whole file whose hash does not fit."""
        if self._pieces is None:
            with self.path.open("rb") as file:
                fits = hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
            return [] if fits else [(0, self.size)]
        wrong = []
        with self.path.open("rb") as file:
            for number in range(0, len(self._pieces), 32):
                first = number // 32 * PIECE_BYTES
                if hashlib.sha256(file.read(PIECE_BYTES)).digest() != self._pieces[number : number + 32]:
                    wrong.append((first, min(first + PIECE_BYTES, self.size)))
        return wrong


def _write_all(file: int, payload: bytes) -> None:
    view = memoryview(payload)
    while view:
        view = view[write(file, view) :]


def sweep(folder: Path, wanted: Iterable[str]) -> int:
    """Remove what arrived of blobs that nobody wants any more; returns how many files that were."""
    keep = {f"{sha256}.part" for sha256 in wanted}
    gone = [path for path in folder.glob("*.part") if path.name not in keep]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
