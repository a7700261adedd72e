"""Read stored blobs again, those longest unread first, and take damaged ones out of the way before a reader gets them.

A disk forgets without telling. A blob whose bytes changed, that cannot be read or is gone, is put in
quarantine: out of every package, so that a lesson falls back to what is whole, its row is gone and a row in
`damaged_blob` says so. From there it is mended: a box fetches it again, a hub makes it anew.

Two things look like damage and are none. What went wrong once is read a second time, from the disk. And a disk that
is gone makes everything look damaged: nothing is believed unless another blob can be read at that moment.

It reads slowly, a slice at a time; a large blob is gone on with in the next slice, as long as the process lives.

This module must not know what blobs are made from, or how they come back.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from eduhub import clock, logs
from eduhub.db import Database
from eduhub.delivery import holding, package
from eduhub.delivery.blobs import BlobStore, remember
from eduhub.delivery.disk import is_unreadable
from eduhub.delivery.models import BlobRow, DamagedBlob, PackageRow, PartRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BlobMissing, StoreUnreadable
from eduhub.signing import sha256_hex

log = logs.logger(__name__)

SLICE_S = 20.0
AGAIN_AFTER_MS = 7 * 24 * 3600 * 1000  # a small store is not read all day long
_BLOCK = 1 << 20
_AT_ONCE = 100  # blobs whose reading is written down together
_WITNESSES = 5


@dataclass
class Scrubbed:
    """What one slice did."""

    blobs: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)


class _Damaged(Exception):
    """This blob cannot be trusted; `found` says in a word why."""

    def __init__(self, found: str, file_id: int | None) -> None:
        super().__init__(found)
        self.found, self.file_id = found, file_id


@dataclass
class _Reading:
    """A blob that is read, as far as that has come."""

    sha256: str
    file_id: int | None
    digest: Any = field(default_factory=hashlib.sha256)
    offset: int = 0


class Scrubber:
    """Reads the blobs of one store, slice after slice; one job at a time uses it."""

    def __init__(
        self, database: Database, store: BlobStore, *,
        monotonic_s: Callable[[], float] = clock.monotonic_s, sleep_s: Callable[[float], None] = clock.sleep_s,
    ) -> None:  # fmt: skip
        self._database, self._store = database, store
        self._monotonic_s, self._sleep_s = monotonic_s, sleep_s
        self._reading: _Reading | None = None

    def run(self, *, mb_s: float, progress: Callable[[float], None], lasts_s: float = SLICE_S) -> Scrubbed:
        """Read for so many seconds at `mb_s` megabytes a second, or until nothing is due.

        `progress` is told 0.0 to 1.0 between blocks; what it raises ends the slice. Raises StoreUnreadable when
        nothing can be read at all: then the disk is the trouble, and nothing was put in quarantine for it.
        """
        done = Scrubbed()
        started_s = self._monotonic_s()

        def pace(count: int) -> bool:
            """After each block: whether the slice goes on."""
            done.bytes += count
            took_s = self._monotonic_s() - started_s
            progress(min(1.0, took_s / lasts_s))
            self._sleep_s(max(0.0, done.bytes / (mb_s * 1_000_000) - took_s))
            return self._monotonic_s() - started_s < lasts_s

        while due := self._due():
            whole = list[str]()
            try:
                for sha256 in due:
                    if not self._one(sha256, pace, done, whole) or self._monotonic_s() - started_s >= lasts_s:
                        return done
            finally:
                self._note_whole(whole)
        return done

    def _one(self, sha256: str, pace: Callable[[int], bool], done: Scrubbed, whole: list[str]) -> bool:
        """Read one blob, or a slice's worth of it; False: the slice is over and the blob is not."""

        def unhurried(count: int) -> bool:
            pace(count)
            return True

        try:
            if not self._read(sha256, pace):
                return False
        except _Damaged as first:
            log.warning("a blob was not read well", sha256=sha256, found=first.found)
            again = self._failure(sha256, unhurried)
            if again is not None:
                if not self._can_read_others(sha256, unhurried):
                    raise StoreUnreadable(f"{sha256} is {again.found}, and nothing else can be read") from first
                if put_away(self._database, self._store, sha256, again.file_id):
                    log.error("a damaged blob was put in quarantine", sha256=sha256, found=again.found)
                    done.damaged.append(sha256)
                return True
        whole.append(sha256)
        done.blobs += 1
        return True

    def _due(self) -> list[str]:
        """The blob that was begun, then those that were longest not verified; none: nothing is due."""
        now_ms = clock.now_ms()
        # A time to come was written under a wrong clock.
        due = or_(BlobRow.verified_ms <= now_ms - AGAIN_AFTER_MS, BlobRow.verified_ms > now_ms)
        oldest = select(BlobRow.sha256).where(due).order_by(BlobRow.verified_ms, BlobRow.sha256)
        begun = [self._reading.sha256] if self._reading is not None else []
        with self._database.read() as session:
            found = session.scalars(oldest.limit(_AT_ONCE)).all()
        return begun + [sha256 for sha256 in found if sha256 not in begun]

    def _read(self, sha256: str, pace: Callable[[int], bool]) -> bool:
        """Go on reading; True when it is whole, False when the slice ended before. Raises _Damaged."""
        reading, self._reading = self._reading, None
        with _Opened(self._store, sha256) as opened:
            if reading is None or (reading.sha256, reading.file_id) != (sha256, opened.file_id):
                reading = _Reading(sha256, opened.file_id)
            while block := opened.block(reading.offset):
                reading.digest.update(block)
                reading.offset += len(block)
                self._reading = reading
                if not pace(len(block)):
                    return False
        self._reading = None
        if reading.digest.hexdigest() != sha256:
            raise _Damaged("changed", reading.file_id)
        return True

    def _failure(self, sha256: str, pace: Callable[[int], bool]) -> _Damaged | None:
        """Read a blob from its begin; what is wrong with it, if anything. Memory and cables make mistakes too."""
        self._reading = None
        try:
            self._read(sha256, pace)
        except _Damaged as found:
            return found
        return None

    def _can_read_others(self, sha256: str, pace: Callable[[int], bool]) -> bool:
        """Whether one of a few other blobs is whole at this moment; small ones, for this is no slice."""
        others = select(BlobRow.sha256).where(BlobRow.sha256 != sha256).order_by(BlobRow.bytes, BlobRow.sha256)
        with self._database.read() as session:
            witnesses = session.scalars(others.limit(_WITNESSES)).all()
        return any(self._failure(witness, pace) is None for witness in witnesses)

    def _note_whole(self, whole: list[str]) -> None:
        if whole:
            # Not those that somebody holds: he may wait for another of these. They are read again soon, which does no harm.
            unheld = select(BlobRow.sha256).where(BlobRow.sha256.in_(whole)).with_for_update(skip_locked=True)
            with self._database.write() as session:
                session.execute(
                    update(BlobRow)
                    .where(BlobRow.sha256.in_(session.scalars(unheld).all()))
                    .values(verified_ms=clock.now_ms())
                )


