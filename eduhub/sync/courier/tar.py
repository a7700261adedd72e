"""A courier's folder as one .tar, so that browsers can carry it: how a member is written, and how a stranger's is read.

Written is plain ustar: what any computer unpacks. Read is no more than that, and the long names of two other dialects; a
reader of our own, because the standard library's believes sizes and gathers headers of any length in memory.

A hostile file is refused as a whole (links, devices, paths that lead out of the folder, a name that comes twice, a
size that does not fit). A file of another name is passed over, as on a stick. What a good file brings is believed no
more for it: those who read the folder check everything.

This module must not know files. See docs/formats/courier.md.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from eduhub.errors import NoStickFile
from eduhub.sync.courier import layout
from eduhub.sync.courier.layout import FOLDER, Parts

BLOCK = 512
END = bytes(2 * BLOCK)
MOST_BYTES = (8 << 30) - 1  # of one member: 11 octal digits
MOST_MEMBERS = 100_000
_READ = 256 << 10
_MOST_HEADER_BYTES = 16 << 10  # of what another dialect puts before a member
_NUMBER = re.compile(rb"[ ]*[0-7]+[ \0]*")
_FILES, _FOLDER_KIND = (b"0", b"\0"), b"5"
_LONG_NAME, _PAX, _PAX_OF_ALL = b"L", b"x", b"g"
_PAX_RECORD = re.compile(rb"([0-9]{1,5}) ([^=]{1,200})=")
# Words of pax that change what a member is, and not what it is called.
_CHANGES_WHAT_IT_IS = (b"size", b"linkpath", b"GNU.sparse")

Read = Callable[[int], bytes]  # at most so many bytes; b"": the end


def header(parts: Parts, size: int, made_s: int) -> bytes:
    """What stands before the bytes of a file."""
    name = "/".join((FOLDER, *parts)).encode("ascii")
    prefix = b""
    if len(name) > 100:
        at = name.rindex(b"/", 0, 156)
        prefix, name = name[:at], name[at + 1 :]
    assert len(name) <= 100
    assert 0 <= size <= MOST_BYTES
    fields = (
        name.ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % size, b"%011o\0" % made_s, b" " * 8,
        b"0", bytes(100), b"ustar\00000", bytes(32), bytes(32), bytes(16), prefix.ljust(155, b"\0"), bytes(12),
    )  # fmt: skip
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> int:
    """How many bytes come after a file's, so that the next header begins with a block."""
    return -size % BLOCK


def taken(size: int) -> int:
    """How much a file takes in a .tar."""
    return BLOCK + size + padding(size)


def is_header(block: bytes) -> bool:
    """Whether a .tar may begin so."""
    return len(block) == BLOCK and _number(block[148:156]) == _checksum(block)


@dataclass(frozen=True)
class Member:
    """A file in a .tar that the layout knows; `blocks` are its bytes, to be read before the next member is asked for."""

    parts: Parts
    size: int
    blocks: Iterator[bytes]


class Reader:
    """The files of a .tar that comes in, one after the other, in bounded memory. `passed_over`: those of other names."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._left = 0  # of the member that is being read
        self.passed_over = 0

    def members(self) -> Iterator[Member]:
        """Every file that the layout knows. Raises NoStickFile, and what `read` raises; until the end nothing is certain."""
        seen: set[Parts] = set()
        long_name: bytes | None = None
        for _count in range(MOST_MEMBERS):
            block = self._exactly(BLOCK)
            if block == bytes(BLOCK):
                self._read_to_end()
                return
            if not is_header(block):
                raise NoStickFile("not a header of a .tar")
            size, kind = _size(block), block[156:157]
            if kind in (_LONG_NAME, _PAX, _PAX_OF_ALL):
                long_name = self._told(kind, size) or long_name
                continue
            parts = _parts(long_name if long_name is not None else _name(block))
            long_name = None
            if kind == _FOLDER_KIND and size == 0:
                continue
            if kind not in _FILES:
                raise NoStickFile(f"a member of the kind {kind!r}")
            yield from self._member(parts, size, seen)
        raise NoStickFile("too many members")

    def _member(self, parts: Parts, size: int, seen: set[Parts]) -> Iterator[Member]:
        most = layout.most_bytes(parts[1:], MOST_BYTES) if parts[0] == FOLDER else None
        if most is not None and size > most:
            raise NoStickFile("a file is larger than one of its kind can be")
        if parts in seen:
            raise NoStickFile("a name comes twice")
        self._left = size
        if most is None:
            self.passed_over += 1
        else:
            seen.add(parts)
            yield Member(parts[1:], size, self._blocks())
        for _rest in self._blocks():
            pass
        if any(self._exactly(padding(size))):
            raise NoStickFile("something stands between two members")

    def _blocks(self) -> Iterator[bytes]:
        while self._left:
            found = self._read(min(_READ, self._left))
            if not found:
                raise NoStickFile("it ends in the middle of a file")
            self._left -= len(found)
            yield found

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._read(count - len(found))
            if not more:
                raise NoStickFile("it ends too early")
            found += more
        return found

    def _read_to_end(self) -> None:
        """Zeros, as many as there are: another program fills its last record with them."""
        while found := self._read(_READ):
            if any(found):
                raise NoStickFile("something stands behind the end")

    def _told(self, kind: bytes, size: int) -> bytes | None:
        """The name that a member of another dialect gives to the next one, if any."""
        if size > _MOST_HEADER_BYTES:
            raise NoStickFile("a header is too long")
        payload = self._exactly(size)
        self._exactly(padding(size))
        if kind == _LONG_NAME:
            return payload.rstrip(b"\0")
        found, at = None, 0
        while at < len(payload):
            match = _PAX_RECORD.match(payload, at)
            end = at + int(match[1]) if match is not None else 0
            if match is None or not match.end() < end <= size or match[2].startswith(_CHANGES_WHAT_IT_IS):
                raise NoStickFile("a header that is not understood")
            if match[2] == b"path":
                found = payload[match.end() : end - 1]
            at = end
        if found is not None and kind == _PAX_OF_ALL:
            raise NoStickFile("one name for all")
        return found


def _name(block: bytes) -> bytes:
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _parts(name: bytes) -> Parts:
    """A path of names, of which none leads anywhere else. Names in other letters are nobody's whom we know."""
    parts = tuple(name.decode("utf-8", "replace").removeprefix("./").rstrip("/").split("/"))
    if parts == ("",) or parts == (".",):
        return ("",)  # the folder in which it all lay
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise NoStickFile("a path that leads elsewhere")
    return parts


def _size(block: bytes) -> int:
    found = _number(block[124:136])
    if found is None:
        raise NoStickFile("a size that is no number")
    return found


def _number(field: bytes) -> int | None:
    return int(field.strip(b" \0"), 8) if _NUMBER.fullmatch(field) else None


def _checksum(block: bytes) -> int:
    return sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
