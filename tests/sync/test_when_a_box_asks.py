"""Boxes ask one after the other, obey whoever asks them to wait, and never give up."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.sync.polling import DAY_S, LONGEST_PAUSE_S, MOST_JITTER, Rhythm, moment_s, retry_after_s
from eduhub.uids import new_uid

INTERVALS = st.floats(1, 86_400)
CHANCES = st.floats(0, 1, exclude_max=True)
TURNS = st.lists(st.tuples(st.sampled_from(["well", "failed", "asked"]), st.floats(0, 500), CHANCES), max_size=40)


def test_a_thousand_boxes_are_spread_over_the_interval() -> None:
    moments = Counter(int(moment_s(new_uid(), 60) // 6) for _ in range(1000))
    assert set(moments) == set(range(10))
    assert max(moments.values()) < 160  # 100 each; 6 standard deviations


def test_the_moment_of_a_box_is_always_the_same() -> None:
    uid = new_uid()
    assert moment_s(uid, 60) == moment_s(uid, 60)
    assert moment_s(uid, 120) == pytest.approx(2 * moment_s(uid, 60))


@given(uid=st.uuids(), interval_s=INTERVALS)
def test_a_moment_lies_in_its_interval(uid: object, interval_s: float) -> None:
    assert 0 <= moment_s(str(uid), interval_s) <= interval_s


@given(interval_s=INTERVALS, share=CHANCES, began_s=st.floats(0, 1e7), turns=TURNS)
def test_whatever_happens_the_next_question_is_due_some_time(
    interval_s: float, share: float, began_s: float, turns: list[tuple[str, float, float]]
) -> None:
    luck = 0.0
    rhythm = Rhythm(interval_s, share * interval_s, began_s, lambda: luck)
    now_s = began_s
    for outcome, takes_s, luck in turns:  # noqa: B007 - the rhythm draws it
        now_s = max(now_s, rhythm.due_s)
        assert rhythm.is_due(now_s)
        rhythm.asks(now_s)
        assert interval_s / 2 * 0.999 <= rhythm.due_s - now_s <= 1.5 * interval_s * (1 + MOST_JITTER) + 1e-3
        now_s += takes_s
        if outcome == "well":
            rhythm.went_well()
            assert rhythm.failures == 0
        elif outcome == "failed":
            rhythm.failed(now_s)
            assert 0 < rhythm.due_s - now_s <= 1.5 * max(interval_s, LONGEST_PAUSE_S) + 1e-3
        else:
            rhythm.failed(now_s, takes_s * 1000)
            asked_for_s = min(DAY_S, takes_s * 1000)
            assert asked_for_s - 1e-3 <= rhythm.due_s - now_s <= max(
                asked_for_s + interval_s, 1.5 * max(interval_s, LONGEST_PAUSE_S)
            ) + 1e-3  # fmt: skip


def test_a_box_asks_once_in_each_interval_at_its_moment() -> None:
    rhythm = Rhythm(60, 12, 1000, lambda: 0.0)
    asked = []
    for now_s in range(1000, 1600):
        if rhythm.is_due(now_s):
            rhythm.asks(now_s)
            rhythm.went_well()
            asked.append(now_s)
    assert asked == list(range(1012, 1600, 60))


def test_pauses_after_failures_grow_and_differ_from_box_to_box() -> None:
    pauses = []
    for luck in (0.0, 0.9):
        rhythm = Rhythm(60, 0, 0, lambda luck=luck: luck)  # type: ignore[misc]
        for _ in range(30):
            rhythm.failed(0)
        pauses.append(rhythm.due_s)
    assert pauses == [0.5 * LONGEST_PAUSE_S, pytest.approx(1.4 * LONGEST_PAUSE_S)]


def test_after_a_pause_that_all_were_asked_for_each_waits_for_its_own_moment() -> None:
    due = []
    for number in range(200):
        moment = moment_s(f"box {number}", 60)
        rhythm = Rhythm(60, moment, 0, lambda: 0.5)
        rhythm.failed(0, 600)
        due.append(rhythm.due_s)
    assert min(due) >= 600
    assert max(due) - min(due) > 50


NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("value", "date", "seconds"), [
    ("120", None, 120), ("0", None, 0), (" 7 ", None, 7), ("999999999", None, DAY_S), (None, None, None), ("soon", None, None),
    ("-5", None, None), ("1.5", None, None), ("9" * 400, None, None), ("", None, None),
    (format_datetime(NOW + timedelta(seconds=90), usegmt=True), format_datetime(NOW, usegmt=True), 90),
    (format_datetime(NOW - timedelta(seconds=90), usegmt=True), format_datetime(NOW, usegmt=True), 0),
    (format_datetime(NOW + timedelta(days=40), usegmt=True), format_datetime(NOW, usegmt=True), DAY_S),
    (format_datetime(NOW, usegmt=True), None, None), (format_datetime(NOW, usegmt=True), "yesterday", None),
    ("Fri, 27 Nov 2026 12:00:30 -0000", "Fri, 27 Nov 2026 12:00:00 GMT", 30),
])  # fmt: skip
def test_a_retry_after_is_read_without_the_clock_of_the_box(value: str | None, date: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, date) == seconds


@given(value=st.text(), date=st.text() | st.none())
def test_no_header_breaks_a_box(value: str, date: str | None) -> None:
    found = retry_after_s(value, date)
    assert found is None or 0 <= found <= DAY_S
