"""The catalog's links, pages and heads as they travel: reading and writing them, nothing else.

An entry is canonical JSON {sequence, epoch, kind, version, body, previous}; its hash is the SHA-256
of those bytes and `previous` is the hash before it. A page is 256 entries; a head is signed.

This module must not know the database or which keys are trusted. See docs/formats/catalog.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eduhub.delivery.trust import checked_hub_uid
from eduhub.errors import BadFormat
from eduhub.signing import Signature, canonical, parse_canonical, sha256_hex

HEAD_FORMAT = "eduhub-head/1"
PAGE_FORMAT = "eduhub-catalog-page/1"
PAGE_ENTRIES = 256
MAX_ENTRY_BYTES = 32 << 10
MAX_PAGE_BYTES = PAGE_ENTRIES * (MAX_ENTRY_BYTES + 1) + 200
NO_HASH = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One entry as it travels. `raw` is its canonical bytes, with fields that are not known here."""

    sequence: int
    epoch: int
    kind: str
    version: int
    body: Any
    previous: str
    raw: bytes

    @property
    def hash(self) -> str:
        """The entry's name in the chain."""
        return sha256_hex(self.raw)

    @classmethod
    def from_value(cls, found: Any) -> "Entry":
        """Raises BadFormat for what no hub can have written."""
        raw = canonical(found)
        if not isinstance(found, dict) or len(raw) > MAX_ENTRY_BYTES:
            raise BadFormat(f"a catalog entry is an object of at most {MAX_ENTRY_BYTES} bytes")
        numbers = [found.get(name) for name in ("sequence", "epoch", "version")]
        if not all(type(number) is int and number > 0 for number in numbers):
            raise BadFormat("a catalog entry has a sequence, an epoch and a version")
        kind, previous = found.get("kind"), found.get("previous")
        if not isinstance(kind, str) or not 0 < len(kind) <= 20 or not isinstance(previous, str) or "body" not in found:
            raise BadFormat("a catalog entry has a kind, a body and the hash before it")
        return cls(found["sequence"], found["epoch"], kind, found["version"], found["body"], previous, raw)


@dataclass(frozen=True)
class SignedHead:
    """Where the chain ends, signed by a key with the scope `catalog`."""

    hub: str
    epoch: int
    sequence: int
    hash: str
    signature: Signature

    @property
    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical(head_value(self.hub, self.epoch, self.sequence, self.hash))

    def as_json(self) -> dict[str, Any]:
        """{"head": {...}, "signature": {...}}"""
        return {
            "head": head_value(self.hub, self.epoch, self.sequence, self.hash),
            "signature": self.signature.as_json(),
        }

    @classmethod
    def from_json(cls, found: Any) -> "SignedHead":
        """Raises BadFormat."""
        head = found.get("head") if isinstance(found, dict) else None
        if not isinstance(head, dict) or set(head) != {"format", "hub", "epoch", "sequence", "hash"}:
            raise BadFormat("not a signed head")
        if head["format"] != HEAD_FORMAT or not isinstance(head["hash"], str) or len(head["hash"]) != 64:
            raise BadFormat(f"not a head of {HEAD_FORMAT}")
        if type(head["epoch"]) is not int or type(head["sequence"]) is not int or head["epoch"] < 1:
            raise BadFormat("a head has an epoch and a sequence")
        hub = checked_hub_uid(head["hub"])
        return cls(hub, head["epoch"], head["sequence"], head["hash"], Signature.from_json(found.get("signature")))


def head_value(hub: str, epoch: int, at: int, hash_: str) -> dict[str, Any]:
    """The document that a head's signature covers."""
    return {"format": HEAD_FORMAT, "hub": hub, "epoch": epoch, "sequence": at, "hash": hash_}


def page_of(entry_sequence: int) -> int:
    """The number of the page that holds an entry."""
    return (entry_sequence - 1) // PAGE_ENTRIES


def write_page(number: int, raw_entries: Iterable[bytes]) -> bytes:
    """A page's canonical bytes from those of its entries."""
    entries = b",".join(raw_entries)  # canonical already, and the three names are in canonical order
    return b'{"entries":[%b],"format":"%b","number":%d}' % (entries, PAGE_FORMAT.encode("ascii"), number)


def read_page(payload: bytes, number: int) -> list[Entry]:
    """The entries of a page that arrived; nothing is verified yet. Raises BadFormat."""
    found = parse_canonical(payload, max_bytes=MAX_PAGE_BYTES)
    fits = isinstance(found, dict) and found.get("format") == PAGE_FORMAT and found.get("number") == number
    if not fits or not isinstance(found.get("entries"), list) or len(found["entries"]) > PAGE_ENTRIES:
        raise BadFormat(f"not page {number} of a catalog")
    entries = [Entry.from_value(value) for value in found["entries"]]
    if [entry.sequence for entry in entries] != [number * PAGE_ENTRIES + i + 1 for i in range(len(entries))]:
        raise BadFormat(f"the entries of page {number} are not in their places")
    return entries
