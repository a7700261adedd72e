"""When the rest will be here: by the rate, the hours for lessons and the allowances."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import clock
from eduhub.sync.forecast import HORIZON_DAYS, Allowance, Pace, comes_in_s

pytestmark = pytest.mark.any_engine
ZONE = "Asia/Shanghai"
AFTERNOON = int(datetime(2026, 11, 25, 14, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)
HOUR_S, MB = 3600, 1_000_000
NIGHTS = Pace(bytes_s=10_000, window="22:00-06:00", zone=ZONE)


def test_without_a_measured_rate_nobody_can_tell() -> None:
    assert comes_in_s(1, Pace(None), AFTERNOON) is None
    assert comes_in_s(1, Pace(0.0), AFTERNOON) is None
    assert comes_in_s(0, Pace(None), AFTERNOON) == 0


def test_where_lessons_come_at_any_time_it_is_bytes_by_rate() -> None:
    assert comes_in_s(36 * MB, Pace(10_000), AFTERNOON) == HOUR_S
    assert comes_in_s(36 * MB * 50, Pace(10_000, zone=ZONE), AFTERNOON) == 50 * HOUR_S
    assert comes_in_s(36 * MB, Pace(10_000, window="08:00-08:00"), AFTERNOON) == HOUR_S  # always open


def test_what_may_only_come_at_night_waits_for_the_night_and_for_the_next_one() -> None:
    assert comes_in_s(36 * MB, NIGHTS, AFTERNOON) == 9 * HOUR_S  # from 22:00 on, an hour
    assert comes_in_s(9 * 36 * MB, NIGHTS, AFTERNOON) == 33 * HOUR_S  # eight hours of this night, one of the next


def test_a_daily_allowance_ends_the_day_and_a_monthly_one_the_month() -> None:
    daily = Pace(10_000, zone=ZONE, day=Allowance(each=36 * MB, left=18 * MB))
    assert comes_in_s(18 * MB, daily, AFTERNOON) == HOUR_S / 2
    assert comes_in_s(36 * MB, daily, AFTERNOON) == 10.5 * HOUR_S  # half an hour after midnight
    monthly = replace(daily, month=Allowance(each=360 * MB, left=0))
    first_of_december_s = (datetime(2026, 12, 1, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000 - AFTERNOON) / 1000
    assert comes_in_s(36 * MB, monthly, AFTERNOON) == first_of_december_s + HOUR_S
    assert comes_in_s(36 * MB, replace(daily, day=Allowance(0, 0)), AFTERNOON) is None


def test_a_box_that_does_not_know_the_time_counts_every_hour_as_open_and_the_allowance_as_one_days() -> None:
    assert comes_in_s(36 * MB, NIGHTS, None) == HOUR_S
    assert comes_in_s(36 * MB, replace(NIGHTS, day=Allowance(72 * MB, 18 * MB)), None) is None


def test_what_would_take_months_has_no_day() -> None:
    assert comes_in_s(10_000 * 86_400 * (HORIZON_DAYS + 1), Pace(10_000), AFTERNOON) is None


times = st.tuples(st.integers(0, 23), st.sampled_from([0, 15, 30, 59])).map(lambda at: f"{at[0]:02}:{at[1]:02}")
allowances = st.none() | st.integers(1, 500).map(lambda each: Allowance(each * MB, each * MB // 3))
paces = st.builds(
    Pace, bytes_s=st.floats(500, 1e6), window=st.tuples(times, times).map("-".join) | st.just("00:00-24:00"),
    zone=st.sampled_from([ZONE, "UTC", "America/Santiago", "Africa/Cairo"]), day=allowances, month=allowances,
)  # fmt: skip
YEAR_BEGAN_S = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
moments = st.none() | st.integers(0, 366 * 86_400).map(lambda seconds: (YEAR_BEGAN_S + seconds) * 1000)


@given(pace=paces, at_ms=moments, count=st.integers(0, 2_000 * MB), more=st.integers(1, 200 * MB))
def test_more_bytes_never_come_sooner_and_never_sooner_than_the_line_carries_them(
    pace: Pace, at_ms: int | None, count: int, more: int
) -> None:
    first, later = comes_in_s(count, pace, at_ms), comes_in_s(count + more, pace, at_ms)
    assert pace.bytes_s is not None
    if later is not None:
        assert first is not None
        assert first <= later
        assert later >= (count + more) / pace.bytes_s - 0.01


@given(pace=paces, at_ms=moments.filter(lambda at: at is not None), count=st.integers(1, 2_000 * MB))
def test_the_last_byte_comes_while_lessons_may_come(pace: Pace, at_ms: int, count: int) -> None:
    seconds = comes_in_s(count, pace, at_ms)
    if seconds is not None:
        just_before_ms = at_ms + round(seconds * 1000) - 1000
        assert clock.in_window(pace.window, pace.zone, just_before_ms) or clock.in_window(pace.window, pace.zone, just_before_ms + 1000)
