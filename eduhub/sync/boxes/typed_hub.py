"""Node: the way to a hub whose address somebody typed into the first page: anybody on the school's network can be that.

A hub may stand in the county's own network, so private addresses are as good as others; but nothing is said to this machine
itself, nor to what only its own wire reaches (routers, cloud machines' own services). The address that a connection really
has is looked at, for a name may lead elsewhere at the second look. All of it ends in time, whoever answers.

This module must not know pages, nor what is asked.
"""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

import httpx

from eduhub.errors import BadInput
from eduhub.sync.fetching.address import Address, trust
from eduhub.sync.mirrors.hurry import Hurry

WITHIN_S = 180.0  # some kilobytes over the slowest link
CONNECT_S, SILENCE_S = 15.0, 30.0
_WEB_PORTS, _FIRST_FREE_PORT = frozenset({80, 443}), 1024  # below it are the machines' own services: mail, telnet, files


def check(url: str) -> None:
    """Return when that can be the address of a hub. Raises BadInput."""
    port = Address.of(url).port
    if port not in _WEB_PORTS and port < _FIRST_FREE_PORT:
        raise BadInput("no hub answers at such a port")


class Outward(httpx.BaseTransport):
    """Requests to that hub. Raises httpx.ConnectError before a byte is said to whom nothing shall be said."""

    def __init__(self, url: str, *, also_here: bool, within_s: float = WITHIN_S) -> None:
        """`also_here`: this machine itself, too, for whoever sits at it."""
        straight = httpx.HTTPTransport(verify=trust(url), trust_env=False)
        self._inner = Hurry(straight, within_s, connect_s=CONNECT_S, silence_s=SILENCE_S)
        self._also_here = also_here

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As the transport of httpx does."""
        request.extensions = {**request.extensions, "trace": self._looked_at(request, request.extensions.get("trace"))}
        return self._inner.handle_request(request)

    def close(self) -> None:
        """End it."""
        self._inner.close()

    def _looked_at(
        self, request: httpx.Request, also: Callable[[str, dict[str, Any]], None] | None
    ) -> Callable[[str, dict[str, Any]], None]:
        def trace(name: str, info: dict[str, Any]) -> None:
            if name == "connection.connect_tcp.complete":
                opened = info["return_value"]
                try:
                    there, here = opened.get_extra_info("server_addr")[0], opened.get_extra_info("client_addr")[0]
                except OSError as error:  # it is closed already
                    raise httpx.ConnectError("closed at once", request=request) from error
                if not may_be_told(there, here, also_here=self._also_here):
                    opened.close()
                    raise httpx.ConnectError("an address of this machine or of its own wire", request=request)
            if also is not None:
                also(name, info)

        return trace


def may_be_told(there: str, here: str, *, also_here: bool) -> bool:
    """Whether a connection from `here` to `there`, as the kernel has it, may lead to a hub."""
    peer, own = _plain(there), _plain(here)
    if peer.is_loopback or peer == own:
        return also_here
    return not (peer.is_link_local or peer.is_multicast or peer.is_unspecified)


def _plain(text: str) -> Any:
    found = ip_address(text.partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
