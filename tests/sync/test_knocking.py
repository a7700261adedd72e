"""New connections over a link that is down, slow, or leads to a host of which one address is dead."""

import socket
from collections.abc import Iterator

import pytest

from eduhub import clock
from eduhub.errors import LinkDown
from eduhub.sync.fetching import patience
from eduhub.sync.fetching.address import Address, Place, trust
from eduhub.sync.fetching.connection import Broken
from eduhub.sync.fetching.knocking import Door
from eduhub.sync.fetching.meter import Meter
from eduhub.sync.fetching.transfer import Transfer
from tests.ports import free_port
from tests.sync.lines import Hours, Shelf


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Place]]:
    """Two addresses of a host at which somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        found = [Place(socket.AF_INET, each.getsockname()) for each in (one, other)]
        monkeypatch.setattr(Address, "places", lambda _self: found)
        yield found


@pytest.fixture
def door() -> Iterator[Door]:
    url = "https://hub.example"
    made = Door(Address.of(url), trust(url), Meter())
    yield made
    made.keep(0)


def test_a_handshake_may_take_as_long_as_a_full_satellite_link_needs(door: Door, places: list[Place]) -> None:
    door.look_up()
    for now_s in range(10):
        door.knock(now_s)
        door.give_up_old(now_s, 0.6)
    assert len(door.knocks) == 10, "nobody was sent away who has waited for less than ten seconds"
    door.give_up_old(10.5, 0.6)
    assert [knock.begun_s for knock in door.knocks] == list(range(1, 10))
    door.give_up_old(20, 3.0)
    assert len(door.knocks) == 9, "eight round trips of three seconds"
    assert patience.next_knock_s(0.6) == 1.0
    assert patience.next_knock_s(2.0) == 3.0


def test_no_more_knock_than_a_link_that_is_down_for_long_has_room_for(door: Door, places: list[Place]) -> None:
    door.look_up()
    assert [door.knock(now_s) for now_s in range(12)] == [True] * 10 + [False] * 2


def test_an_address_that_does_not_answer_at_once_takes_turns_with_the_other(door: Door, places: list[Place]) -> None:
    door.look_up()
    for now_s in (0.0, 0.1, 1.1, 2.2):
        door.knock(now_s)
    assert [places.index(knock.place) for knock in door.knocks] == [0, 0, 1, 0]


def test_after_one_that_opened_the_others_go_the_same_way(door: Door, places: list[Place]) -> None:
    door.look_up()
    door.knock(0.0)
    door.failed(door.knocks[0])
    door.knock(0.1)
    opened = door.knocks[0]
    door.let_in(opened)
    door.knock(0.2)
    assert door.knocks[0].place == opened.place == places[1]
    opened.close()


def test_a_port_where_nobody_listens_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LinkDown, match="refused"), Transfer(f"http://127.0.0.1:{free_port()}", patience_s=0.3) as carrier:
        carrier.run(Shelf([("/p/0", 0, 10)]))


def test_a_name_is_looked_up_until_it_is_found_and_then_never_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [OSError("no such name"), [Place(socket.AF_INET, ("127.0.0.1", free_port()))]]

    def places(_self: Address) -> list[Place]:
        found = answers.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(Address, "places", places)
    with pytest.raises(Broken):
        door.look_up()
    door.look_up()
    door.look_up()
    assert answers == []


@pytest.mark.usefixtures("places")
def test_a_link_that_is_down_is_tried_about_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "monotonic_s", Hours(speed=8))
    with pytest.raises(LinkDown), Transfer("https://hub.example", patience_s=40) as carrier:
        carrier.run(Shelf([("/p/0", 0, 10)]))
    assert 15 < carrier.counted.opened < 45
