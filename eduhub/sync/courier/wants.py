"""The want-list: what a box says that it holds, so that a stick brings what it lacks. A few kilobytes.

`held` is one bit for each entry of the catalog, set where the package of that entry is whole here; `partial` are the
parts that are here of those that have begun. What is not said to be held is lacking. A list that is wrong costs room
on a stick and nothing else: it is signed so that nobody else can waste it, or hide a box's backlog.

This module must not know sticks. See docs/formats/courier.md.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import __version__
from eduhub.changes.values import check_plain
from eduhub.delivery import catalog, published, room
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadSignature
from eduhub.installation import Installation
from eduhub.signing import canonical
from eduhub.sync.courier import program
from eduhub.sync.courier.sealing import check_signed_by
from eduhub.sync.fetching import wanted
from eduhub.sync.homeward import outbox
from eduhub.sync.models import Node, OutboxRow, Upstream
from eduhub.sync.school_stream import applying
from eduhub.sync.status import box_status

FORMAT = "eduhub-courier-want/1"
MAX_PARTIAL = 100  # packages; of the others every part counts as lacking
MAX_SEQUENCE = 10_000_000


@dataclass(frozen=True)
class Want:
    """A want-list that its box has signed."""

    document: Mapping[str, Any]

    @property
    def made_s(self) -> int:
        """The box's steady second at which it was made: of two lists the later one counts."""
        return int(self.document["made_s"])

    @property
    def version(self) -> str:
        """The release that the box runs."""
        return str(self.document.get("version", ""))[:20]

    @property
    def catalog_sequence(self) -> int:
        """How far the box has read the catalog."""
        return int(self.document["catalog"])

    @property
    def stream_epoch(self) -> int:
        """The epoch in which it reads its school stream."""
        return int(self.document["stream"][0])

    @property
    def stream_sequence(self) -> int:
        """How far it has read that."""
        return int(self.document["stream"][1])

    def has_whole(self, sequence: int) -> bool:
        """Whether the package that the catalog's entry `sequence` published is whole there."""
        bits: bytes = self.document["held_bits"]
        return 0 < sequence <= 8 * len(bits) and bool(bits[(sequence - 1) // 8] >> (sequence - 1) % 8 & 1)

    def has_part(self, sequence: int, number: int) -> bool:
        """Whether part `number` (from 0, in the manifest's order) of a package is there."""
        if self.has_whole(sequence):
            return True
        bits: bytes = self.document["partial_bits"].get(sequence, b"")
        return number < 8 * len(bits) and bool(bits[number // 8] >> number % 8 & 1)


def make(session: Session, installation: Installation, upstream: Upstream) -> bytes:
    """Box: its want-list, signed, as it lies on the stick."""
    document = {
        "format": FORMAT, "hub": keyring(session).hub_uid, "node": upstream.node_uid, "version": __version__,
        "made_s": int(installation.steady.now_s()), "epoch": catalog.state(session).epoch,
        "catalog": catalog.sequence(session), "stream": [upstream.stream_epoch, upstream.stream_sequence],
        "incarnations": [[name, _acknowledged(session, name)] for name in outbox.incarnations(session)],
        "pages": len(applying.kept_pages(session)), "waiting": outbox.waiting(session), "free": room.free(installation.settings.data_dir),
        **_held(session), "program": program.said(session, installation.blobs),
        "status": box_status.of_box(session, installation),
    }  # fmt: skip
    signature = installation.keys.node_signing.sign(FORMAT, canonical(document))
    return canonical({"want": document, "signature": signature.as_json()})


def read(payload: bytes, hub: str, node: Node) -> Want:
    """Hub: the want-list of a box. Raises BadFormat, BadSignature."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadFormat("a want-list is JSON") from error
    document = found.get("want") if isinstance(found, dict) else None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadFormat("not a want-list")
    check_plain(document)
    check_signed_by(node, FORMAT, document, found.get("signature"))
    if (document.get("hub"), document.get("node")) != (hub, node.uid):
        raise BadSignature("the want-list of another box or hub")
    return from_document(document)


def from_document(document: Mapping[str, Any]) -> Want:
    """A want-list whose signature was checked. Raises BadFormat."""
    stream = document.get("stream")
    numbers = [document.get(name) for name in ("made_s", "epoch", "catalog", "pages")]
    if not isinstance(stream, list) or len(stream) != 2 or not all(map(_is_number, [*numbers, *stream])):
        raise BadFormat("a want-list says how far its box has read")
    if document["catalog"] > MAX_SEQUENCE:
        raise BadFormat("no catalog is that long")
    partial = document.get("partial")
    if not isinstance(document.get("held"), str) or not isinstance(partial, dict) or len(partial) > MAX_PARTIAL:
        raise BadFormat("a want-list says what its box holds")
    try:
        packed = base64.b64decode(document["held"], validate=True)
        # What unpacks without end is cut off where the catalog ends.
        held = zlib.decompressobj().decompress(packed, document["catalog"] // 8 + 1) if packed else b""
        parts = {int(name): bytes.fromhex(bits) for name, bits in partial.items()}
    except (ValueError, TypeError, binascii.Error, zlib.error) as error:
        raise BadFormat("what a want-list says to be held cannot be read") from error
    return Want({**document, "held_bits": held, "partial_bits": parts})


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _acknowledged(session: Session, incarnation: str) -> int:
    known = select(func.max(OutboxRow.sequence)).where(
        OutboxRow.incarnation == incarnation, OutboxRow.acknowledged_steady_s.is_not(None)
    )
    return session.scalar(known) or 0


def _held(session: Session) -> dict[str, Any]:
    here = list(session.scalars(select(PackageRow.id)))
    sequences = {name: found.sequence for name, found in published.of(session, here).items()}
    whole = wanted.complete(session, sequences)
    begun = sorted(sequences.keys() - whole, key=lambda name: -sequences[name])
    partial = {str(sequences[name]): parts for name in begun[:MAX_PARTIAL] if (parts := _parts_held(session, name))}
    bits = _bits(sequences[name] - 1 for name in whole)
    return {"held": base64.b64encode(zlib.compress(bits, 9)).decode("ascii"), "partial": partial}


def _parts_held(session: Session, package_id: str) -> str:
    held = set(session.scalars(select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.held)))
    parts = Manifest.from_bytes(session.get_one(PackageRow, package_id).manifest).parts
    return _bits(number for number, part in enumerate(parts) if part.sha256 in held).hex()


def _bits(places: Iterable[int]) -> bytes:
    set_ones = sorted(places)
    bits = bytearray(set_ones[-1] // 8 + 1 if set_ones else 0)
    for place in set_ones:
        bits[place // 8] |= 1 << place % 8
    return bytes(bits)
