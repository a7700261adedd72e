"""A school's ceiling holds for a mirror over its link, not for a neighbour, and whom it keeps slow is not called slow."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import clock
from eduhub.delivery.package import PIECE_BYTES
from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.allowance import policies
from eduhub.sync.fetching.transfer import Transfer
from eduhub.sync.mirrors.choosing import FOUND, NAMED, Candidate
from eduhub.sync.mirrors.conversation import Conversation, Ways
from eduhub.sync.mirrors.slowness import FAR, Slowness
from tests.sync.lines import Hours, Server, Shelf, part
from tests.sync.mirrors.village import Village, held_parts
from tests.sync.world import noise

LARGE = noise("large", 16 * PIECE_BYTES)
WANTS = [("/p/large", first, first + PIECE_BYTES) for first in range(0, len(LARGE), PIECE_BYTES)]


class Enough(Exception):
    """The time of the measurement is over."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(lambda asked: part(LARGE, asked))
    yield made
    made.close()


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    found = Hours(4.0)
    monkeypatch.setattr(clock, "monotonic_s", found)
    return found


def test_a_county_mirror_is_read_no_faster_than_the_ceiling(server: Server, hours: Hours, make_installation: Callable[..., Installation]) -> None:
    box, came = make_installation(role="node"), 0
    box.keys.make_node_keys()
    until_s = clock.monotonic_s() + 10.0

    def on_turn() -> None:
        nonlocal came
        came = sum(map(len, shelf.came.values()))
        if clock.monotonic_s() >= until_s:
            raise Enough

    shelf = Shelf(WANTS, on_turn=on_turn, on_take=on_turn)
    with Conversation(box, Candidate(server.url, NAMED), "n", Transfers()) as talk:
        talk.keep_below(lambda: 128)
        with pytest.raises(Enough):
            talk.carrier.run(shelf)
    assert came == pytest.approx(10.0 * 128 * 125, rel=0.05)


class Transfers(Ways):
    """Over sockets, as the program has it, with the patience of a link."""

    def transfer(self, candidate: Candidate) -> Any:
        return Transfer(candidate.url)


@pytest.mark.parametrize(("kind", "ceiling"), [(NAMED, 96.0), (FOUND, None)])
def test_a_round_keeps_a_named_mirror_below_the_schools_ceiling_and_a_neighbour_free(
    village: Village, monkeypatch: pytest.MonkeyPatch, kind: str, ceiling: float | None
) -> None:
    with village.hub.here.database.write() as session:
        policies.set_site(session, session.get_one(Site, village.two.site), ceiling_kbit_s=96)
    village.meet(village.far)
    found: list[float | None] = []
    real = Conversation.keep_below

    def noted(self: Conversation, ceiling_kbit_s: Callable[[], float | None]) -> None:
        found.append(ceiling_kbit_s())
        real(self, ceiling_kbit_s)

    monkeypatch.setattr(Conversation, "keep_below", noted)
    (village.name if kind == NAMED else village.sight)()
    village.round_without_hub()
    assert held_parts(village.far, village.package)
    assert found == ([] if ceiling is None else [ceiling])


@given(st.floats(1, 16), st.floats(0.6, 1.0))
def test_whoever_gives_most_of_a_low_ceiling_is_not_slow(kbit_s: float, share: float) -> None:
    slowness, now_s = Slowness(*FAR, began_s=0.0), 0.0
    for _ in range(200):
        now_s += 1.0
        assert not slowness.is_slow(now_s, int(kbit_s * 125 * share) + 1, kbit_s * 125)


def test_who_crawls_below_a_high_ceiling_is_slow() -> None:
    slowness = Slowness(*FAR, began_s=0.0)
    assert any(slowness.is_slow(float(second), 100, 1_000_000.0) for second in range(1, 70))
