"""The keys of a hub and what it says about them: making, rotating and revoking them.

The public face of `chest.py` (key files) and `trust.py` (who may sign what). Whatever the root
says becomes a catalog entry, so that every node learns it in its place in the sequence.

This module must not know nodes or packages. See docs/formats/keys.md.
"""

import re

from sqlalchemy.orm import Session

from eduhub.delivery import catalog
from eduhub.delivery.chest import KeyChest, read_key, write_key
from eduhub.delivery.models import CatalogEntry, PinnedRoot, TrustedKey
from eduhub.delivery.trust import (
    SCOPES,
    Keyring,
    key_statement,
    keyring,
    pin_root,
    revoke_statement,
)
from eduhub.errors import BadInput
from eduhub.signing import SigningKey
from eduhub.uids import new_uid

__all__ = [
    "SCOPES", "KeyChest", "Keyring", "beside_the_present", "checked_id", "keyring", "make_hub_keys", "pin_root", "read_key", "revoke", "rotate", "write_key",
]  # fmt: skip


def make_hub_keys(session: Session, chest: KeyChest, *, hub_uid: str | None = None) -> PinnedRoot:
    """Make this machine a hub: a root key, a publishing key, and the catalog's first entry about it.

    Safe to repeat: keys that exist are kept. The root key lies in the chest afterwards;
    `chest.take_root_away` moves it to where it is kept offline.
    """
    found = session.get(PinnedRoot, 1)
    if found is not None and catalog.sequence(session) > 0:
        return found
    root = chest.make_root()
    pinned = pin_root(session, root.public, hub_uid or (found.hub_uid if found else new_uid()))
    state_key(session, chest, root, chest.make_publishing().public)
    return pinned


def state_key(
    session: Session, chest: KeyChest, root: SigningKey, public: bytes, *, scopes: tuple[str, ...] = SCOPES
) -> CatalogEntry:
    """Tell everyone, as the next catalog entry, that `public` may sign for `scopes` from there on."""
    first = catalog.sequence(session) + 1
    body = key_statement(root, keyring(session).hub_uid, public, scopes=scopes, from_sequence=first)
    return catalog.append(session, chest, "key", body)


def rotate(session: Session, chest: KeyChest, root: SigningKey) -> SigningKey:
    """State a new publishing key; the old one stays trusted until `revoke`.

    The chest goes on using the old key until the caller, after the commit, calls
    `chest.adopt_next_publishing()`; a crash between the two loses nothing, and calling this again
    states nothing twice.
    """
    following = chest.make_next_publishing()
    known = session.get(TrustedKey, following.id)
    if known is not None and known.revoked_at_sequence is not None:  # of a rotation that was cut; it was shut out since
        chest.drop_next_publishing()
        following = chest.make_next_publishing()
    if session.get(TrustedKey, following.id) is None:
        state_key(session, chest, root, following.public)
    return following


def revoke(session: Session, chest: KeyChest, root: SigningKey, key: str) -> CatalogEntry:
    """Nothing that `key` signs at the next catalog sequence or later holds any more.

    It may be a key that only the nodes know, after a hub was restored. Raises BadInput for the key
    that publishes now (the entry itself must be signed) and for the one that a cut rotation left to follow it.
    """
    following = chest.next_publishing
    if key == chest.publishing.id or (following is not None and key == following.id):
        raise BadInput("this key signs now, or next: 'eduhub keys rotate --revoke' changes it and shuts it out")
    return catalog.append(session, chest, "revoke", revoke_statement(root, keyring(session).hub_uid, checked_id(key)))


def beside_the_present(session: Session, chest: KeyChest) -> list[str]:
    """The ids of the keys that may still publish here though they are not the present one."""
    trusted, present = keyring(session).keys, chest.publishing.id
    return sorted(
        key for key, facts in trusted.items() if key != present and "catalog" in facts.scopes and facts.revoked_at_sequence is None
    )


def checked_id(text: str) -> str:
    """`text` as the id of a key. Raises BadInput."""
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        raise BadInput("a key id is 16 hex digits")
    return text
