"""A parcel as one .tar: how long it is, and its bytes from any place on, so that a download goes on where it was cut.

Nothing is gathered: headers are made and files read as they go out. The bytes are the same each time, because a
parcel does not change once it is made.

This module must not know who reads it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eduhub.errors import StickGone
from eduhub.sync.courier import parcels, tar
from eduhub.sync.courier.layout import FOLDER, Parts

_BLOCK_BYTES = 256 << 10


@dataclass(frozen=True)
class Packed:
    """The .tar of a parcel. `made_s`: what it says of its files' age."""

    place: Path
    made_s: int
    files: tuple[tuple[Parts, int], ...]

    @property
    def length(self) -> int:
        """How long it is."""
        return sum(tar.taken(size) for _parts, size in self.files) + len(tar.END)

    def read(self, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `start` on. Raises StickGone where a file is not what it was."""
        for block in self._from(start):
            yield block[:length]
            length -= len(block)
            if length <= 0:
                return

    def _from(self, start: int) -> Iterator[bytes]:
        at = 0
        for parts, size in self.files:
            behind = at + tar.taken(size)
            if start < behind:
                head = tar.header(parts, size, self.made_s)
                yield from _cut(head, start - at)
                yield from self._file(parts, size, max(0, start - at - len(head)))
                yield from _cut(bytes(tar.padding(size)), start - at - len(head) - size)
            at = behind
        yield from _cut(tar.END, start - at)

    def _file(self, parts: Parts, size: int, start: int) -> Iterator[bytes]:
        if start >= size:
            return
        try:
            with (self.place / FOLDER).joinpath(*parts).open("rb") as file:
                file.seek(start)
                while start < size:
                    block = file.read(min(_BLOCK_BYTES, size - start))
                    if not block:
                        raise StickGone("a file of a parcel has become shorter")
                    start += len(block)
                    yield block
        except OSError as error:
            raise StickGone("a file of a parcel cannot be read") from error


def of(place: Path, made_s: int) -> Packed:
    """The .tar of the parcel that lies at `place`."""
    return Packed(place, made_s, tuple(parcels.files(place)))


def _cut(block: bytes, start: int) -> Iterator[bytes]:
    if rest := block[max(0, start) :]:
        yield rest
