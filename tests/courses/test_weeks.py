"""A week of a class's plan: its days, its terms, and carrying the week before on."""

import pytest

from eduhub import changes
from eduhub.courses import plan, weeks
from eduhub.courses.models import Lesson, PlanRow
from eduhub.errors import BadInput, PlanChanged
from eduhub.schools import calendars
from tests.courses.conftest import ON, add_lesson

BEFORE, WEEK, AFTER = "2026-11-16", "2026-11-23", "2026-11-30"


@pytest.fixture
def lessons(installation, house) -> list[str]:
    """Four published lessons of the course, in its order."""
    with installation.database.write() as session:
        uids = [add_lesson(session, house.course, title) for title in ("水", "火", "土", "风")]
        for uid in uids:
            session.get_one(Lesson, uid).state = "published"
        return uids


def places(session, house, day) -> list[tuple[str, str | None, int | None]]:
    days = weeks.days_of(day)
    return [(row.lesson_uid, row.day, row.period) for row in plan.for_group(session, house.group, days[0], days[-1])]


def test_a_week_begins_on_monday_whichever_of_its_days_is_asked_for():
    for day in ("2026-11-23", "2026-11-25", "2026-11-29"):
        assert weeks.days_of(day) == [f"2026-11-{number}" for number in range(23, 30)]
    for wrong in ("25.11.2026", "0001-01-01x", "9999-12-31"):
        with pytest.raises(BadInput):
            weeks.days_of(wrong)


def test_the_next_lessons_of_the_course_come_into_the_places_of_the_week_before(installation, house, lessons):
    with installation.database.write() as session:
        plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day=BEFORE, period=2)
        plan.add(session, group_uid=house.group, lesson_uid=lessons[1], day="2026-11-18", period=1)
        carried = weeks.continue_courses(session, house.group, BEFORE, WEEK, ON)
        assert (len(carried.made), carried.left_out) == (2, 0)
        assert places(session, house, WEEK) == [(lessons[2], WEEK, 2), (lessons[3], "2026-11-25", 1)]
        ended = weeks.continue_courses(session, house.group, WEEK, AFTER, ON)
        assert (len(ended.made), ended.left_out) == (0, 2)  # the course has no more


def test_a_repeated_week_fills_free_places_only_and_a_second_time_none(installation, house, lessons):
    with installation.database.write() as session:
        plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day=BEFORE, period=2)
        plan.add(session, group_uid=house.group, lesson_uid=lessons[1], day="2026-11-17", period=1)
        plan.add(session, group_uid=house.group, lesson_uid=lessons[3], day=WEEK, period=2)  # somebody was here before
        carried = weeks.repeat(session, house.group, BEFORE, WEEK)
        assert (len(carried.made), carried.left_out) == (1, 1)
        assert places(session, house, WEEK) == [(lessons[3], WEEK, 2), (lessons[1], "2026-11-24", 1)]
        assert weeks.repeat(session, house.group, BEFORE, WEEK).made == []


def test_nothing_is_carried_into_the_holidays_and_no_lesson_that_was_taken_back(installation, house, lessons):
    with installation.database.write() as session:
        calendar = calendars.get(session, house.shuanghu)
        calendars.set_terms(calendar, [{"name": "1", "starts_on": "2026-09-01", "ends_on": "2026-11-24"}])
        plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day=BEFORE, period=1)
        plan.add(session, group_uid=house.group, lesson_uid=lessons[1], day=BEFORE, period=2)
        plan.add(session, group_uid=house.group, lesson_uid=lessons[2], day="2026-11-19", period=1)  # then: holidays
        session.get_one(Lesson, lessons[1]).state = "withdrawn"
        session.flush()
        weeks.repeat(session, house.group, BEFORE, WEEK)
        assert places(session, house, WEEK) == [(lessons[0], WEEK, 1)]
        assert not calendars.is_school_day(calendar, "2026-11-26")
        assert calendars.is_school_day(None, "2026-11-26")


def test_who_moves_a_lesson_that_somebody_moved_meanwhile_is_told_and_undoes_nothing(installation, house, lessons):
    with installation.database.write() as session:
        row = plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day=WEEK, period=2)
        plan.move(session, row.uid, day=WEEK, period=3, seen=(WEEK, 2))
        with pytest.raises(PlanChanged):
            plan.move(session, row.uid, day=WEEK, period=4, seen=(WEEK, 2))
        with pytest.raises(PlanChanged):
            plan.drop(session, row.uid, ON, seen=(WEEK, 2))
        assert (row.day, row.period, row.dropped_on) == (WEEK, 3, None)
        plan.drop(session, row.uid, ON, seen=(WEEK, 3))
        plan.drop(session, row.uid, ON, seen=(WEEK, 3))  # sent twice


def test_two_machines_that_plan_for_one_place_at_once_keep_both_lessons(make_installation, installation, house, lessons):
    there = make_installation()
    with there.database.write() as session:
        row = PlanRow(org_uid=house.shuanghu, group_uid=house.group, lesson_uid=lessons[1], day=WEEK, period=1)
        session.add(row)
        session.flush()
        theirs = changes.history(session, "plan_row", row.uid)
    with installation.database.write() as session:
        plan.add(session, group_uid=house.group, lesson_uid=lessons[0], day=WEEK, period=1)
        changes.merge(session, theirs)
        assert sorted(uid for uid, _day, _period in places(session, house, WEEK)) == sorted(lessons[:2])
