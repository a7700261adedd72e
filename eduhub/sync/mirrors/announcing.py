"""Node: what a box says of itself on the school's network, and what it makes of what others say: pure functions.

What is said is a hint that anybody can make: it is read with bounds, and nothing follows from it but that a box is asked
who it is. The hub is named by a hash, so that a stranger learns nothing of it. See docs/formats/mirrors.md.

This module must not know zeroconf.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from eduhub.signing import sha256_hex
from eduhub.sync.mirrors.known import Sighting

SERVICE, WEB_SERVICE = "_eduhub._tcp.local.", "_http._tcp.local."
VERSION = b"1"
_NUMBER, _UID = re.compile(rb"[0-9]{1,15}"), re.compile(rb"[0-9a-f-]{36}")
_SERVER = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.local\.", re.IGNORECASE)


@dataclass(frozen=True)
class Own:
    """This box, as others shall find it."""

    node_uid: str
    name: str
    hub_uid: str
    catalog_sequence: int
    port: int
    is_tls: bool
    is_mirror: bool

    @property
    def server(self) -> str:
        """Its name on the network."""
        return f"{self.name}.local."

    def properties(self) -> dict[str, bytes | None]:
        """What stands beside its address."""
        return {
            "v": VERSION, "hub": mark(self.hub_uid), "node": self.node_uid.encode(), "seq": str(self.catalog_sequence).encode(),
            "tls": b"1" if self.is_tls else b"0",
        }  # fmt: skip


def mark(hub_uid: str) -> bytes:
    """How boxes of one hub know each other: 16 hex digits."""
    return sha256_hex(b"eduhub-neighbour/1\0" + hub_uid.encode())[:16].encode()


def read(
    own: Own, properties: Mapping[bytes, bytes | None], server: str, addresses: Iterable[str], port: int,
    neighbour: Callable[[Iterable[str]], str | None],
) -> Sighting | None:  # fmt: skip
    """Another box of the same hub that may be asked, of what somebody announces; None for everything else."""
    node, sequence = properties.get(b"node") or b"", properties.get(b"seq") or b""
    if properties.get(b"v") != VERSION or properties.get(b"hub") != mark(own.hub_uid):
        return None
    if not _UID.fullmatch(node) or node == own.node_uid.encode() or not _NUMBER.fullmatch(sequence):
        return None
    address, named = neighbour(addresses), _SERVER.fullmatch(server)
    if address is None or named is None or not 0 < port < 65_536:
        return None
    scheme = "https" if properties.get(b"tls") == b"1" else "http"
    return Sighting(f"{scheme}://{address}:{port}", node.decode(), named[1].lower(), int(sequence))
