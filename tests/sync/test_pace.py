"""A ceiling in kbit/s holds over all connections, over TLS too, and nobody is taken for silent because of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import clock
from eduhub.delivery.package import PIECE_BYTES
from eduhub.sync.fetching.pace import BURST_S, LEAST_BYTES, OPEN_BUFFER, Pace
from eduhub.sync.fetching.transfer import FEW, Transfer
from tests.sync.lines import Asked, Hours, Server, Shelf, part
from tests.sync.test_carrying import own_authority
from tests.sync.world import noise

LARGE = noise("large", 16 * PIECE_BYTES)
WANTS = [("/p/large", first, first + PIECE_BYTES) for first in range(0, len(LARGE), PIECE_BYTES)]
SPEED = 4.0  # ten seconds of the ceiling's clock in two and a half of ours


class Enough(Exception):
    """The time of the measurement is over."""


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    found = Hours(SPEED)
    monkeypatch.setattr(clock, "monotonic_s", found)
    return found


def large(asked: Asked) -> bytes:
    return part(LARGE, asked)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(large)
    yield made
    made.close()


def fetched_in(carrier: Transfer, seconds: float, wants: list[tuple[str, int, int]] = WANTS) -> int:
    """Bytes that a carrier brings in so many seconds."""
    until_s = clock.monotonic_s() + seconds
    came = 0

    def on_turn() -> None:
        nonlocal came
        came = sum(map(len, shelf.came.values()))
        if clock.monotonic_s() >= until_s:
            raise Enough

    shelf = Shelf(wants, on_turn=on_turn, on_take=on_turn)
    with pytest.raises(Enough):
        carrier.run(shelf)
    return came


@pytest.mark.parametrize("kbit_s", [128, 512])
def test_a_ceiling_is_kept_within_five_in_a_hundred(server: Server, hours: Hours, kbit_s: int) -> None:
    with Transfer(server.url) as carrier:
        carrier.pace = Pace(lambda: kbit_s)
        came = fetched_in(carrier, 10.0)
        crossed = carrier.meter.total().down
        assert came == pytest.approx(10.0 * kbit_s * 125, rel=0.05)
        # What crossed and waits in the kernels to be read is bounded, too.
        assert crossed < came + (carrier.pace.buffer(FEW) or 0) * (FEW + 1) + 100_000
        assert carrier.counted.replaced == 0


def test_a_ceiling_is_kept_over_tls(hours: Hours, tmp_path: Path) -> None:
    serving, trusted = own_authority(tmp_path)
    server = Server(large, serving)
    try:
        with Transfer(server.url, tls=trusted) as carrier:
            carrier.pace = Pace(lambda: 256)
            assert fetched_in(carrier, 10.0) == pytest.approx(10.0 * 256 * 125, rel=0.05)
            assert carrier.counted.replaced == 0
    finally:
        server.close()


def test_a_ceiling_that_is_lifted_lets_all_the_rest_through(server: Server, hours: Hours) -> None:
    ceiling: list[float | None] = [64.0]
    with Transfer(server.url) as carrier:
        carrier.pace = Pace(lambda: ceiling[0])
        slow = fetched_in(carrier, 4.0)
        assert slow == pytest.approx(4.0 * 64 * 125, rel=0.25)
        ceiling[0] = None
        shelf = Shelf(WANTS)
        carrier.run(shelf)
    assert len(shelf.came["/p/large"]) == len(LARGE)


def test_a_link_under_a_very_low_ceiling_is_not_taken_for_down(server: Server, hours: Hours) -> None:
    with Transfer(server.url) as carrier:
        carrier.pace = Pace(lambda: 4)
        fetched_in(carrier, 40.0)
        assert carrier.counted.replaced == 0
        assert carrier.counted.opened <= FEW


def test_every_connection_gets_its_turn_under_a_low_ceiling(server: Server, hours: Hours) -> None:
    wants = [(f"/p/{name}", 0, PIECE_BYTES) for name in "abcd"]
    shelf: Shelf = Shelf(wants)
    until_s = clock.monotonic_s() + 10.0

    def on_turn() -> None:
        if clock.monotonic_s() >= until_s:
            raise Enough

    shelf.on_turn = on_turn
    with Transfer(server.url) as carrier:
        carrier.pace = Pace(lambda: 64)
        with pytest.raises(Enough):
            carrier.run(shelf)
    shares = sorted(len(payload) for payload in shelf.came.values())
    assert len(shares) == FEW, "one range on each connection comes at a time"
    assert shares[0] > shares[-1] / 3


@given(
    st.floats(8, 100_000), st.lists(st.tuples(st.floats(0.001, 3.0), st.integers(1, 1 << 20)), min_size=1, max_size=60)
)
def test_what_may_be_read_is_never_more_than_the_ceiling_and_one_burst(kbit_s: float, looks: list[tuple[float, int]]) -> None:
    pace = Pace(lambda: kbit_s)
    now_s = total = 0.0
    pace.room(0.0)
    for pause_s, available in looks:
        now_s += pause_s
        room = pace.room(now_s)
        assert room is not None
        read = min(room, available)
        pace.took(read)
        total += read
    assert total <= kbit_s * 125 * now_s + max(LEAST_BYTES, kbit_s * 125 * BURST_S) + 1


@given(st.floats(8, 100_000), st.lists(st.floats(0.001, 0.2), min_size=20, max_size=60))
def test_whoever_always_reads_gets_the_whole_ceiling(kbit_s: float, pauses: list[float]) -> None:
    pace = Pace(lambda: kbit_s)
    now_s = total = 0.0
    pace.room(0.0)
    for pause_s in pauses:
        now_s += pause_s
        room = pace.room(now_s) or 0
        pace.took(room)
        total += room
    assert total >= kbit_s * 125 * now_s - 2


@given(st.one_of(st.none(), st.floats(0, 100_000)), st.integers(1, 8))
def test_buffers_are_never_so_small_that_nothing_fits(kbit_s: float | None, connections: int) -> None:
    found = Pace(lambda: kbit_s).buffer(connections)
    assert found is None if kbit_s is None else 8 << 10 <= (found or 0) <= OPEN_BUFFER


def test_without_a_ceiling_there_is_no_room_to_keep(server: Server) -> None:
    pace: Callable[[], int | None] = Pace().buffer  # type: ignore[assignment]
    assert pace(4) is None  # type: ignore[call-arg]
    assert Pace().room(1.0) is None
    with Transfer(server.url) as carrier:
        shelf = Shelf(WANTS)
        carrier.run(shelf)
    assert len(shelf.came["/p/large"]) == len(LARGE)
