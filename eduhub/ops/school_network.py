"""The names of the school's network, as configuration for dnsmasq: we write no DNS server. Pure functions. See docs/school-network.md."""

from ipaddress import IPv4Address, ip_address

from eduhub.errors import BadInput

TEXT = """\
# EduHub: the names of the school's network, for dnsmasq. Put it into /etc/dnsmasq.d/eduhub.conf, then: systemctl restart dnsmasq
interface={interface}
bind-interfaces
# Nothing is asked of anybody outside: with the link down a name must not wait.
no-resolv
no-hosts
cache-size=1000
local-ttl=60
# The box under its own name, and under every other one: whoever joins the Wi-Fi is led to the school's page.
address=/{name}.{suffix}/{address}
address=/#/{address}
{dhcp}"""
DHCP = """\
# Addresses for telephones, where the box gives them out itself.
dhcp-range={first},{last},12h
dhcp-option=option:router,{address}
dhcp-option=option:dns-server,{address}
"""


def dnsmasq(*, name: str, suffix: str, address: str, interface: str, with_dhcp: bool) -> str:
    """The configuration for a box of this name at this address. Raises BadInput for what would break out of a line."""
    try:
        found = ip_address(address)
    except ValueError as error:
        raise BadInput("the box's address on the school's network looks like 192.168.4.1") from error
    if not isinstance(found, IPv4Address) or not found.is_private or not 1 <= found.packed[3] <= 99:
        raise BadInput("the box's address is a private IPv4 one that ends in 1 to 99")
    if not interface.replace("-", "").replace(".", "").isalnum() or len(interface) > 15:
        raise BadInput("a network interface looks like wlan0")
    base = ".".join(str(found).split(".")[:3])
    dhcp = DHCP.format(first=f"{base}.100", last=f"{base}.250", address=found) if with_dhcp else ""
    return TEXT.format(interface=interface, name=name, suffix=suffix, address=found, dhcp=dhcp)
