"""What boxes send home is sealed to the hub: whoever finds a stick reads nobody's name on it.

The hub's sealing key (X25519) is spoken for by a catalog entry of the kind `sealing`, so that every box learns it in
the order of the chain, whenever it joined and whoever carried the catalog. The newest entry counts. The hub keeps the
keys before it, for a stick may be on its way for months.

A sealed file is the key's id (16 hex digits) and HPKE's bytes. What is sealed is signed by the box.

This module must not know sticks. See docs/formats/courier.md.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery import catalog
from eduhub.delivery.models import CatalogEntry
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadSignature
from eduhub.installation import Installation
from eduhub.signing import (
    Signature,
    SigningKey,
    canonical,
    key_id,
    parse_canonical,
    seal,
    sealing_public,
    unseal,
    verify,
)
from eduhub.sync.courier.layout import UID
from eduhub.sync.models import Node

KIND = "sealing"
KEY_FORMAT = "eduhub-hub-sealing/1"
HOME_FORMAT = "eduhub-courier-home/1"
MAX_OPENED_BYTES = 4 << 20
OUTBOX, PAGE = "outbox", "page"

_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Letter:
    """What one sealed file says: some rows of an outbox (gzip, as they are posted), or a page of the stream (JSON)."""

    kind: str  # OUTBOX or PAGE; a hub passes over others
    body: bytes


def state_key(session: Session, installation: Installation) -> None:
    """Hub: have the catalog speak for the sealing key, if it does not yet. Safe to repeat."""
    public = sealing_public(installation.keys.make_hub_sealing()).hex()
    if stated_key(session) != public:
        body = {"format": KEY_FORMAT, "hub": keyring(session).hub_uid, "key": public}
        catalog.append(session, installation.keys, KIND, body)


def rotate(session: Session, installation: Installation) -> None:
    """Hub: seal to a new key from now on; what was sealed to the one before can still be read."""
    installation.keys.renew_hub_sealing()
    state_key(session, installation)


def stated_key(session: Session) -> str | None:
    """The hub's newest sealing key that the catalog here speaks for, in hex; None while there is none."""
    newest = select(CatalogEntry.body).where(CatalogEntry.kind == KIND).order_by(CatalogEntry.sequence.desc()).limit(1)
    body = session.scalars(newest).first()
    stated = parse_canonical(body).get("body") if body is not None else None
    if not isinstance(stated, dict) or stated.get("format") != KEY_FORMAT or not isinstance(stated.get("key"), str):
        return None
    return stated["key"] if _KEY.fullmatch(stated["key"]) else None


def seal_letter(public: str, key: SigningKey, *, hub: str, node_uid: str, letter: Letter) -> bytes:
    """Box: a letter as it lies on the stick; `public` is the hub's sealing key in hex, `key` the box's own."""
    document = {
        "format": HOME_FORMAT, "hub": hub, "node": node_uid, "kind": letter.kind,
        "body": base64.b64encode(letter.body).decode("ascii"),
    }  # fmt: skip
    signed = {"document": document, "signature": key.sign(HOME_FORMAT, canonical(document)).as_json()}
    raw = bytes.fromhex(public)
    return key_id(raw).encode("ascii") + seal(raw, HOME_FORMAT, canonical(signed))


def sender(installation: Installation, sealed: bytes) -> str:
    """Hub: the box from which a letter says to be. Nothing of it is believed before `open_letter`. Raises BadSignature, BadFormat."""
    node_uid = _unsealed(installation, sealed)[0].get("node")
    if not isinstance(node_uid, str) or not UID.fullmatch(node_uid):
        raise BadFormat("a letter says from which box it is")
    return node_uid


def _unsealed(installation: Installation, sealed: bytes) -> tuple[dict[str, Any], Any]:
    seed = installation.keys.hub_sealing_of(sealed[:16].decode("ascii", errors="replace"))
    if seed is None:
        raise BadSignature("sealed to a key that is not here")
    found = parse_canonical(unseal(seed, HOME_FORMAT, sealed[16:]), max_bytes=MAX_OPENED_BYTES)
    document: Any = found.get("document") if isinstance(found, dict) else None
    if not isinstance(document, dict) or document.get("format") != HOME_FORMAT:
        raise BadFormat("not a letter")
    return document, found.get("signature")


def open_letter(installation: Installation, hub: str, node: Node, sealed: bytes) -> Letter:
    """Hub: a letter of this very box. Raises BadSignature, BadFormat."""
    document, signature = _unsealed(installation, sealed)
    check_signed_by(node, HOME_FORMAT, document, signature)
    if (document.get("hub"), document.get("node")) != (hub, node.uid):
        raise BadSignature("a letter to another hub, or of another box")
    kind, body = document.get("kind"), document.get("body")
    if not isinstance(kind, str) or not isinstance(body, str):
        raise BadFormat("a letter has a kind and a body")
    try:
        return Letter(kind, base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadFormat("a letter's body is base64") from error


def check_signed_by(node: Node, form: str, document: dict[str, Any], signature: Any) -> None:
    """Return when the box signed the document. Raises BadSignature, BadFormat."""
    verify(bytes.fromhex(node.signing_public), form, canonical(document), Signature.from_json(signature))
