"""Parcels: courier's folders on this machine's own disk, for sticks that are plugged into another one.

What a stick would carry is made in such a folder and downloaded as one .tar, or was uploaded and is taken in from it.
A parcel is filled and read by what fills and reads sticks. It has a key, `<kind>-<steady second>-<8 hex digits>`, which
is the name of its folder below `courier/`; no path of a form is ever opened.

Whoever is at work on a parcel holds its folder's lock, which the kernel drops with the process. What nobody holds and
no job waits for goes with the next `sweep`; a parcel that is to be downloaded stays two days.

Blobs are hard links: a parcel of 60 GB takes no room. A blob that goes meanwhile takes its room until the parcel goes, too.

This module must not know what lies in a parcel, nor HTTP.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from eduhub import logs
from eduhub.delivery import room
from eduhub.delivery.disk import locked_folder
from eduhub.errors import NotFound, StickFull
from eduhub.installation import Installation
from eduhub.sync.courier import layout, tar
from eduhub.sync.courier.layout import Parts
from eduhub.sync.courier.stick import Stick

log = logs.logger(__name__)

FOLDER = "courier"
PACKED, CAME, HOME = "packed", "came", "home"  # to be downloaded; uploaded; what a box sends home, while it is downloaded
KEPT_S = 48 * 3600
MOST_PACKED = 20
_KEY = re.compile(rf"({PACKED}|{CAME}|{HOME})-([0-9]{{1,12}})-[0-9a-f]{{8}}")


class Parcel(Stick):
    """A courier's folder on this machine's own disk. `most`: how many bytes its .tar may have."""

    _is_pulled_out = False  # with a power cut it is gone, or read again from its beginning: nobody was told that it is here

    def __init__(self, place: Path, installation: Installation, *, most: int | None = None) -> None:
        super().__init__(place, make=True)
        self._data_dir, self._spare = installation.settings.data_dir, installation.settings.disk_spare_mb * 1_000_000
        self._most = most
        self._taken = len(tar.END) + sum(tar.taken(path.stat().st_size) for path in place.rglob("*") if path.is_file())

    def free(self) -> int:
        """See Stick. Links take none of the disk's room, so only what was allowed counts."""
        return tar.MOST_BYTES * tar.MOST_MEMBERS if self._most is None else max(0, self._most - self._taken)

    def write(self, parts: Parts, blocks: Iterable[bytes]) -> None:
        """See Stick."""
        super().write(parts, blocks)
        self._taken += tar.taken(self.size(parts) or 0)

    def write_blob(self, parts: Parts, blob: BinaryIO) -> None:
        """See Stick: the same file under one more name, where the disk knows such a thing."""
        size = os.fstat(blob.fileno()).st_size
        if size > tar.MOST_BYTES:
            raise StickFull("a .tar takes no file of this size")
        with self._folder(parts[:-1], make=True) as folder:
            assert folder is not None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(parts[-1], dir_fd=folder)
            try:
                os.link(f"/proc/self/fd/{blob.fileno()}", parts[-1], dst_dir_fd=folder, follow_symlinks=True)
            except OSError:  # another disk, or too many names: the bytes a second time, while there is room
                if room.free(self._data_dir) - self._spare < size:
                    raise StickFull("no room for a copy") from None
                super().write_blob(parts, blob)
            else:
                self._taken += tar.taken(size)


def new_key(installation: Installation, kind: str) -> str:
    """The key of a parcel that is to be made."""
    return f"{kind}-{int(installation.steady.now_s())}-{secrets.token_hex(4)}"


def is_key(key: str) -> bool:
    """Whether this names a parcel, and no stick."""
    return _KEY.fullmatch(key) is not None


@contextmanager
def opened(installation: Installation, key: str, *, make: bool = False) -> Iterator[Path]:
    """Where a parcel lies; it stays at least as long as the block. Raises NotFound, unless it may be made."""
    if not is_key(key):
        raise NotFound("not the key of a parcel")
    place = _root(installation) / key
    with contextlib.ExitStack() as held:
        with locked_folder(_root(installation)):
            if make:
                place.mkdir(mode=0o700, exist_ok=True)
            try:
                handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise NotFound("a parcel that is gone") from error
            held.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield place


def is_here(installation: Installation, key: str) -> bool:
    """Whether a parcel is still there."""
    return is_key(key) and (_root(installation) / key).is_dir()


def remove(installation: Installation, key: str) -> None:
    """Do away with a parcel, whoever may be at it. Safe to repeat."""
    if is_key(key):
        shutil.rmtree(_root(installation) / key, ignore_errors=True)


def sweep(installation: Installation, in_work: Collection[str]) -> int:
    """Do away with parcels that nobody holds and no job, by its parcel's key, waits for; returns how many those were."""
    now_s, gone = int(installation.steady.now_s()), 0
    with locked_folder(_root(installation)):
        found = sorted((name for name in os.listdir(_root(installation)) if is_key(name)), key=_made_s)
        packed = [name for name in found if name.startswith(PACKED)]
        for name in found:
            is_old = not 0 <= now_s - _made_s(name) < KEPT_S or name in packed[:-MOST_PACKED]
            if name not in in_work and (is_old or name not in packed) and _nobody_holds(_root(installation) / name):
                remove(installation, name)
                gone += 1
    return gone


def files(place: Path) -> list[tuple[Parts, int]]:
    """What lies in a parcel and belongs into its .tar, with the sizes: about.json behind all that it speaks of, then blobs in the
    order in which they were written. The journal stays: it tells of the stick, which this is not.
    """
    root = place / layout.FOLDER
    sizes = {path.relative_to(root).parts: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    known = {parts: size for parts, size in sizes.items() if layout.most_bytes(parts, tar.MOST_BYTES) is not None}
    order = _journal(root)
    after = len(order)

    def place_of(parts: Parts) -> tuple[int, int, Parts]:
        if parts[0] != layout.BLOBS:
            return (int(parts == layout.ABOUT), 0, parts)
        return (2, order.get(parts[-1], after), parts)

    return sorted(known.items(), key=lambda found: place_of(found[0]))


def _journal(root: Path) -> dict[str, int]:
    try:
        lines = (root / layout.JOURNAL[0]).read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    matches = (layout.JOURNAL_LINE.fullmatch(line) for line in lines)
    return {match[1]: number for number, match in enumerate(found for found in matches if found)}


def _root(installation: Installation) -> Path:
    found = installation.settings.data_dir / FOLDER
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def _made_s(name: str) -> int:
    return int(name.split("-")[1])


def _nobody_holds(place: Path) -> bool:
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
