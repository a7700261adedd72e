"""What was sent by a browser becomes a parcel: a .tar as it comes in, or, at the hub, the files of a stick one by one.

Nothing is believed but that the names are those of the layout: who takes the parcel in checks the rest. A file of a stick that
comes by itself has lost its folder, and half its name perhaps: it says itself from which box it is.

This module must not know HTTP. See docs/formats/courier.md.
"""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from eduhub.errors import BadFormat, BadSignature, DiskFull, StickFull
from eduhub.installation import Installation
from eduhub.sync.courier import layout, sealing, tar
from eduhub.sync.courier.layout import Parts
from eduhub.sync.courier.parcels import Parcel


@dataclass
class Came:
    """What was taken into a parcel, and how many files were not."""

    files: int = 0
    passed_over: int = 0
    boxes: set[str] = field(default_factory=set)  # of which something came, by uid: as the names say


def all_of(read: tar.Read, parcel: Parcel, on_bytes: Callable[[int], None] = lambda _count: None) -> Came:
    """Box: take in a .tar. Raises NoStickFile, DiskFull, and what `read` raises."""
    return _take(tar.Reader(read), parcel, lambda _parts: True, on_bytes)


class Home:
    """Hub: what came home, in one file or several. `boxes`: of no others is anything taken; None: of all."""

    def __init__(self, installation: Installation, parcel: Parcel, boxes: Collection[str] | None) -> None:
        self._installation, self._parcel, self._boxes = installation, parcel, boxes
        self.came = Came()

    def take(self, name: str, read: tar.Read) -> None:
        """One file, under the name that its sender gives it. Raises NoStickFile for a bad .tar, DiskFull, what `read` raises."""
        begin = _up_to(read, tar.BLOCK)
        if not tar.is_header(begin):
            self._take_one(name, begin + _up_to(read, layout.MAX_HOME_BYTES + 1 - len(begin)))
            while read(tar.BLOCK):  # what is more is nothing of ours
                pass
            return
        unread = [begin]
        came = _take(tar.Reader(lambda count: _next(unread, count, read)), self._parcel, self._is_taken)
        self.came.files += came.files
        self.came.passed_over += came.passed_over
        self.came.boxes |= came.boxes

    def _is_taken(self, parts: Parts) -> bool:
        node_uid = layout.node_of(parts)
        return parts == layout.ABOUT or (node_uid is not None and (self._boxes is None or node_uid in self._boxes))

    def _take_one(self, name: str, payload: bytes) -> None:
        parts = self._place_of(name, payload) if len(payload) <= layout.MAX_HOME_BYTES else None
        if parts is None or not self._is_taken(parts):
            self.came.passed_over += 1
            return
        _write(self._parcel, parts, [payload])
        self.came.files += 1
        self.came.boxes.add(layout.node_of(parts) or "")

    def _place_of(self, name: str, payload: bytes) -> Parts | None:
        if payload[:1] == b"{":
            return _want_in(payload)
        found = layout.HOME_NAME_IN.search(name)
        try:
            node_uid = sealing.sender(self._installation, payload)
        except (BadFormat, BadSignature):
            return None
        parts = (layout.HOME, node_uid, f"{found[1]}.sealed") if found else ()
        return parts if layout.node_of(parts) is not None else None


def _want_in(payload: bytes) -> Parts | None:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    said = found.get("want") if isinstance(found, dict) else None
    node_uid = said.get("node") if isinstance(said, dict) else None
    return layout.want(node_uid) if isinstance(node_uid, str) and layout.UID.fullmatch(node_uid) else None


def _take(
    reader: tar.Reader, parcel: Parcel, is_taken: Callable[[Parts], bool], on_bytes: Callable[[int], None] = lambda _count: None
) -> Came:
    came = Came()
    for member in reader.members():
        if not is_taken(member.parts):
            came.passed_over += 1
            continue
        _write(parcel, member.parts, member.blocks)
        came.files += 1
        on_bytes(member.size)
        if (node_uid := layout.node_of(member.parts)) is not None:
            came.boxes.add(node_uid)
    came.passed_over += reader.passed_over
    return came


def _write(parcel: Parcel, parts: Parts, blocks: Iterable[bytes]) -> None:
    try:
        parcel.write(parts, blocks)
    except StickFull as error:  # no stick is full, but the disk of this machine
        raise DiskFull(str(error)) from error


def _up_to(read: tar.Read, count: int) -> bytes:
    found = bytearray()
    while len(found) < count and (more := read(count - len(found))):
        found += more
    return bytes(found)


def _next(unread: list[bytes], count: int, read: tar.Read) -> bytes:
    if not unread:
        return read(count)
    first = unread.pop()
    if len(first) > count:
        unread.append(first[count:])
    return first[:count]
