"""Node: the bytes of one blob while they arrive, in work/<sha256>.part, in any order of its grains.

Each grain, a quarter of a piece of 128 KiB, grows from its own beginning, so several connections can bring one blob at once. A
piece is checked against the piece list when it is whole; one that does not fit is forgotten and fetched again alone.

How far each piece has come is kept in memory and, when fetching ends in good order, in work/<sha256>.come. After a kill that
file is missing: then what is true about a blob is what its bytes hash to, and a piece that was under way is fetched
again from its beginning, one a connection at the most.

This module must not know the database or what the bytes are for.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from os import pwrite
from pathlib import Path

from eduhub.delivery.disk import disk_full_named
from eduhub.delivery.package import PIECE_BYTES, piece_count
from eduhub.errors import HashMismatch
from eduhub.sync.fetching import refused

GRAIN_BYTES = PIECE_BYTES // 4  # what one connection alone brings at the least
# Lessons leave this much of the disk to what the children do: the database must be able to grow by it.
KEPT_FREE_BYTES = 64 << 20
MAX_TRIES = 3  # of one piece, in one round: a line that flips bits that often is not the piece's fault


class PartFile:
    """One blob on its way. Use it as a context manager: leaving it writes down how far it has come."""

    def __init__(self, folder: Path, sha256: str, size: int) -> None:
        self.path = folder / f"{sha256}.part"
        self.sha256, self.size, self.bad_pieces = sha256, size, 0
        self._note = folder / f"{sha256}.come"
        self._count = piece_count(size)
        self._first_missing = 0  # grains before it are here
        self._hashes: bytes | None = None
        self._tries: dict[int, int] = {}
        self._file: int | None = None
        self._come: list[int] = []  # bytes from the beginning of each grain
        self._begun: list[int] = []  # as it was when this was opened
        self._checked: set[int] = set()
        self._guessed: set[int] = set()  # pieces that may be here: a kill left no note

    def __enter__(self) -> "PartFile":
        return self.open()

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def open(self) -> "PartFile":
        """Begin with what is there. Raises DiskFull."""
        with disk_full_named():
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                self._require_room()
                if os.fstat(self._file).st_size > self.size:
                    os.ftruncate(self._file, self.size)
                self._recall()
                self._begun = list(self._come)
            except BaseException:
                os.close(self._file)
                self._file = None
                raise
        return self

    def close(self) -> None:
        """Write down how far it has come. Safe to repeat."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self.path.exists() and any(self._come):
            with contextlib.suppress(OSError):  # a full disk: the pieces' hashes say as much
                self._note.write_text(json.dumps(self._come))

    def forget(self) -> None:
        """What came is worth nothing; every piece of it counts as bad."""
        self.bad_pieces += self._count
        self._come, self._begun = [], []
        self.path.unlink(missing_ok=True)

    def forget_unproved(self) -> None:
        """What came since it was opened is as if it had never come, but for pieces whose hash fits."""
        for grain, begun in enumerate(self._begun):
            if grain * GRAIN_BYTES // PIECE_BYTES not in self._checked:
                self._come[grain] = min(self._come[grain], begun)
        self._first_missing = 0

    def check_by(self, hashes: bytes | None) -> None:
        """From here on pieces are known by these hashes, 32 bytes each; None: by the hash of the whole. Raises HashMismatch."""
        self._hashes = b"" if hashes is None else hashes
        if hashes is not None and len(hashes) != 32 * self._count:
            raise HashMismatch(f"a list of {len(hashes) // 32} pieces for {self._count}")
        for number in range(self._count):
            self._check(number)
        self._guessed.clear()

    def can_go_on(self) -> bool:
        """Whether `missing` is true already, without the piece list."""
        return self._hashes is not None or not self._guessed

    def held(self) -> int:
        """How many bytes are here."""
        return sum(self._come)

    def missing(self) -> Iterator[tuple[int, int]]:
        """(first, end) of every gap, none of them longer than a piece; a gap may begin in a grain, and ends with one."""
        while self._first_missing < len(self._come) and not self._is_missing(self._first_missing):
            self._first_missing += 1
        grain = self._first_missing
        while grain < len(self._come):
            first, grain = grain * GRAIN_BYTES + self._come[grain], grain + 1
            if first == self._grain_end(grain - 1):
                continue
            while grain < len(self._come) and grain * GRAIN_BYTES % PIECE_BYTES and not self._come[grain]:
                grain += 1
            yield first, self._grain_end(grain - 1)

    def write(self, at: int, payload: bytes) -> None:
        """Take bytes that follow what is here of their grain. Raises DiskFull, HashMismatch."""
        while payload:
            grain = at // GRAIN_BYTES
            count = self._grain_end(grain) - at
            self._grow(grain, at, payload[:count])
            at, payload = at + count, payload[count:]

    def _grow(self, grain: int, at: int, payload: bytes) -> None:
        behind = grain * GRAIN_BYTES + self._come[grain] - at
        if behind < 0 or self._file is None:
            raise ValueError("bytes that follow nothing")
        with disk_full_named():
            _write_all(self._file, payload[behind:], at + behind)
        self._come[grain] += len(payload[behind:])
        self._check(grain * GRAIN_BYTES // PIECE_BYTES)

    def is_whole(self) -> bool:
        """Whether every piece is here and fits."""
        return len(self._checked) == self._count

    def _end(self, number: int) -> int:
        return min((number + 1) * PIECE_BYTES, self.size)

    def _grain_end(self, grain: int) -> int:
        return min((grain + 1) * GRAIN_BYTES, self.size)

    def _grains(self, number: int) -> range:
        """Of a piece."""
        return range(number * PIECE_BYTES // GRAIN_BYTES, -(-self._end(number) // GRAIN_BYTES))

    def _is_missing(self, grain: int) -> bool:
        return grain * GRAIN_BYTES + self._come[grain] < self._grain_end(grain)

    def _check(self, number: int) -> None:
        if self._hashes == b"":
            if self.held() == self.size:
                self._judge(range(self._count), self._hash_of(0, self.size) == bytes.fromhex(self.sha256))
        elif self._hashes is not None and not any(self._is_missing(grain) for grain in self._grains(number)):
            first = number * PIECE_BYTES
            self._judge([number], self._hash_of(first, self._end(number) - first) == self._hashes[number * 32 : number * 32 + 32])

    def _judge(self, numbers: Sequence[int], fits: bool) -> None:
        if fits:
            self._checked.update(numbers)
            return
        guessed = False
        for number in numbers:
            for grain in self._grains(number):
                self._come[grain] = 0
            self._first_missing = min(self._first_missing, self._grains(number).start)
            guessed = guessed or number in self._guessed
        if guessed:
            return
        first = min(numbers)
        self.bad_pieces += 1
        self._tries[first] = self._tries.get(first, 0) + 1
        if self._tries[first] >= MAX_TRIES:
            raise HashMismatch(f"a piece of {self.sha256} came wrong {MAX_TRIES} times")

    def _hash_of(self, first: int, count: int) -> bytes:
        assert self._file is not None
        digest = hashlib.sha256()
        for at in range(first, first + count, PIECE_BYTES):
            digest.update(os.pread(self._file, min(PIECE_BYTES, first + count - at), at))
        return digest.digest()

    def _require_room(self) -> None:
        """Before anything else: a manifest may promise more bytes than there are disks, and no list of their pieces fits either."""
        assert self._file is not None
        coming = self.size - 512 * os.fstat(self._file).st_blocks
        if coming > 0 and shutil.disk_usage(self.path.parent).free < coming + KEPT_FREE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _recall(self) -> None:
        """How far it had come. A note that says too much is found out by the hashes."""
        self._come, self._first_missing = [0] * -(-self.size // GRAIN_BYTES), 0
        size = os.fstat(self._file).st_size if self._file is not None else 0
        try:
            noted = json.loads(self._note.read_text())
        except (FileNotFoundError, ValueError):
            noted = None
        self._note.unlink(missing_ok=True)  # from here on it may say too little, or after a power cut too much
        if isinstance(noted, list) and len(noted) == len(self._come):
            for grain, come in enumerate(noted):
                room = min(self._grain_end(grain), size) - grain * GRAIN_BYTES
                self._come[grain] = max(0, min(int(come), room)) if isinstance(come, int) else 0
            return
        for number in range(self._count):
            if self._end(number) <= size:
                for grain in self._grains(number):
                    self._come[grain] = self._grain_end(grain) - grain * GRAIN_BYTES
                self._guessed.add(number)


def _write_all(file: int, payload: bytes, at: int) -> None:
    view = memoryview(payload)
    while view:
        written = pwrite(file, view, at)
        view, at = view[written:], at + written


def sweep(folder: Path, wanted: Iterable[str], *, unless_newer_than_ms: int | None = None) -> int:
    """Remove what arrived of blobs and manifests that nobody wants any more, or nobody for long; returns how many files that were."""
    endings = (".part", ".come", refused.ENDING)
    keep = {f"{sha256}{ending}" for sha256 in wanted for ending in endings}
    gone = [path for ending in endings for path in folder.glob(f"*{ending}") if path.name not in keep]
    if unless_newer_than_ms is not None:
        gone = [path for path in gone if path.stat().st_mtime * 1000 <= unless_newer_than_ms]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
