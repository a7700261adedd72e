"""The power goes on a machine that was in the middle of something: its files are then what a disk may hold that lost power.

What is done is recorded (tests/power/recorder.c, which must be preloaded) in a process of its own, which ends itself at a
moment drawn by lot. What it had written and not yet synced is then kept or lost, write by write and name by name,
as tests/power/replay.py says, on top of the files as they were before.
"""

import ctypes
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from tests.power import replay
from tests.power.replay import ROOT, Disk, File, Folder, Record

SOURCE = Path(__file__).parents[1] / "power" / "recorder.c"
# Files that nobody changes once they have their name.
_FOR_EVER = ("data/blobs", "data/packages")
_OWN_MODE, _NEW_MODE = 0o777, 0o600


def build(folder: Path) -> Path:
    """The recorder, to be preloaded. Raises CalledProcessError, FileNotFoundError where there is no compiler."""
    library = folder / "recorder.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return library


def is_preloaded() -> bool:
    """Whether this process can be recorded."""
    return hasattr(ctypes.CDLL(None), "power_begin")


def begin(disk: Path, log: Path, *, records: int = -1, free_bytes: int = -1) -> None:
    """Write down from here on what happens below `disk`; end this process after so many records."""
    call = ctypes.CDLL(None).power_begin
    call.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long, ctypes.c_long)
    call(os.fsencode(disk), os.fsencode(log), records, free_bytes)


@contextmanager
def small_disk(disk: Path, free_bytes: int) -> Iterator[None]:
    """Files below `disk` can grow by no more than so many bytes."""
    begin(disk, Path("/dev/null"), free_bytes=free_bytes)
    try:
        yield
    finally:
        ctypes.CDLL(None).power_end()


@dataclass
class Before:
    """The files below a folder at one moment: `keep` them, do something, then `lose` what a power cut may lose."""

    disk: Path
    aside: Path
    played: Disk = field(default_factory=Disk)
    modes: dict[int, int] = field(default_factory=dict)
    for_ever: dict[int, Path] = field(default_factory=dict)  # where the bytes of those lie that are not read

    @classmethod
    def keep(cls, disk: Path, aside: Path) -> "Before":
        """Look at everything that is there; nothing may be open."""
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        kept = cls(disk, aside)
        kept._look(disk, "", ROOT)
        return kept

    def _look(self, place: Path, name: str, number: int) -> None:
        folder = self.played.folders.setdefault(number, Folder())
        with os.scandir(place) as found:
            for entry in found:
                facts, inode = entry.stat(follow_symlinks=False), entry.inode()
                folder.sure[entry.name] = folder.now[entry.name] = inode
                self.modes[inode] = facts.st_mode & _OWN_MODE
                below = f"{name}/{entry.name}" if name else entry.name
                if entry.is_dir(follow_symlinks=False):
                    self._look(Path(entry.path), below, inode)
                elif inode not in self.played.files:
                    self._take(Path(entry.path), below, inode)

    def _take(self, path: Path, name: str, inode: int) -> None:
        if path.is_symlink():
            self.played.files[inode] = File(is_link_to=os.readlink(path))
        elif name.startswith(_FOR_EVER):
            self.for_ever[inode] = self.aside / str(inode)
            os.link(path, self.for_ever[inode])
            self.played.files[inode] = File()
        else:
            content = path.read_bytes()
            self.played.files[inode] = File(bytearray(content), now=bytearray(content))

    def lose(self, log: Path, mode: str, lot: random.Random) -> int:
        """Make the folder what is left after the records in `log`; returns how many there were."""
        records = replay.read(log) if log.exists() else []
        for record in records:
            self._awake(record)
            self.played.play(record)
        left = replay.cut(self.played, mode, lot)
        shutil.rmtree(self.disk)
        self.disk.mkdir()
        self._write(left, self.disk, ROOT, {})
        shutil.rmtree(self.aside)
        return len(records)

    def _awake(self, record: Record) -> None:
        """Something happens to one of the files that nobody changes: then its bytes count after all."""
        if record.kind not in "WCT" or int(record.facts[0]) not in self.for_ever:
            return
        content = self.for_ever[int(record.facts[0])].read_bytes()
        if record.kind == "C" and content == record.data:
            self.played.files[int(record.facts[0])].now = bytearray(content)  # only synced once more
            return
        del self.for_ever[int(record.facts[0])]
        self.played.files[int(record.facts[0])] = File(bytearray(content), now=bytearray(content))

    def _write(self, left: replay.Left, place: Path, number: int, made: dict[int, Path]) -> None:
        for name, inode in left.names[number].items():
            path = place / name
            if inode in left.names:
                path.mkdir()
                path.chmod(self.modes.get(inode, 0o755))
                self._write(left, path, inode, made)
            elif inode in left.links:
                path.symlink_to(left.links[inode])
            elif inode in made or inode in self.for_ever:
                os.link(made.setdefault(inode, self.for_ever.get(inode, path)), path)
            elif inode in left.bytes:
                path.write_bytes(left.bytes[inode])
                path.chmod(self.modes.get(inode, _NEW_MODE))
                made[inode] = path


def be_careless() -> None:
    """From here on databases do not sync before they say that something is kept: what the tests of the tests need."""

    @event.listens_for(Engine, "checkout")
    def _lazy(connection: DBAPIConnection, *_others: object) -> None:
        connection.cursor().execute("PRAGMA synchronous=OFF")
