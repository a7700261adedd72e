"""Times of a recording as a teacher types them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.web import moments


@given(st.integers(min_value=0, max_value=99 * 3_600_000))
def test_what_is_written_reads_as_the_same_moment(milliseconds: int) -> None:
    assert moments.read(moments.written(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("typed", "milliseconds"),
    [("3:20", 200_000), ("1:02:05", 3_725_000), (" 0:07.5 ", 7500), ("90", 90_000), ("３：２０", 200_000), ("0:07,25", 7250)],
)
def test_tashi_may_type_a_time_in_many_ways(typed: str, milliseconds: int) -> None:
    assert moments.read(typed) == milliseconds


@given(st.text(max_size=12))
def test_anything_else_is_said_to_be_no_time(typed: str) -> None:
    with contextlib.suppress(ValueError):  # every other error fails the test
        assert moments.read(typed) >= 0


@pytest.mark.parametrize("typed", ["", "3:60", "-1", "3:20:99", "soon", "1:2:3:4", "1e5"])
def test_these_are_no_times(typed: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        moments.read(typed)
