"""Work folders: one for each run, with the source in it under a name of ours, and gone afterwards.

Names that people chose never reach a program: `-i` and `concat:` are names of files too. A
folder is locked while its process lives; what a killed one left behind goes with the next run.

This module must not know the database.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eduhub.errors import EncodeFailed

INPUT = "input"
_PREFIX = ".eduhub-work-"
_BLOCK = 4096


@contextmanager
def staged(source: Path, parent: Path) -> Iterator[Path]:
    """A fresh folder below `parent` in which `source` is called INPUT. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    work, lock = _locked_folder(parent)
    try:
        (work / INPUT).symlink_to(source.resolve(strict=True))
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(lock)


def check_made(work: Path) -> None:
    """Raise EncodeFailed unless everything in the folder beside INPUT is an ordinary file.

    A decoder that a hostile file took over can write there. A link to a key of ours would be published
    like a picture, or written through by the next file of that name; a pipe would be waited for.
    """
    for made in sorted(work.iterdir()):
        if made.name != INPUT and (made.is_symlink() or not made.is_file()):
            raise EncodeFailed(f"{made.name} is not an ordinary file")


def bytes_in(work: Path) -> int:
    """How much the folder and those in it hold, INPUT left out. Each file counts for a block more than its size.

    A decoder that was taken over can make millions of empty files, or hide large ones in a folder of its own.
    """
    size = 0
    for folder, _folders, names in os.walk(work):
        for name in names:
            path = Path(folder, name)
            with suppress(FileNotFoundError):
                size += path.lstat().st_size + _BLOCK if path != work / INPUT else 0
    return size


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).resolve()
        with suppress(FileNotFoundError):
            lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if work.is_dir():
                return work, lock
            os.close(lock)  # a sweep was quicker than the lock


def sweep(parent: Path) -> int:
    """Remove the work folders of processes that are no more; returns how many."""
    swept = 0
    for left in parent.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError, NotADirectoryError):
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
                swept += 1
            except BlockingIOError:
                pass  # somebody works in it
            finally:
                os.close(lock)
    return swept
