"""What a box says on the network is read by boxes of its hub; whatever else is said there names nobody."""

from ipaddress import IPv4Interface

from hypothesis import given
from hypothesis import strategies as st

from eduhub.sync.mirrors import announcing
from eduhub.sync.mirrors.announcing import Own
from eduhub.sync.mirrors.known import Sighting
from eduhub.sync.mirrors.places import Places
from eduhub.uids import new_uid

HUB, NODE, OTHER = str(new_uid()), str(new_uid()), str(new_uid())
OWN = Own(NODE, "nyima-1", HUB, 7, 8080, False, True)
SAID = Own(OTHER, "shuanghu-1", HUB, 12, 80, False, True)
PLACES = Places((IPv4Interface("192.168.7.2/24"),))


def heard(said: Own, addresses: list[str] | None = None, **changed: bytes) -> Sighting | None:
    found = {name.encode(): value for name, value in said.properties().items()} | {name.encode(): value for name, value in changed.items()}
    return announcing.read(OWN, found, said.server, addresses or ["192.168.7.9"], said.port, PLACES.neighbour)


def test_a_box_of_the_same_hub_is_seen() -> None:
    assert heard(SAID) == Sighting("http://192.168.7.9:80", OTHER, "shuanghu-1", 12)
    assert heard(SAID, tls=b"1") == Sighting("https://192.168.7.9:80", OTHER, "shuanghu-1", 12)


def test_a_box_of_another_hub_this_box_itself_and_another_version_are_not() -> None:
    assert heard(Own(OTHER, "x", str(new_uid()), 12, 80, False, True)) is None
    assert heard(OWN) is None
    assert heard(SAID, v=b"2") is None


def test_the_hub_cannot_be_told_from_what_is_said() -> None:
    assert HUB.encode() not in b"".join(value or b"" for value in SAID.properties().values())


def test_nobody_sends_a_box_off_its_own_network() -> None:
    for address in ("8.8.8.8", "127.0.0.1", "192.168.7.2", "192.168.8.9", "169.254.169.254", "fe80::1", "not an address"):
        assert heard(SAID, [address]) is None
    assert heard(SAID, ["8.8.8.8", "192.168.7.9"]) is not None


@given(
    st.dictionaries(st.sampled_from([b"v", b"hub", b"node", b"seq", b"tls", b"x"]), st.none() | st.binary(max_size=60)),
    st.text(max_size=80), st.lists(st.text(max_size=20), max_size=4), st.integers(-10, 100_000),
)  # fmt: skip
def test_whatever_is_said_is_read_or_passed_over(
    properties: dict[bytes, bytes | None], server: str, addresses: list[str], port: int
) -> None:
    known = {name.encode(): value for name, value in SAID.properties().items()}
    for said in (properties, known | properties):
        found = announcing.read(OWN, said, server, [*addresses, "192.168.7.9"], port, PLACES.neighbour)
        if found is not None:
            assert found.url.endswith(f"://192.168.7.9:{port}")
            assert 0 < port < 65_536
            assert len(found.name) <= 63
