"""Whom to ask, and for how long to leave somebody alone: laws that hold whatever is known of the mirrors."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.sync.mirrors import choosing
from eduhub.sync.mirrors.choosing import FOUND, NAMED, PAUSES_S, Candidate
from eduhub.sync.mirrors.slowness import Slowness

NOW_S = 100_000
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        url=st.sampled_from([f"http://{number}" for number in range(12)]),
        kind=st.sampled_from([FOUND, NAMED]),
        node_uid=st.none() | st.sampled_from("abcd"),
        failures=st.integers(0, 5),
        aside_until_s=st.integers(NOW_S - 10, NOW_S + 10),
        seen_s=st.integers(NOW_S - 2 * choosing.FRESH_S, NOW_S),
        bytes_got=st.integers(0, 10),
    ),
    unique_by=lambda candidate: candidate.url,
)


@given(CANDIDATES)
def test_nobody_is_asked_who_is_left_alone_or_gone_and_no_box_twice(candidates: list[Candidate]) -> None:
    chosen = choosing.order(candidates, NOW_S)
    assert len(chosen) <= choosing.MOST_ASKED
    assert all(found.aside_until_s <= NOW_S for found in chosen)
    assert all(found.kind == NAMED or NOW_S - found.seen_s <= choosing.FRESH_S for found in chosen)
    known = [found.node_uid for found in chosen if found.node_uid is not None]
    assert len(known) == len(set(known))


@given(CANDIDATES, st.randoms())
def test_the_order_is_the_same_whatever_order_they_come_in(candidates: list[Candidate], random: Random) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)
    assert choosing.order(candidates, NOW_S) == choosing.order(shuffled, NOW_S)


@given(CANDIDATES)
def test_neighbours_come_before_named_ones_and_who_failed_less_before_who_failed_more(candidates: list[Candidate]) -> None:
    chosen = choosing.order(candidates, NOW_S)
    ranks = [(found.kind == NAMED, found.failures) for found in chosen]
    assert ranks == sorted(ranks)


@given(CANDIDATES)
def test_somebody_is_asked_whenever_somebody_may_be(candidates: list[Candidate]) -> None:
    may_be = [found for found in candidates if found.kind == NAMED and found.aside_until_s <= NOW_S]
    assert bool(choosing.order(candidates, NOW_S)) or not may_be


@given(st.sampled_from(sorted(PAUSES_S)), st.integers(0, 10_000))
def test_pauses_grow_and_end(why: str, failures: int) -> None:
    pause_s = choosing.pause_s(why, failures)
    first_s, longest_s = PAUSES_S[why]
    assert first_s <= pause_s <= longest_s
    assert choosing.pause_s(why, failures + 1) >= pause_s


@pytest.mark.parametrize(("bytes_s", "is_slow"), [(99, True), (101, False)])
def test_who_gives_too_little_is_slow_and_who_gives_enough_is_not(bytes_s: int, is_slow: bool) -> None:
    slowness = Slowness(100, 10.0, began_s=0.0)
    assert [slowness.is_slow(second, bytes_s) for second in range(1, 11)] == [False] * 9 + [is_slow]


@given(st.lists(st.tuples(st.floats(0.01, 5), st.integers(0, 2000)), max_size=200))
def test_somebody_who_never_gave_less_than_enough_is_never_slow(steps: list[tuple[float, int]]) -> None:
    slowness, now_s = Slowness(100, 10.0, began_s=0.0), 0.0
    for step_s, more in steps:
        now_s += step_s
        assert not slowness.is_slow(now_s, int(100 * step_s) + 1 + more)
