"""A page of the school stream as it travels: signed, packed and sealed to one box; opened and verified there.

This module must not know the database, nor what the entries of a page mean. See docs/formats/school-stream.md.
"""

import gzip
from dataclasses import dataclass
from typing import Any

from eduhub.delivery.trust import Keyring
from eduhub.errors import BadFormat
from eduhub.signing import Signature, SigningKey, canonical, parse_canonical, seal, unseal
from eduhub.sync.models import Node
from eduhub.sync.school_stream.streams import FORMAT
from eduhub.sync.unpacking import unpacked

MAX_UNPACKED_BYTES = 2 << 20


@dataclass(frozen=True)
class OpenedPage:
    """A verified page. `payload` is the canonical bytes that `signature` covers."""

    payload: bytes
    signature: Signature
    org_uid: str
    epoch: int
    after: int
    upto: int
    more: bool
    entries: list[dict[str, Any]]


def sealed_page(payload: bytes, key: SigningKey, node: Node) -> bytes:
    """Hub: a page as it goes to one box."""
    signed = canonical({"payload": payload.decode("utf-8"), "signature": key.sign(FORMAT, payload).as_json()})
    return seal(bytes.fromhex(node.sealing_public), FORMAT, gzip.compress(signed, 9, mtime=0))


def open_page(sealed: bytes, sealing_seed: bytes, ring: Keyring) -> OpenedPage:
    """Node: the page in some sealed bytes. Raises BadSignature, BadFormat."""
    signed = unpacked(unseal(sealing_seed, FORMAT, sealed), MAX_UNPACKED_BYTES)
    found = parse_canonical(signed, max_bytes=MAX_UNPACKED_BYTES)
    if not isinstance(found, dict) or not isinstance(found.get("payload"), str):
        raise BadFormat("not a signed page")
    return read_page(found["payload"].encode("utf-8"), Signature.from_json(found.get("signature")), ring)


def read_page(payload: bytes, signature: Signature, ring: Keyring) -> OpenedPage:
    """A signed page, verified. Raises BadSignature, BadFormat."""
    ring.verify(FORMAT, payload, signature, scope="stream")
    found = parse_canonical(payload, max_bytes=MAX_UNPACKED_BYTES)
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("org"), str):
        raise BadFormat(f"not an {FORMAT}")
    numbers = [found.get(name) for name in ("epoch", "after", "upto")]
    if not all(type(number) is int and number >= 0 for number in numbers) or type(found.get("more")) is not bool:
        raise BadFormat("a page says where it begins and ends")
    entries = found.get("entries")
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        raise BadFormat("a page lists entries")
    return OpenedPage(
        payload, signature, found["org"], found["epoch"], found["after"], found["upto"], found["more"], entries
    )


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("sequence")) is int
        and all(isinstance(entry.get(name), str) for name in ("kind", "table", "uid"))
        and isinstance(entry.get("fields"), list)
    )
