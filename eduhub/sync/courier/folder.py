"""Box: a stick in the place of a link: it answers what `catalog_reading` and `fetch` ask of one, and carries ranges.

What it gives is checked by those who asked, as with any link. Here it is only seen to that a file is read no further
than the size that a signed manifest says, and that one that is not what its name says is no piece of anything: the
link, which may bring a good one, must not be the slower for a bad stick.

This module must not know the database.
"""

from collections.abc import Callable
from typing import Any

from eduhub.delivery.catalog import SignedHead
from eduhub.delivery.chain import MAX_PAGE_BYTES
from eduhub.delivery.package import MAX_MANIFEST_BYTES, piece_count
from eduhub.errors import BadFormat, BlobMissing, CatalogCutShort
from eduhub.sync.courier import layout
from eduhub.sync.courier.stick import BLOCK_BYTES, Stick
from eduhub.sync.fetching.carrier import Receiver
from eduhub.sync.fetching.connection import Range
from eduhub.sync.fetching.wanted import Want
from eduhub.sync.link import PREFIX

_NOT_HERE = b'{"code":"%b"}' % BlobMissing.code.encode("ascii")


class FolderLink:
    """The questions of a round that a stick can answer: pages of the catalog, and which packages it brings."""

    def __init__(self, stick: Stick, head: SignedHead) -> None:
        self._stick, self._head = stick, head

    def get(self, target: str, *, signed: bool = True) -> bytes:
        """A page of the catalog. Raises CatalogCutShort where it is not on the stick."""
        number = int(target.removeprefix(f"{PREFIX}/catalog/pages/").partition("?")[0])
        parts = layout.catalog_page(self._head.epoch, number, self._head.sequence)
        found = self._stick.read(parts, max_bytes=MAX_PAGE_BYTES)
        if found is None:
            raise CatalogCutShort(f"page {number} is not on the stick")
        return found

    def post_json(self, target: str, value: dict[str, Any], *, signed: bool = True) -> dict[str, Any]:
        """Passes for packages: a stick needs none, so they say whether its manifest is there."""
        if target != f"{PREFIX}/passes":
            raise BadFormat(f"a stick does not know {target}")
        brought = [name for name in value["packages"] if self._stick.size(layout.blob(name)) is not None]
        return {"passes": dict.fromkeys(brought, "stick")}


class FolderCarrier:
    """Ranges out of files."""

    def __init__(self, stick: Stick, is_here: Callable[[str], bool]) -> None:
        self._stick, self._is_here = stick, is_here
        self._sizes: dict[str, int] = {}
        self._good: str | None = None  # the blob whose bytes were what its name says, when they were read a moment ago
        self.bytes = 0
        self.damaged: set[str] = set()

    def brings(self, want: Want) -> bool:
        """Whether a file is there that may be this blob."""
        self._sizes[want.sha256] = want.bytes
        if want.pieces:
            self._sizes[want.pieces] = size = 32 * piece_count(want.bytes)
            if self._stick.size(layout.blob(want.pieces)) != size and not self._is_here(want.pieces):
                return False  # nobody could say which of its bytes are good
        return self._stick.size(layout.blob(want.sha256)) == want.bytes

    def run(self, receiver: Receiver) -> None:
        """Bring all that the receiver wants. Raises StickGone, and what the receiver raises."""
        while (asked := receiver.more()) is not None:
            receiver.turn()
            if self._is_good(asked):
                self._bring(asked, receiver)
            else:
                receiver.refuse(asked, BlobMissing.status, _NOT_HERE)

    def _is_good(self, asked: Range) -> bool:
        sha256 = asked.path[-64:]
        if sha256 in self.damaged:
            return False
        if sha256 != self._good:
            # The second reading, for the box, is out of the machine's memory.
            size = self._stick.size(layout.blob(sha256)) if asked.end == MAX_MANIFEST_BYTES else None
            size = self._sizes.get(sha256, size if size is not None and size <= MAX_MANIFEST_BYTES else -1)
            if self._stick.hash_of(layout.blob(sha256), size) != sha256:
                self.damaged.add(sha256)
                return False
            self._good = sha256
            self._sizes[sha256] = size
        return True

    def _bring(self, asked: Range, receiver: Receiver) -> None:
        sha256 = asked.path[-64:]
        asked.end = min(asked.end, self._sizes[sha256])
        with self._stick.opened(layout.blob(sha256)) as file:
            while file is not None and asked.position < asked.end:
                block = self._stick.block(file, asked.position, min(BLOCK_BYTES, asked.end - asked.position))
                if not block:
                    break
                receiver.take(asked, asked.position, block)
                asked.position += len(block)
                self.bytes += len(block)
        if asked.position < asked.end:  # it was whole a moment ago
            self.damaged.add(sha256)
            receiver.refuse(asked, BlobMissing.status, _NOT_HERE)
            return
        receiver.whole(asked)
