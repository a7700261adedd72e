"""What every careful writer to a disk needs: a folder's own fsync, a lock on it, and a full disk called by its name.

This module must not know what is written.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eduhub.errors import DiskFull

# Two marks of a file or folder that are the same say that nothing was done to it in between.
Mark = tuple[int, ...]

# EFBIG is a limit on one file's size (a quota of the process, or of the file system).
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What a disk says that cannot read what it holds (EREMOTEIO, EUCLEAN, EBADMSG, ESTALE: other disks' words for it).
_UNREADABLE = frozenset({errno.EIO, errno.EREMOTEIO, errno.EUCLEAN, errno.EBADMSG, errno.ESTALE})


def sync_folder(folder: Path) -> None:
    """Bring what was made, renamed and deleted in a folder onto the disk. Raises OSError where that cannot be done."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked_folder(folder: Path) -> Iterator[int]:
    """Be the only one, of all processes and threads, who changes a folder; gives its handle, for `os.fsync`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def is_unreadable(error: OSError) -> bool:
    """Whether an error means that the disk cannot read what it holds (and not, say, that we may not)."""
    return error.errno in _UNREADABLE


@contextmanager
def disk_full_named() -> Iterator[None]:
    """Raise DiskFull in place of the system's errors that mean it."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(str(error)) from error
        raise


def file_id_of(path: Path) -> int | None:
    """Which file lies at `path`, whatever it is called; None where there is none."""
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None


def mark_of(path: Path) -> Mark | None:
    """What changes when something is done to a file or in a folder; None where there is none."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return None
    return (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_atime_ns)


def touch(path: Path) -> None:
    """Change a file's mark, whatever the wall clock says. Not by its time of writing: web servers show that."""
    facts = path.lstat()
    os.utime(path, ns=(facts.st_atime_ns + 1_000_000_000, facts.st_mtime_ns), follow_symlinks=False)