class _Opened:
    """A blob's file, read from the disk and not from memory, and not kept in memory for it."""

    def __init__(self, store: BlobStore, sha256: str) -> None:
        self.file_id = store.file_id(sha256)
        try:
            self._file = store.open(sha256)
        except BlobMissing as error:
            raise _Damaged("missing", None) from error
        except OSError as error:
            self._judge(error)

    def __enter__(self) -> "_Opened":
        self._forget()
        return self

    def __exit__(self, *_error: object) -> None:
        self._forget()
        self._file.close()

    def block(self, offset: int) -> bytes:
        """The bytes at a place; raises _Damaged."""
        try:
            return os.pread(self._file.fileno(), _BLOCK, offset)
        except OSError as error:
            self._judge(error)

    def _forget(self) -> None:
        with suppress(OSError):
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _judge(self, error: OSError) -> NoReturn:
        if is_unreadable(error):
            raise _Damaged("unreadable", self.file_id) from error
        raise error


def put_away(database: Database, store: BlobStore, sha256: str, file_id: int | None) -> bool:
    """Put a blob in quarantine whose file `file_id` was found damaged; False: it was replaced or forgotten meanwhile.

    First the bytes go and then the row is committed: cut in between, the next look finds that the blob is missing.
    The other way round a reader, or who looks whether the blob is here, would take it for whole.
    """
    with database.write() as session:
        row = session.get(BlobRow, sha256, with_for_update=True)
        if row is None or not store.quarantine(sha256, file_id):
            return False
        size = row.bytes
        session.delete(row)
        _note_damage(session, sha256, size)
        holding.parts_lost(session, sha256)
        session.flush()
        holding.restore_manifest(session, store, sha256)
    return True


def restore_piece_lists(database: Database, store: BlobStore) -> int:
    """Write damaged piece lists again whose parts are whole here; returns how many. No link is needed for that."""
    with database.read() as session:
        lost = session.scalars(
            select(PartRow)
            .join(DamagedBlob, DamagedBlob.sha256 == PartRow.sha256)
            .where(
                PartRow.kind == holding.PIECES_KIND, PartRow.wanted.is_(True), PartRow.held.is_(False),
                DamagedBlob.mended_ms.is_(None),
            )
        ).all()  # fmt: skip
        manifests = [Manifest.from_bytes(session.get_one(PackageRow, part.package_id).manifest) for part in lost]
    of = {part.pieces: part.sha256 for manifest in manifests for part in manifest.parts if part.pieces}
    restored = 0
    for name in {part.sha256 for part in lost}:
        if store.has(of[name]):
            listed = package.piece_list(store.path(of[name]))
            if sha256_hex(listed) == name:  # else the part is damaged too, and was not read again yet
                with database.write() as session:
                    remember(session, store.put_bytes(listed))
                restored += 1
    return restored


def _note_damage(session: Session, sha256: str, size: int) -> None:
    damaged = session.get(DamagedBlob, sha256)
    if damaged is None:
        session.add(DamagedBlob(sha256=sha256, bytes=size, found_ms=clock.now_ms(), mended_ms=None))
    else:  # once more
        damaged.found_ms, damaged.mended_ms = clock.now_ms(), None
