"""Node: what an upstream answers to hello, a hub or a mirror: who it is, and how far its catalog goes. Nothing of it is proved.

This module must not know connections, nor what is done about it.
"""

from typing import Any

from eduhub.delivery.catalog import SignedHead
from eduhub.delivery.trust import Keyring
from eduhub.signing import Signature


def is_of(greeting: dict[str, Any], ring: Keyring) -> bool:
    """Whether it says that it speaks for the hub whose root key is pinned here."""
    return greeting.get("hub") == ring.hub_uid and greeting.get("root") == ring.root.hex()


def head_in(greeting: dict[str, Any]) -> SignedHead | None:
    """The head of its catalog; None: there is nothing in it yet. Raises BadFormat."""
    return None if greeting.get("head") is None else SignedHead.from_json(greeting["head"])


def keys_in(greeting: dict[str, Any]) -> set[str]:
    """The ids of the keys that signed its head and its time; without a head none: then nothing is read. Raises BadFormat.

    The head may be signed by the key of before: a rotation alone writes no newer one.
    """
    if not isinstance(greeting.get("head"), dict):
        return set()
    signed = [greeting["head"], greeting.get("time")]
    return {Signature.from_json(found.get("signature")).key for found in signed if isinstance(found, dict)}
