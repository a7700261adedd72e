"""Which bytes a Range header asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.delivery.asked import Span, Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 1)), ("bytes=0-99", Span(0, 100)), ("bytes=10-", Span(10, 90)), ("bytes=-1", Span(99, 1)),
        ("bytes=-1000", Span(0, 100)), ("bytes=99-99", Span(99, 1)), ("bytes=50-1000", Span(50, 50)),
        ("BYTES=0-1", Span(0, 2)), ("bytes= 5-6 ", Span(5, 2)), ("bytes=0-" + "9" * 39, Span(0, 100)),
    ],
)  # fmt: skip
def test_one_range_is_served_as_asked(header: str, span: Span) -> None:
    assert parse_range(header, 100) == span


@pytest.mark.parametrize(
    "header",
    [
        None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "pieces=0-1", "bytes=1",
        "bytes=--1", "bytes=+1-2", "bytes=0x1-2", "bytes=٣-٤", "bytes=" + "9" * 5000 + "-",
    ],
)  # fmt: skip
def test_what_is_no_single_range_gives_the_whole(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=5-4", 100)])
def test_a_range_behind_the_end_or_backwards_cannot_be_served(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-5"])
def test_an_empty_file_is_always_sent_whole(header: str) -> None:
    assert parse_range(header, 0) is None


@given(st.one_of(st.text(), st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True)), st.integers(0, 3000))
def test_a_span_always_lies_inside_the_file(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except Unsatisfiable:
        return
    if span is not None:
        assert 0 <= span.start < span.start + span.length <= size


@given(st.integers(0, 999), st.integers(0, 999))
def test_a_range_inside_the_file_is_exactly_what_was_asked_for(first: int, more: int) -> None:
    last = min(999, first + more)
    assert parse_range(f"bytes={first}-{last}", 1000) == Span(first, last - first + 1)
