"""Hours, ceilings and megabytes: what is written is read back, what is wrong is said, what is unknown is open."""


import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.errors import BadInput
from eduhub.sync.allowance.budgets import MINUTES_OF_A_DAY, Limits, Used, Verdict, Window, judge, parse_windows, written

MINUTES = st.integers(0, MINUTES_OF_A_DAY - 1)


@st.composite
def spans(draw: st.DrawFn) -> list[Window]:
    """Windows that do not lie over one another: neighbours among some cuts of the day, in any order."""
    cuts = sorted(draw(st.sets(MINUTES, min_size=2, max_size=9)))
    pairs = list(zip(cuts, [*cuts[1:], cuts[0]], strict=True))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1, max_size=8))
    return [Window(begins, ends) for begins, ends in chosen]


@given(spans())
def test_hours_that_are_written_are_read_back(found: list[Window]) -> None:
    assert list(parse_windows(written(found))) == found
    assert list(parse_windows(" , ".join(map(str, found)))) == found


@given(st.one_of(st.text(max_size=30), st.text("0123456789:-, ", max_size=30)))
def test_whatever_is_typed_is_hours_or_is_refused(text: str) -> None:
    try:
        found = parse_windows(text)
    except BadInput:
        return
    assert parse_windows(written(found)) == found
    assert all(0 <= window.begins < MINUTES_OF_A_DAY and 0 <= window.ends <= MINUTES_OF_A_DAY for window in found)
    for minute in range(0, MINUTES_OF_A_DAY, 7):
        assert sum(window.holds(minute) for window in found) <= 1


@given(spans(), MINUTES)
def test_a_window_holds_its_minutes_and_no_other(found: list[Window], minute: int) -> None:
    for window in found:
        after = (minute - window.begins) % MINUTES_OF_A_DAY
        assert window.holds(minute) == (after < (window.ends - window.begins) % MINUTES_OF_A_DAY)


@pytest.mark.parametrize(("text", "says"), [
    ("22:00", "look like 22:00-06:00"), ("22:00-6:00", "look like"), ("24:00-06:00", "look like"), ("22:60-23:00", "look like"),
    ("07:00-07:00", "begins when it ends"), ("22:00-06:00,05:00-07:00", "lies over another"), ("00:00-24:00,01:00-02:00", "lies over"),
    (",".join(f"{hour:02}:00-{hour:02}:30" for hour in range(9)), "at most 8"), ("22:00-06:00,", "look like"),
])  # fmt: skip
def test_wrong_hours_are_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_windows(text)


def test_a_whole_day_and_no_hours_at_all_are_written_so() -> None:
    assert parse_windows("00:00-24:00") == (Window(0, MINUTES_OF_A_DAY),)
    assert parse_windows("  ") == ()


LIMITS = st.builds(
    Limits, spans().map(tuple), st.one_of(st.none(), st.integers(8, 9999)), st.one_of(st.none(), st.just(0), st.integers(8, 9999)),
    st.one_of(st.none(), st.integers(1, 10**9)), st.one_of(st.none(), st.integers(1, 10**10)),
)  # fmt: skip


@given(LIMITS, spans(), st.integers(0, 2 * 10**9), st.integers(0, 2 * 10**10))
def test_an_unknown_time_lies_in_every_window_and_in_no_class(limits: Limits, lessons: list[Window], day: int, month: int) -> None:
    found = judge(limits, lessons, None, Used(day, month))
    assert found.waits_for in {"", "day", "month"}
    assert found.ceiling_kbit_s == limits.ceiling_kbit_s


@given(LIMITS, spans(), MINUTES, st.integers(0, 2 * 10**9), st.integers(0, 2 * 10**10))
def test_what_is_used_up_waits_and_what_is_left_is_never_more_than_any_limit(
    limits: Limits, lessons: list[Window], minute: int, day: int, month: int
) -> None:
    found = judge(limits, lessons, minute, Used(day, month))
    if found.may_fetch:
        assert found.left_bytes is None or found.left_bytes > 0
        assert any(window.holds(minute) for window in limits.windows)
        assert found.ceiling_kbit_s != 0
    is_class = any(window.holds(minute) for window in lessons)
    if is_class and limits.class_ceiling_kbit_s is not None:
        assert found.ceiling_kbit_s is not None
        assert found.ceiling_kbit_s <= limits.class_ceiling_kbit_s
    more = judge(limits, lessons, minute, Used(day + 1, month + 1))
    assert found.may_fetch or not more.may_fetch, "more use opens nothing"


def test_in_class_the_lower_ceiling_holds_and_none_is_possible() -> None:
    lessons = [Window(570, 610)]
    limits = Limits(ceiling_kbit_s=256, class_ceiling_kbit_s=64)
    assert judge(limits, lessons, 600, Used()).ceiling_kbit_s == 64
    assert judge(limits, lessons, 611, Used()).ceiling_kbit_s == 256
    nothing = Limits(class_ceiling_kbit_s=0)
    assert judge(nothing, lessons, 600, Used()) == Verdict("class_hours", 0, None)
    assert judge(nothing, lessons, 610, Used()) == Verdict("", None, None)
