"""What a power cut can leave of the files that a recorded program wrote.

Reads the log of recorder.c and keeps, for every file and every folder, what is surely on the disk and
what is only on its way. At any record the power can go; then of what was on its way any part may be there:
a write wholly, up to a sector, or not; a name or not. A file system with a journal keeps two
promises, and no more: a rename is there or is not, and never loses the file between two folders.
"""

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR = 512
ROOT = 0
# How what is on its way is lost. "some" is by lot: every write and every name by itself.
MODES = ("nothing", "everything", "names without bytes", "bytes without names", "some", "some", "some")


@dataclass
class File:
    """`sure` is on the disk; `coming` are writes (offset, bytes), cuts (size, None) and whole contents (-1, bytes)."""

    sure: bytearray = field(default_factory=bytearray)
    coming: list[tuple[int, bytes | None]] = field(default_factory=list)
    now: bytearray = field(default_factory=bytearray)
    is_link_to: str | None = None

    def add(self, change: tuple[int, bytes | None]) -> None:
        self.coming.append(change)
        apply(self.now, change)

    def is_sure(self, count: int) -> None:
        for change in self.coming[:count]:
            apply(self.sure, change)
        del self.coming[:count]


@dataclass
class Change:
    """One change of a folder's names. `to` is None for a name that goes; `old`: the name it had in this folder."""

    name: str
    to: int | None
    old: str | None = None
    elsewhere: "tuple[Folder, Change] | None" = None  # where a file that goes here has come to


@dataclass
class Folder:
    sure: dict[str, int] = field(default_factory=dict)
    coming: list[Change] = field(default_factory=list)
    now: dict[str, int] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        self.coming.append(change)
        rename(self.now, change)

    def is_sure(self, count: int) -> None:
        changes, self.coming = self.coming[:count], self.coming[count:]
        for change in changes:
            rename(self.sure, change)
            if change.elsewhere is not None:
                folder, arrival = change.elsewhere
                if arrival in folder.coming:
                    folder.coming.remove(arrival)
                    rename(folder.sure, arrival)


