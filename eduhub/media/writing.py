"""Bytes onto the disk as they come: small blocks, hashed on the way, synced before anybody is told.

This module must not know HTTP, lengths that were announced, or the database.
"""

import os
from collections.abc import Callable

from eduhub import clock
from eduhub.delivery.disk import disk_full_named
from eduhub.errors import UploadBusy, UploadTooLarge
from eduhub.installation import Installation
from eduhub.media import quotas
from eduhub.media.body import BLOCK, Arriving, Stream
from eduhub.media.hashing import Hashes, Running
from eduhub.media.incoming import Held

SYNC_EVERY_S = 5.0  # so that a power cut costs no more of a long request
SYNC_EVERY = 8 << 20
_STAMP_EVERY_S = 60.0
ASK_EVERY = 4 << 20

hashes = Hashes()  # of this process; all of it can be had from the disk again


def write(
    installation: Installation, held: Held, stream: Stream, most: Callable[[], int], *, yields: bool = True
) -> None:
    """Append all that `stream` brings; what came is on disk when this returns or raises. How many bytes the file may have
    is asked anew from time to time: others fill the same room.

    Raises UploadTooLarge (before the block that would exceed `most()` bytes), DiskFull, UploadCutShort, and, when
    it `yields`, UploadBusy as soon as somebody else asks for the session.
    """
    with disk_full_named():
        descriptor = os.open(held.part, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            running = hashes.take(held.uid, descriptor, held.began_ns)
            try:
                _Pen(installation, held, descriptor, running, yields).write(stream, most)
            except OSError:
                raise  # what the disk holds is uncertain: it is read again
            except BaseException:
                hashes.give_back(held.uid, running)
                raise
            hashes.give_back(held.uid, running)
        finally:
            os.close(descriptor)


class _Pen:
    """One connection's turn at a file."""

    def __init__(
        self, installation: Installation, held: Held, descriptor: int, running: Running, yields: bool
    ) -> None:
        self._installation, self._held, self._yields = installation, held, yields
        self._descriptor, self._running = descriptor, running
        self._size = os.fstat(descriptor).st_size
        self._synced, self._synced_s = self._size, clock.monotonic_s()
        self._stamped_s = float("-inf")

    def write(self, stream: Stream, ask: Callable[[], int]) -> None:
        self._stamp()
        most, asked_at = ask(), self._size
        if isinstance(stream, Arriving):
            stream.on_wait = self._between
        try:
            while block := stream.read(BLOCK):
                if self._size - asked_at >= ASK_EVERY:
                    most, asked_at = ask(), self._size
                if self._size + len(block) > most:
                    raise UploadTooLarge(f"more than {most} bytes", limit_mb=-(-most >> 20))
                quotas.check_disk(self._installation, coming=len(block))
                self._append(block)
                self._between()
        finally:
            os.fsync(self._descriptor)
            self._held.stamp(self._installation.steady.now_s())

    def _between(self) -> None:
        """After a block, and while none comes."""
        if self._yields and self._held.is_wanted:
            raise UploadBusy("another connection asked for it")
        self._running.catch_up(self._descriptor, self._size)
        now_s, unsynced = clock.monotonic_s(), self._size - self._synced
        if unsynced >= SYNC_EVERY or (unsynced and now_s - self._synced_s > SYNC_EVERY_S):
            os.fdatasync(self._descriptor)
            self._synced, self._synced_s = self._size, now_s
        if now_s - self._stamped_s > _STAMP_EVERY_S:
            self._stamp()

    def _append(self, block: bytes) -> None:
        while block:
            written = os.write(self._descriptor, block)
            self._running.add(block[:written], self._size)
            self._size += written
            block = block[written:]

    def _stamp(self) -> None:
        self._stamped_s = clock.monotonic_s()
        self._held.stamp(self._installation.steady.now_s())


def sync(held: Held) -> None:
    """Bring onto the disk what a killed connection left in the system's memory: its length is about to be told."""
    try:
        descriptor = os.open(held.part, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(held: Held) -> str:
    """The SHA-256 of all that has arrived; it is on disk when this returns. Raises OSError."""
    descriptor = os.open(held.part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        return hashes.take(held.uid, descriptor, held.began_ns).finish(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
