"""How far the hub is with what a box sent home, as a stick carries it: one signed word for each box.

It says the highest number that the hub holds without a gap, and lasts within its epoch: an old one tells nothing new.
`given_back`: after the hub was restored, whether it has what this box gave back of its school stream.

This module must not know sticks or the database.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eduhub.delivery.trust import Keyring
from eduhub.errors import BadFormat, BadSignature
from eduhub.signing import Signature, SigningKey, canonical
from eduhub.sync.courier.layout import UID

FORMAT = "eduhub-courier-ack/1"
MAX_INCARNATIONS = 500


@dataclass(frozen=True)
class Word:
    """What the hub says to one box."""

    contiguous: Mapping[str, int]  # by incarnation
    given_back: bool
    digests: Mapping[str, str] = field(default_factory=dict)  # of the row of that number, where it is known


def to_bytes(key: SigningKey, *, hub: str, node_uid: str, epoch: int, word: Word) -> bytes:
    """The signed file."""
    document = {
        "format": FORMAT, "hub": hub, "node": node_uid, "epoch": epoch, "given_back": word.given_back,
        "contiguous": dict(word.contiguous),
    }  # fmt: skip
    document |= {"digests": dict(word.digests)} if word.digests else {}
    return canonical({"acknowledgement": document, "signature": key.sign(FORMAT, canonical(document)).as_json()})


def read(payload: bytes, ring: Keyring, node_uid: str, epoch: int) -> Word:
    """What the hub says to this box in this epoch; nothing, where it was said in another. Raises BadFormat, BadSignature."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadFormat("an acknowledgement is JSON") from error
    document: Any = found.get("acknowledgement") if isinstance(found, dict) else None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadFormat("not an acknowledgement")
    ring.verify(FORMAT, canonical(document), Signature.from_json(found.get("signature")), scope="stream")
    if (document.get("hub"), document.get("node")) != (ring.hub_uid, node_uid):
        raise BadSignature("an acknowledgement to another box")
    if document.get("epoch") != epoch:
        return Word({}, False)
    numbers = document.get("contiguous")
    if not isinstance(numbers, dict) or len(numbers) > MAX_INCARNATIONS:
        raise BadFormat("an acknowledgement has numbers")
    if not all(UID.fullmatch(name) and type(number) is int for name, number in numbers.items()):
        raise BadFormat("an acknowledgement has a number for each incarnation")
    digests = document.get("digests", {})
    if not isinstance(digests, dict) or not all(isinstance(found, str) for found in digests.values()):
        raise BadFormat("a digest is text")
    return Word(numbers, document.get("given_back") is True, digests)