def apply(content: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, data = change
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
    elif offset < 0:
        content[:] = data
    else:
        if offset > len(content):
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data


def rename(names: dict[str, int], change: Change) -> None:
    if change.old is not None:
        names.pop(change.old, None)
    if change.to is None:
        names.pop(change.name, None)
    else:
        names[change.name] = change.to


@dataclass(frozen=True)
class Record:
    kind: str
    facts: tuple[str, ...]
    data: bytes


def read(log: Path) -> list[Record]:
    """The log's records, in order."""
    raw, at, found = log.read_bytes(), 0, []
    while at < len(raw):
        end = raw.index(b"\n", at)
        kind, _, rest = raw[at:end].decode().partition(" ")
        at = end + 1
        data = b""
        if kind in "WC":
            size = int(rest.split(" ")[2])
            data, at = raw[at : at + size], at + size
        split = {"W": 2, "C": 2, "T": 1, "B": 1, "E": 1, "N": 1, "M": 1, "R": 1, "L": 1, "S": 1}.get(kind, 0)
        found.append(Record(kind, tuple(rest.split(" ", split)), data))
    return found


class Disk:
    """The recorded folder's files as they come to be, record after record."""

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.folders: dict[int, Folder] = {ROOT: Folder()}
        self.promises: list[Any] = []
        self._syncs: dict[tuple[str, str], int] = {}
        self._root_inode: str | None = None

    def play(self, record: Record) -> None:
        """One record more."""
        getattr(self, f"_{record.kind.lower()}")(record, *record.facts)

    # --- what records mean -----------------------------------------------------------

    def _a(self, record: Record, promise: str) -> None:
        self.promises.append(json.loads(promise))

    def _w(self, record: Record, inode: str, offset: str, _size: str) -> None:
        self._file(inode).add((int(offset), record.data))

    def _c(self, record: Record, inode: str, _offset: str, _size: str) -> None:
        file = self._file(inode)
        if file.now != record.data:
            file.add((-1, record.data))

    def _t(self, record: Record, inode: str, size: str) -> None:
        self._file(inode).add((int(size), None))

    def _b(self, record: Record, inode: str, turn: str) -> None:
        thing = self._thing(inode)
        self._syncs[inode, turn] = len(thing.coming)

    def _e(self, record: Record, inode: str, turn: str) -> None:
        self._thing(inode).is_sure(self._syncs.pop((inode, turn)))
        # Another sync that had begun counted what is sure now.
        for (other, since), count in list(self._syncs.items()):
            if other == inode:
                self._syncs[other, since] = min(count, len(self._thing(inode).coming))

    def _n(self, record: Record, inode: str, path: str) -> None:
        self.files[int(inode)] = File()
        self._folder_of(path).add(Change(Path(path).name, int(inode)))

    def _s(self, record: Record, inode: str, both: str) -> None:
        path, target = both.split("\t")
        self.files[int(inode)] = File(is_link_to=target)
        self._folder_of(path).add(Change(Path(path).name, int(inode)))

    def _m(self, record: Record, inode: str, path: str) -> None:
        self.folders[int(inode)] = Folder()
        self._folder_of(path).add(Change(Path(path).name, int(inode)))

    def _l(self, record: Record, inode: str, path: str) -> None:
        self._folder_of(path).add(Change(Path(path).name, int(inode)))

    def _u(self, record: Record, path: str) -> None:
        folder = self._folder_of(path)
        if Path(path).name in folder.now:
            folder.add(Change(Path(path).name, None))

    def _r(self, record: Record, inode: str, both: str) -> None:
        old, new = both.split("\t")
        from_folder, to_folder = self._folder_of(old), self._folder_of(new)
        if from_folder is to_folder:
            from_folder.add(Change(Path(new).name, int(inode), old=Path(old).name))
            return
        arrival = Change(Path(new).name, int(inode))
        to_folder.add(arrival)
        from_folder.add(Change(Path(old).name, None, elsewhere=(to_folder, arrival)))

    # --- inside ----------------------------------------------------------------------

    def _file(self, inode: str) -> File:
        return self.files.setdefault(int(inode), File())

    def _thing(self, inode: str) -> File | Folder:
        if int(inode) in self.folders:
            return self.folders[int(inode)]
        if int(inode) in self.files:
            return self.files[int(inode)]
        # Synced and never made: the folder that all of this lies in.
        return self.folders[ROOT]

    def _folder_of(self, path: str) -> Folder:
        folder = self.folders[ROOT]
        for name in Path(path).parts[:-1]:
            inode = folder.now.get(name)
            if inode is None or inode not in self.folders:
                folder.add(Change(name, inode := -len(self.folders)))
                self.folders[inode] = Folder()
            folder = self.folders[inode]
        return folder


@dataclass(frozen=True)
class Left:
    """What one power cut left: names of each folder, bytes of each file."""

    names: dict[int, dict[str, int]]
    bytes: dict[int, bytes]
    links: dict[int, str]

    def write(self, place: Path) -> None:
        """Make these files below the empty folder `place`."""
        made: dict[int, Path] = {}

        def fill(folder: Path, inode: int) -> None:
            for name, child in self.names[inode].items():
                path = folder / name
                if child in self.names:
                    path.mkdir()
                    fill(path, child)
                elif child in self.links:
                    path.symlink_to(self.links[child])
                elif child in made:
                    os.link(made[child], path)
                elif child in self.bytes:
                    path.write_bytes(self.bytes[child])
                    made[child] = path

        fill(place, ROOT)


def cut(disk: Disk, mode: str, lot: random.Random) -> Left:
    """The power goes now."""
    names = {inode: dict(folder.sure) for inode, folder in disk.folders.items()}
    for inode, folder in disk.folders.items():
        for change in folder.coming:
            if mode in {"everything", "names without bytes"} or (mode == "some" and lot.random() < 0.5):
                _arrive(disk, names, change)
                rename(names[inode], change)
    found = {}
    for number, file in disk.files.items():
        content = bytearray(file.sure)
        for change in file.coming:
            if mode in {"everything", "bytes without names"}:
                apply(content, change)
            elif mode == "some" and lot.random() < 0.6:
                apply(content, _torn(change, lot))
        found[number] = bytes(content)
    links = {inode: file.is_link_to for inode, file in disk.files.items() if file.is_link_to is not None}
    return Left(names, found, links)


def _arrive(disk: Disk, names: dict[int, dict[str, int]], change: Change) -> None:
    """A name that goes because its file is elsewhere goes only together with the name there."""
    if change.elsewhere is None:
        return
    folder, arrival = change.elsewhere
    if arrival in folder.coming:
        inode = next(inode for inode, other in disk.folders.items() if other is folder)
        rename(names[inode], arrival)


def _torn(change: tuple[int, bytes | None], lot: random.Random) -> tuple[int, bytes | None]:
    """A write of which, one time in three, only the first sectors are there."""
    offset, data = change
    if data is None or len(data) <= SECTOR or lot.random() > 1 / 3:
        return change
    return offset, data[: SECTOR * lot.randrange(1, len(data) // SECTOR + 1)]


def cuts(records: list[Record], count: int, seed: int, *, since: int = 0) -> Iterator[tuple[int, str, Left, list[Any]]]:
    """`count` power cuts, spread over the records from `since` on: (after how many, how, what is left, what was promised before)."""
    lot = random.Random(seed)
    # Only after these can more be lost or promised than after the one before.
    points = [at for at, record in enumerate(records, 1) if record.kind != "C" and at >= since]
    every = [(at, mode) for at in points for mode in MODES]
    chosen = sorted(lot.sample(range(len(every)), min(count, len(every))))
    disk, played = Disk(), 0
    for number in chosen:
        at, mode = every[number]
        while played < at:
            disk.play(records[played])
            played += 1
        yield at, mode, cut(disk, mode, lot), list(disk.promises)
