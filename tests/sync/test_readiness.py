"""A box knows what of the coming school days is here, and what it cannot know it does not say."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from eduhub.courses import plan
from eduhub.courses.models import Lesson
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.schools.models import SchoolCalendar
from eduhub.sync.allowance import allowing
from eduhub.sync.status import readiness
from eduhub.sync.status.forecast import Inflow
from eduhub.sync.status.readiness import (
    AMBER,
    GREEN,
    MISSING,
    NOT_PUBLISHED,
    NOTHING,
    RED,
    TAKEN_BACK,
    UNKNOWN,
    USEFUL,
    WHOLE,
    Held,
    Place,
    Readiness,
)
from tests.questions import counted
from tests.sync.world import WEDNESDAY_MS, Hub, School

WEDNESDAY, THURSDAY, FRIDAY, MONDAY = "2026-11-25", "2026-11-26", "2026-11-27", "2026-11-30"
SLOW = Inflow(bytes_s=1_000)


def planned(hub: Hub, school: School, day: str | None, *, position: int = 0, course: str | None = None) -> str:
    """A published lesson that a class is to have on a day; its uid."""
    package_id = hub.lesson(course or hub.course(school.org, groups=(school,)), position=position)
    with hub.here.database.write() as session:
        lesson_uid: str = session.get_one(PackageRow, package_id).lesson_uid
        plan.add(session, group_uid=school.group, lesson_uid=lesson_uid, day=day)
    return lesson_uid


def at_box(box: Installation, *, at_ms: int | None = WEDNESDAY_MS, inflow: Inflow = SLOW) -> Readiness:
    with box.database.read() as session:
        return readiness.at_box(session, replace(allowing.standing(session, box), at_ms=at_ms), inflow)


def states(ready: Readiness) -> dict[str, list[str]]:
    return {day.day: [lesson.held.state for lesson in day.lessons] for day in ready.days if day.lessons}


def forget(box: Installation, lesson_uid: str, *, floor: bool) -> None:
    """As if these parts had not come yet."""
    with box.database.write() as session:
        of_lesson = session.query(PackageRow.id).filter(PackageRow.lesson_uid == lesson_uid)
        session.execute(update(PartRow).where(PartRow.package_id.in_(of_lesson), PartRow.is_floor.is_(floor)).values(held=False))
        if floor:
            session.execute(update(PackageRow).where(PackageRow.lesson_uid == lesson_uid).values(floor_held=False))


def test_what_has_come_is_whole_and_what_the_link_did_not_bring_is_missing_with_the_time_when_it_comes(
    hub: Hub, box: Installation
) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    first, second = planned(hub, school, THURSDAY), planned(hub, school, FRIDAY, position=1)
    hub.sync(box)
    assert states(at_box(box)) == {THURSDAY: [WHOLE], FRIDAY: [WHOLE]}
    assert at_box(box).lamp == GREEN

    forget(box, second, floor=True)
    ready = at_box(box)
    assert states(ready) == {THURSDAY: [WHOLE], FRIDAY: [MISSING]}
    assert (ready.coming, ready.lamp) == (THURSDAY, AMBER)
    [missing] = ready.missing
    assert (missing.lesson_uid, missing.held.floor_left, missing.in_s) == (second, 41_400, 41.4)

    forget(box, first, floor=True)
    ready = at_box(box)
    assert ready.lamp == RED
    assert [lesson.in_s for lesson in ready.missing] == [41.4, 82.8]  # tomorrow's comes first
    assert [lesson.in_s for lesson in at_box(box, inflow=Inflow(None)).missing] == [None, None]


def test_a_lesson_that_can_be_watched_is_useful_while_its_better_video_is_on_its_way(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    uid = planned(hub, school, THURSDAY)
    hub.sync(box)
    forget(box, uid, floor=False)
    ready = at_box(box)
    assert states(ready) == {THURSDAY: [USEFUL]}
    assert ready.lamp == GREEN
    thursday = ready.of(THURSDAY)
    assert thursday is not None
    assert thursday.lessons[0].in_s == 60.0


def test_what_was_planned_and_is_not_published_or_taken_back_cannot_come_and_is_said_to_be_so(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    course = hub.course(school.org, groups=(school,))
    taken_back, draft = planned(hub, school, WEDNESDAY, course=course), planned(hub, school, None, position=1, course=course)
    with hub.here.database.write() as session:
        session.get_one(Lesson, taken_back).state = "withdrawn"
        session.get_one(Lesson, draft).state = "draft"
    hub.sync(box)
    ready = at_box(box)
    assert states(ready) == {WEDNESDAY: [TAKEN_BACK], "": [NOT_PUBLISHED]}
    assert ready.lamp == AMBER
    assert ready.missing == []


def test_a_box_that_does_not_know_what_day_it_is_counts_its_whole_plan_and_says_no_day(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    planned(hub, school, "2026-03-02")
    planned(hub, school, "2027-03-02", position=1)
    hub.sync(box)
    ready = at_box(box, at_ms=None)
    assert (ready.today, ready.coming, ready.lamp) == (None, None, UNKNOWN)
    assert states(ready) == {"": [WHOLE, WHOLE]}


def test_nothing_planned_is_no_lamp(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.sync(box)
    ready = at_box(box)
    assert ready.lamp == NOTHING
    assert [day.day for day in ready.days] == [WEDNESDAY, THURSDAY, FRIDAY, MONDAY, "2026-12-01"]


def test_a_box_asks_few_questions_however_long_the_plan_is(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    course = hub.course(school.org, groups=(school,))
    for position in range(12):
        planned(hub, school, FRIDAY, position=position, course=course)
    hub.sync(box)
    with box.database.read() as session, counted(box.database) as questions:
        readiness.at_box(session, allowing.standing(session, box), SLOW)
    assert len(questions) <= 12


# --- decided without a database -----------------------------------------------------

WINTER = SchoolCalendar(
    uid="s", org_uid="s", current_school_year=2026, class_hours=[],
    terms=[{"name": "1", "starts_on": "2026-09-01", "ends_on": "2026-11-26"}],
)  # fmt: skip


def test_school_days_are_weekdays_of_a_term_and_every_day_that_is_planned() -> None:
    assert readiness.school_days(WINTER, WEDNESDAY, []) == [WEDNESDAY, THURSDAY]
    assert readiness.school_days(WINTER, WEDNESDAY, ["2026-11-29"]) == [WEDNESDAY, THURSDAY, "2026-11-29"]
    assert readiness.school_days(None, "2026-11-28", []) == [MONDAY, "2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04"]


def test_a_lesson_is_named_once_a_day_in_the_order_of_the_periods() -> None:
    places = [Place("b", THURSDAY, 4), Place("a", THURSDAY, 1), Place("b", THURSDAY, 2), Place("c", THURSDAY)]
    ready = readiness.judged(places, {}, [THURSDAY], WEDNESDAY)
    assert [lesson.lesson_uid for lesson in ready.days[0].lessons] == ["a", "b", "c"]


held = st.sampled_from([Held(WHOLE), Held(USEFUL, 0, 5), Held(MISSING, 3, 8), Held(MISSING, None, None), Held(TAKEN_BACK)])
plans = st.lists(st.builds(Place, st.sampled_from("abcdef"), st.sampled_from([WEDNESDAY, THURSDAY, MONDAY, ""]), st.none() | st.integers(1, 9)))


@given(places=plans, here=st.dictionaries(st.sampled_from("abcdef"), held))
def test_the_lamp_is_green_only_when_everything_can_be_watched_and_red_only_when_it_is_soon(
    places: list[Place], here: dict[str, Held]
) -> None:
    days = [WEDNESDAY, THURSDAY, MONDAY]
    ready = readiness.judged(places, here, days, WEDNESDAY)
    of_plan = [lesson for day in ready.days for lesson in day.lessons]
    assert {(lesson.lesson_uid, day.day) for day in ready.days for lesson in day.lessons} == {(p.lesson_uid, p.day) for p in places}
    assert (ready.lamp == GREEN) == (bool(of_plan) and all(lesson.can_be_watched for lesson in of_plan))
    soon = [lesson for day in ready.days if day.day in (WEDNESDAY, THURSDAY) for lesson in day.lessons]
    assert (ready.lamp == RED) == any(lesson.held.state == MISSING for lesson in soon)
    assert sum(sum(day.counts) for day in ready.days) == len(of_plan)


def test_a_wall_clock_has_no_part_in_it(hub: Hub, box: Installation) -> None:
    """What day it is comes in: the same moment is Wednesday here and Thursday further east."""
    school = hub.school("Shuanghu")
    hub.join(box, school)
    hub.sync(box)
    late = int(datetime(2026, 11, 25, 23, 59, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)
    assert at_box(box, at_ms=late).today == WEDNESDAY
    assert at_box(box, at_ms=late + 60_000).today == THURSDAY
