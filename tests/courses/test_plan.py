"""The plan: planned, moved, dropped for good, and read in the school's own time."""

from datetime import UTC, datetime

import pytest

from eduhub.courses import plan
from eduhub.courses.models import PlanRow
from eduhub.errors import BadInput, NotFound
from eduhub.schools.models import SchoolCalendar
from eduhub.uids import new_uid
from tests.courses.conftest import add_lesson


@pytest.fixture
def lessons(installation, house) -> list[str]:
    with installation.database.write() as session:
        return [add_lesson(session, house.course, title) for title in ("水", "火", "土", "风")]


def test_a_week_is_read_in_school_order_with_what_is_next_at_the_end(installation, house, lessons):
    with installation.database.write() as session:
        for lesson, day, period in zip(
            lessons, ("2026-11-24", "2026-11-23", None, "2026-11-23"), (1, None, None, 3), strict=True
        ):
            plan.add(session, group_uid=house.group, lesson_uid=lesson, day=day, period=period)
        plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day="2026-11-30", period=1)
    with installation.database.read() as session:
        week = plan.for_group(session, house.group, "2026-11-23", "2026-11-29")
        assert [row.lesson_uid for row in week] == [lessons[3], lessons[1], lessons[0], lessons[2]]


def test_a_lesson_can_be_moved_and_a_dropped_one_stays_dropped(installation, house, lessons):
    with installation.database.write() as session:
        row = plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day="2026-11-23", period=2)
        plan.move(session, row.uid, day="2026-11-25", period=1)
        assert (row.day, row.period) == ("2026-11-25", 1)
        plan.drop(session, row.uid, "2026-11-24")
        plan.drop(session, row.uid, "2026-11-25")
        assert row.dropped_on == "2026-11-24"
        assert plan.for_group(session, house.group, "2026-11-01", "2026-12-01") == []
    with pytest.raises(BadInput), installation.database.write() as session:
        session.get_one(PlanRow, row.uid).dropped_on = None


@pytest.mark.parametrize(
    ("zone", "day"), [("Asia/Shanghai", "2026-11-24"), ("Asia/Urumqi", "2026-11-23"), ("No/Such_Place", "2026-11-24")]
)
def test_a_day_is_the_schools_own(installation, house, zone, day):
    at = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)  # 01:00 in Shanghai, 23:00 in Urumqi
    with installation.database.write() as session:
        session.get_one(SchoolCalendar, house.shuanghu).time_zone = zone
        assert plan.school_day(session, house.shuanghu, at) == day


@pytest.mark.parametrize(
    ("day", "period"), [("2026-11-31", 1), ("23.11.2026", 1), ("2026-11-23", 0), ("2026-11-23", 21), (None, 1)]
)
def test_days_and_periods_that_no_school_has_are_refused(installation, house, lessons, day, period):
    with pytest.raises(BadInput), installation.database.write() as session:
        plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day=day, period=period)


def test_unknown_things_cannot_be_planned(installation, house, lessons):
    for group, lesson in ((new_uid(), lessons[0]), (house.group, new_uid())):
        with pytest.raises(NotFound), installation.database.write() as session:
            plan.add(session, group_uid=group, lesson_uid=lesson)
    with pytest.raises(NotFound), installation.database.write() as session:
        plan.move(session, new_uid(), day=None, period=None)
