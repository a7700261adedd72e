"""Which sticks are plugged in: what is mounted below the folders of the setting `sticks`, and nothing else.

A page names a stick by its key, which is made of where it is mounted: no path of a form is ever opened.

This module must not know what is on a stick beyond whether it is one of ours.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eduhub.config import Settings
from eduhub.errors import StickGone
from eduhub.sync.courier.layout import FOLDER

MOUNTS = Path("/proc/self/mountinfo")
MAX_STICKS = 40
_ESCAPED = re.compile(r"\\([0-7]{3})")
# What a system mounts that is no stick, should it lie below one of the folders.
_NO_STICKS = frozenset({"proc", "sysfs", "devtmpfs", "cgroup", "cgroup2", "overlay", "autofs", "devpts", "mqueue", "nfs", "nfs4"})


@dataclass(frozen=True)
class Plugged:
    """A stick that is plugged in. `free` and `total` in bytes; `is_ours`: a hub or box has written to it before."""

    key: str
    place: Path
    free: int
    total: int
    is_read_only: bool
    is_ours: bool

    @property
    def name(self) -> str:
        """What the system calls it: the last part of where it is mounted, as text that can be stored and shown."""
        return os.fsencode(self.place.name).decode("utf-8", "replace")


def sticks(settings: Settings) -> list[Plugged]:
    """Every stick that is plugged in now, by name."""
    below = [Path(folder) for folder in settings.sticks.split(":") if folder]
    own = settings.data_dir
    places = {
        place: is_read_only for place, is_read_only in _mounts()
        if any(folder in place.parents for folder in below) and place != own and place not in own.parents
    }  # fmt: skip
    found = [_look(place, is_read_only) for place, is_read_only in sorted(places.items())[:MAX_STICKS]]
    return sorted((stick for stick in found if stick is not None), key=lambda stick: (stick.name, stick.key))


def find(settings: Settings, key: str) -> Plugged:
    """The stick with this key. Raises StickGone."""
    for stick in sticks(settings):
        if stick.key == key:
            return stick
    raise StickGone("no stick with this key is plugged in")


def _mounts() -> Iterator[tuple[Path, bool]]:
    """(where, whether it is read-only) of everything that is mounted; format: man 5 proc."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, of_disk = before.split(" "), after.split(" ")
        if len(fields) < 6 or not of_disk or of_disk[0] in _NO_STICKS:
            continue
        where = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        yield Path(where), "ro" in fields[5].split(",")


def _look(place: Path, is_read_only: bool) -> Plugged | None:
    try:
        facts = os.statvfs(place)
        is_ours = os.path.isdir(place / FOLDER)
    except OSError:  # pulled out between the two looks
        return None
    key = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
    free, total = facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize
    return Plugged(key, place, free, total, is_read_only, is_ours)
