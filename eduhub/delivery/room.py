"""Room on the disk, promised before it is used: whoever is about to write a lot reserves it first.

A reservation is a file `run/room-<uid>.lock` that holds a number of bytes and is locked for as long as
it is meant; the kernel drops the lock with the process, so nobody has to tidy up after a dead one.
Another lock makes looking and promising one step, so that two cannot be promised the same room.

What somebody reserved and has written already counts twice until they say so (`Reservation.left`).

This module must not know what the room is for.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eduhub.delivery.disk import disk_full_named
from eduhub.errors import DiskFull
from eduhub.uids import new_uid

_DIGITS = 20  # a number always takes the same place, so that it is never read half-written


class Reservation:
    """Room that is promised to the holder of this."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def left(self, count: int) -> None:
        """Say that `count` bytes of it are still to be written."""
        _write(self._descriptor, max(0, count))


def free(data_dir: Path) -> int:
    """Bytes that the disk of `data_dir` has free for this user, promised or not."""
    return shutil.disk_usage(data_dir).free


def reserved(data_dir: Path) -> int:
    """Bytes that living processes of this machine have been promised and have not written yet."""
    run_dir = data_dir / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    with _alone(run_dir):
        return sum(_promises(run_dir))


@contextmanager
def reserve(data_dir: Path, count: int, spare: int) -> Iterator[Reservation]:
    """Promise `count` bytes on the disk of `data_dir` until the end of the block, `spare` bytes staying free.

    Raises DiskFull when they are not there beside what others were promised.
    """
    run_dir = data_dir / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / f"room-{new_uid()}.lock"
    with disk_full_named(), _alone(run_dir):
        left = free(data_dir) - sum(_promises(run_dir)) - spare
        if left < count:
            raise DiskFull(f"{count} bytes are wanted, {max(0, left)} are there beside the spare room")
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            _write(descriptor, count)
        except OSError:
            path.unlink()
            os.close(descriptor)
            raise
    try:
        yield Reservation(descriptor)
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def _alone(run_dir: Path) -> Iterator[None]:
    descriptor = os.open(run_dir / "room.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _promises(run_dir: Path) -> Iterator[int]:
    """What each living holder still has to write; the files of dead ones are removed on the way.

    Only for who is `_alone`: a file that was made a moment ago and is not locked yet would look dead.
    """
    for path in run_dir.glob("room-*.lock"):
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                # Shared: two who look at the same moment must not take each other for the holder.
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                path.unlink()
            except BlockingIOError:
                yield int(os.pread(descriptor, _DIGITS, 0) or 0)
            finally:
                os.close(descriptor)


def _write(descriptor: int, count: int) -> None:
    os.pwrite(descriptor, b"%0*d" % (_DIGITS, count), 0)
