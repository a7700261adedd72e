"""Where the box gives the names, a telephone that looks for the internet finds the school's page; else nothing is there."""

from collections.abc import Callable

import pytest

from eduhub.app import create_app
from eduhub.errors import BadInput
from eduhub.installation import Installation
from eduhub.ops import school_network
from tests.sync.world import Hub
from tests.web.world import Reader

ASKED = {
    "connectivitycheck.gstatic.com": "/generate_204", "www.google.com": "/gen_204", "captive.apple.com": "/hotspot-detect.html",
    "www.apple.com": "/library/test/success.html", "www.msftconnecttest.com": "/connecttest.txt", "www.msftncsi.com": "/ncsi.txt",
    "detectportal.firefox.com": "/canonical.html", "detectportal.firefox.com.": "/success.txt",
}


@pytest.mark.parametrize("host", ASKED)
@pytest.mark.parametrize("gives_names", [True, False])
def test_a_telephone_is_led_to_the_schools_page(
    make_installation: Callable[..., Installation], host: str, gives_names: bool
) -> None:
    hub = Hub(make_installation(role="hub"))
    box = make_installation(role="node", port=80, school_dns=gives_names)
    hub.join(box, hub.school("Shuanghu"))
    reader = Reader(create_app(installation=box).test_client())
    answer = reader.get(ASKED[host], base_url=f"http://{host.rstrip('.')}")
    if gives_names:
        assert (answer.status_code, answer.headers["Location"]) == (302, "http://shuanghu-3.lan/")
        assert answer.headers["Cache-Control"] == "no-store"
    else:
        assert answer.status_code == 404


def test_what_dnsmasq_is_told() -> None:
    text = school_network.dnsmasq(name="shuanghu-3", suffix="lan", address="192.168.4.1", interface="wlan0", with_dhcp=True)
    lines = text.splitlines()
    for line in (
        "interface=wlan0", "no-resolv", "address=/shuanghu-3.lan/192.168.4.1", "address=/#/192.168.4.1",
        "dhcp-range=192.168.4.100,192.168.4.250,12h",
    ):
        assert line in lines
    plain = school_network.dnsmasq(name="shuanghu-3", suffix="lan", address="192.168.4.1", interface="eth0.2", with_dhcp=False)
    assert "dhcp" not in plain


@pytest.mark.parametrize(("address", "interface"), [
    ("8.8.8.8", "wlan0"), ("192.168.4.1\nserver=8.8.8.8", "wlan0"), ("fd00::1", "wlan0"), ("192.168.4.200", "wlan0"), ("", "wlan0"),
    ("192.168.4.1", "wlan0\nlog-queries"), ("192.168.4.1", "a" * 16), ("192.168.4.1", ""),
])  # fmt: skip
def test_what_would_break_out_of_a_line_is_refused(address: str, interface: str) -> None:
    with pytest.raises(BadInput):
        school_network.dnsmasq(name="shuanghu-3", suffix="lan", address=address, interface=interface, with_dhcp=True)
