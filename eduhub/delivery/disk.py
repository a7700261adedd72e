"""Two things that every careful writer to a disk needs: a folder's own fsync, and a full disk called by its name.

This module must not know what is written.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eduhub.errors import DiskFull

# EFBIG is a limit on one file's size (a quota of the process, or of the file system).
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def sync_folder(folder: Path) -> None:
    """Bring what was made, renamed and deleted in a folder onto the disk. Raises OSError where that cannot be done."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def disk_full_named() -> Iterator[None]:
    """Raise DiskFull in place of the system's errors that mean it."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(str(error)) from error
        raise
