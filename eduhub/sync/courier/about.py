"""The first file of a stick: whose it is, and what a link would say in its hello. See docs/formats/courier.md.

Nothing of it is believed as it stands: the epoch is the root's word, head and time are signed.

This module must not know the database.
"""

import json
from dataclasses import dataclass
from typing import Any

from eduhub.delivery.catalog import SignedHead
from eduhub.delivery.trust import Keyring
from eduhub.errors import AnotherHubsStick, BadFormat, NoCourier
from eduhub.signing import canonical
from eduhub.sync.courier import layout
from eduhub.sync.courier.stick import Stick

# A signed time of the hub is a moment that has certainly passed, whoever asked for it: it only ever moves a clock forward.
NO_NONCE = "0" * 32


@dataclass(frozen=True)
class About:
    """What a stick says of itself."""

    hub: str
    root: str
    epoch: int
    greeting: dict[str, Any]  # epoch, epoch_statement, head, time: as in a hello
    head: SignedHead | None

    def require_of(self, ring: Keyring) -> None:
        """Raises AnotherHubsStick."""
        if (self.hub, self.root) != (ring.hub_uid, ring.root.hex()):
            raise AnotherHubsStick(f"of hub {self.hub[:36]}")


def to_bytes(hub: str, root: str, greeting: dict[str, Any]) -> bytes:
    """The file."""
    return canonical({"format": layout.FORMAT, "hub": hub, "root": root, **greeting})


def read(stick: Stick) -> About | None:
    """What lies on the stick; None when no hub has filled it, or the stick lost it. Raises NoCourier where it is none of ours."""
    payload = stick.read(layout.ABOUT, max_bytes=layout.MAX_ABOUT_BYTES)
    if payload is None:
        return None
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):  # the hub writes it anew, and a box can still give
        return None
    if not isinstance(found, dict) or found.get("format") != layout.FORMAT:
        raise NoCourier("about.json is of another format")
    hub, root, epoch = found.get("hub"), found.get("root"), found.get("epoch")
    if not isinstance(hub, str) or not isinstance(root, str) or type(epoch) is not int or not 1 <= epoch < 2**53:
        raise NoCourier("about.json does not say whose it is")
    try:
        head = SignedHead.from_json(found.get("head"))
    except BadFormat:
        head = None
    if head is not None and not 0 <= head.sequence < 2**53:
        head = None
    return About(hub, root, epoch, found, head)
