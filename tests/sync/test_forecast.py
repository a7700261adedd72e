"""When the rest will be here: by the rate, the hours for lessons and the allowances."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.sync.allowance.budgets import Limits, Used, Window, parse_windows
from eduhub.sync.status import inflow as box_inflow
from eduhub.sync.status.forecast import HORIZON_DAYS, Curve, Inflow

pytestmark = pytest.mark.any_engine
ZONE = "Asia/Shanghai"
AFTERNOON = int(datetime(2026, 11, 25, 14, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)
HOUR_S, MB = 3600, 1_000_000
NIGHTS = Inflow(10_000, Limits(parse_windows("22:00-06:00")), ZONE)


def comes_in_s(count: int, inflow: Inflow, at_ms: int | None) -> float | None:
    return Curve(inflow, at_ms).in_s(count)


def test_without_a_measured_rate_nobody_can_tell() -> None:
    assert comes_in_s(1, Inflow(None), AFTERNOON) is None
    assert comes_in_s(1, Inflow(0.0), AFTERNOON) is None
    assert comes_in_s(0, Inflow(None), AFTERNOON) == 0


def test_where_lessons_come_at_any_time_it_is_bytes_by_rate() -> None:
    assert comes_in_s(36 * MB, Inflow(10_000), AFTERNOON) == HOUR_S
    assert comes_in_s(36 * MB * 50, Inflow(10_000, zone=ZONE), AFTERNOON) == 50 * HOUR_S


def test_what_may_only_come_at_night_waits_for_the_night_and_for_the_next_one() -> None:
    assert comes_in_s(36 * MB, NIGHTS, AFTERNOON) == 9 * HOUR_S  # from 22:00 on, an hour
    assert comes_in_s(9 * 36 * MB, NIGHTS, AFTERNOON) == 33 * HOUR_S  # eight hours of this night, one of the next


def test_a_daily_allowance_ends_the_day_and_a_monthly_one_the_month() -> None:
    daily = Inflow(10_000, Limits(day_bytes=36 * MB), ZONE, Used(day=18 * MB))
    assert comes_in_s(18 * MB, daily, AFTERNOON) == HOUR_S / 2
    assert comes_in_s(36 * MB, daily, AFTERNOON) == 10.5 * HOUR_S  # half an hour after midnight
    monthly = replace(daily, limits=Limits(day_bytes=36 * MB, month_bytes=360 * MB), used=Used(0, 360 * MB))
    first_of_december_s = (datetime(2026, 12, 1, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000 - AFTERNOON) / 1000
    assert comes_in_s(36 * MB, monthly, AFTERNOON) == first_of_december_s + HOUR_S


def test_a_ceiling_in_class_hours_is_slower_and_one_of_nothing_waits() -> None:
    lessons = (Window(14 * 60, 15 * 60),)
    slow = Inflow(10_000, Limits(class_ceiling_kbit_s=40), ZONE, class_hours=lessons)  # 5,000 bytes a second
    assert comes_in_s(36 * MB, slow, AFTERNOON) == HOUR_S + HOUR_S / 2
    shut = replace(slow, limits=Limits(class_ceiling_kbit_s=0))
    assert comes_in_s(36 * MB, shut, AFTERNOON) == 2 * HOUR_S
    assert comes_in_s(36 * MB, replace(shut, has_classes=lambda _day: False), AFTERNOON) == HOUR_S
    assert comes_in_s(36 * MB, replace(shut, limits=Limits(ceiling_kbit_s=8)), AFTERNOON) == 36_000


def test_a_box_that_does_not_know_the_time_counts_every_hour_as_open_and_the_allowance_as_one_days() -> None:
    assert comes_in_s(36 * MB, NIGHTS, None) == HOUR_S
    assert comes_in_s(36 * MB, replace(NIGHTS, limits=Limits(day_bytes=72 * MB), used=Used(day=60 * MB)), None) is None


def test_what_would_take_months_has_no_day() -> None:
    assert comes_in_s(10_000 * 86_400 * (HORIZON_DAYS + 1), Inflow(10_000), AFTERNOON) is None


minutes = st.integers(0, 95).map(lambda quarter: quarter * 15)
spans = st.tuples(minutes, minutes).filter(lambda span: span[0] != span[1]).map(lambda span: Window(*span))
allowances = st.none() | st.integers(1, 500).map(lambda each: each * MB)
inflows = st.builds(
    Inflow, bytes_s=st.floats(500, 1e6),
    limits=st.builds(
        Limits, windows=st.lists(spans, max_size=1).map(tuple), ceiling_kbit_s=st.none() | st.integers(8, 2000),
        class_ceiling_kbit_s=st.none() | st.just(0) | st.integers(8, 500), day_bytes=allowances, month_bytes=allowances,
    ),
    zone=st.sampled_from([ZONE, "UTC", "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe"]),
    used=st.builds(Used, st.integers(0, 100 * MB), st.integers(0, 100 * MB)), class_hours=st.lists(spans, max_size=1).map(tuple),
    has_classes=st.just(lambda day: day.endswith(("1", "3", "5"))),
)  # fmt: skip
YEAR_BEGAN_S = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
moments = st.integers(0, 366 * 86_400).map(lambda seconds: (YEAR_BEGAN_S + seconds) * 1000)


@given(inflow=inflows, at_ms=st.none() | moments, count=st.integers(0, 2_000 * MB), more=st.integers(1, 200 * MB))
def test_more_bytes_never_come_sooner_and_never_sooner_than_the_line_carries_them(
    inflow: Inflow, at_ms: int | None, count: int, more: int
) -> None:
    first, later = comes_in_s(count, inflow, at_ms), comes_in_s(count + more, inflow, at_ms)
    assert inflow.bytes_s is not None
    if later is not None:
        assert first is not None
        assert first <= later
        assert later >= (count + more) / inflow.bytes_s - 0.01


@given(inflow=inflows, at_ms=moments, count=st.integers(1, 2_000 * MB))
def test_the_last_byte_comes_while_lessons_may_come(inflow: Inflow, at_ms: int, count: int) -> None:
    seconds = comes_in_s(count, inflow, at_ms)
    if seconds is not None:
        unlimited = replace(inflow, limits=replace(inflow.limits, day_bytes=None, month_bytes=None))
        end_ms = at_ms + round(seconds * 1000)
        assert any(is_open(unlimited, at) for at in (end_ms - 1000, end_ms, max(at_ms, end_ms - 61_000)))


def is_open(inflow: Inflow, at_ms: int) -> bool:
    return box_inflow.is_open(inflow, at_ms, datetime.fromtimestamp(at_ms / 1000, tz=ZoneInfo(inflow.zone)).date().isoformat())
