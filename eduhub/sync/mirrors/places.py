"""Node: where this box is on the networks that it is plugged into, and which addresses are neighbours there.

Only plain IPv4 networks: a village's are. This module must not know zeroconf.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

import ifaddr


@dataclass(frozen=True)
class Places:
    """The addresses of this machine on networks that others are on, too."""

    interfaces: tuple[IPv4Interface, ...]

    @property
    def addresses(self) -> list[str]:
        """As text."""
        return [str(interface.ip) for interface in self.interfaces]

    def neighbour(self, offered: Iterable[str]) -> str | None:
        """The first of some addresses that is on one of these networks and not our own: nobody may send us elsewhere."""
        for text in offered:
            try:
                address = IPv4Address(text)
            except ValueError:
                continue
            if str(address) not in self.addresses and any(address in interface.network for interface in self.interfaces):
                return text
        return None


def here(bind: str) -> Places:
    """Where this box can be reached when its pages are served at `bind`; nowhere, for one that serves only itself."""
    found = {
        IPv4Interface(f"{ip.ip}/{ip.network_prefix}")
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, str)
    }
    everywhere = bind in {"0.0.0.0", "::", ""}  # noqa: S104 - what the setting may say
    usable = [one for one in found if not one.ip.is_loopback and one.network.prefixlen < 32 and (everywhere or str(one.ip) == bind)]
    return Places(tuple(sorted(usable)))
