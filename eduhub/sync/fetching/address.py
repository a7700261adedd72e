"""Node: where an upstream is, and whose certificates it may show: the same to the link and to the fetcher.

This module must not know what is asked for there.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import httpx

from eduhub.errors import BadInput

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which the ssl module has no name.
_NO_CHECK_TIME = 0x200000


@dataclass(frozen=True)
class Place:
    """One of the addresses of a host, as sockets take it."""

    family: int
    sockaddr: Any


@dataclass(frozen=True)
class Address:
    """What the address of an upstream says."""

    host: str  # as DNS and certificates have it: a name in another script is written in ASCII
    port: int
    is_tls: bool
    header: str  # what stands in Host
    prefix: str  # before every path

    @classmethod
    def of(cls, url: str) -> "Address":
        """From `http(s)://host[:port][/prefix]`. Raises BadInput."""
        try:
            found = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise BadInput("not the address of a hub") from error
        is_tls = found.scheme == "https"
        port, prefix = found.port or (443 if is_tls else 80), found.path.rstrip("/")
        is_plain = not (found.query or found.userinfo or found.fragment) and _PREFIX.fullmatch(prefix)
        if found.scheme not in {"http", "https"} or not found.host or port > 65_535 or not is_plain:
            raise BadInput("not the address of a hub")
        return cls(found.raw_host.decode("ascii"), port, is_tls, found.netloc.decode("ascii"), prefix)

    def places(self) -> list[Place]:
        """Look the host up: the first is the best, and the two kinds of addresses take turns. May block. Raises OSError."""
        found = [
            Place(family, sockaddr)
            for family, _, _, _, sockaddr in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        ]
        same = [place for place in found if place.family == found[0].family]
        others = [place for place in found if place.family != found[0].family]
        return [place for place in chain(*zip_longest(same, others)) if place is not None]


def trust(url: str) -> ssl.SSLContext:
    """Whom a box believes to be the hub at `url`: the authorities that came with httpx, and those that this machine trusts.

    Chain and name are checked, dates are not. A box whose clock stands at 1970 or 2099 could verify no certificate, and so
    never learn the time. What TLS adds here is that nobody listens, and that a join code is said to the named hub alone; what
    is believed hangs on the pinned root. The price: a certificate of that name that ran out still passes, for whoever has its key.
    """
    if not url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nobody, and nobody is asked
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    context.verify_flags |= _NO_CHECK_TIME
    return context
