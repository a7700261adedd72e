"""The demo's people, courses and plan, as they are written into a new hub."""

from datetime import date

from sqlalchemy import func, select

from eduhub import clock
from eduhub.accounts import credentials, roles
from eduhub.accounts.models import Person
from eduhub.courses import audience, plan
from eduhub.courses.models import Course, Lesson
from eduhub.db import Database
from eduhub.ops.demo import school
from eduhub.ops.demo.people import ADULTS, CHILDREN, SCHOOLS
from eduhub.schools.models import Group, Organisation

ROLES = {"operator", "region_operator", "school_admin", "teacher", "assistant", "reviewer", "student"}
MONDAY_MS, SUNDAY_MS = 1_795_399_200_000, 1_795_917_600_000  # 2026-11-23 and 2026-11-29, 02:00 UTC


def test_there_is_somebody_of_every_role(database: Database) -> None:
    with database.write() as session:
        demo = school.write(session)
    assert {row.role for row in demo.sign_ins} == ROLES


def test_every_adult_can_sign_in_with_what_the_table_says(database: Database) -> None:
    with database.write() as session:
        demo = school.write(session)
    ways = [row.how.split(" / ") for row in demo.sign_ins if " / " in row.how]
    assert len(ways) == len(ADULTS)
    with database.write() as session:
        for sign_in_name, password in ways:
            person = session.get_one(Person, credentials.check_password(session, sign_in_name, password).person_uid)
            assert roles.of(session, person.uid, clock.today())


def test_every_child_can_sign_in_with_the_card_that_the_table_says(database: Database) -> None:
    with database.write() as session:
        demo = school.write(session)
    cards = {row.who: row.how.removeprefix("card ") for row in demo.sign_ins if row.role == "student"}
    assert len(cards) == sum(map(len, CHILDREN.values()))
    with database.write() as session:
        for name, card in cards.items():
            assert session.get_one(Person, credentials.check_card(session, card).person_uid).name == name


def test_a_region_has_two_schools_named_in_three_languages(database: Database) -> None:
    with database.write() as session:
        school.write(session)
        places = session.scalars(select(Organisation)).all()
    assert sorted(place.kind for place in places) == ["region", "school", "school"]
    assert all(set(place.names) == {"bo", "zh", "en"} for place in places)


def test_children_read_the_course_of_the_other_school_and_everybody_the_open_one(database: Database) -> None:
    with database.write() as session:
        demo = school.write(session)
        for lesson in session.scalars(select(Lesson)):
            lesson.state = "published"
        pasang = session.scalars(select(Person).where(Person.name == "Pasang")).one()
        ice = session.get_one(Lesson, demo.lesson_uids["why-ice-floats"])
        clean = session.get_one(Lesson, demo.lesson_uids["clean-water"])
        assert audience.may_read(session, ice, pasang.uid, clock.today())
        assert not audience.may_read(session, ice, None, clock.today())
        assert audience.may_read(session, clean, None, clock.today())
        assert session.scalar(select(func.count()).select_from(Course)) == 2


def test_the_plan_has_a_lesson_today_and_one_on_friday(database: Database) -> None:
    clock.freeze(MONDAY_MS)
    with database.write() as session:
        school.write(session)
        for group in session.scalars(select(Group)):
            rows = plan.for_group(session, group.uid, "2026-11-23", "2026-11-29")
            assert [(row.day, row.period) for row in rows] == [("2026-11-23", 2), ("2026-11-27", 3)]


def test_at_the_end_of_the_week_the_second_lesson_is_next(database: Database) -> None:
    clock.freeze(SUNDAY_MS)
    with database.write() as session:
        school.write(session)
        group = session.scalars(select(Group)).first()
        assert group is not None
        rows = plan.for_group(session, group.uid, "2026-11-23", "2026-11-29")
        assert date.fromisoformat(rows[0].day or "").isoweekday() == 7
        assert rows[1].day is None


def test_a_later_start_plans_its_own_week_once(database: Database) -> None:
    clock.freeze(SUNDAY_MS)
    with database.write() as session:
        demo = school.write(session)
    groups = []
    for days in (1, 1, 2, 8):
        clock.freeze(SUNDAY_MS + days * 86_400_000)
        with database.write() as session:
            groups = school.groups_of(session, demo)
            for group in groups:
                school.plan_this_week(session, demo, group)
    assert len(groups) == len(SCHOOLS)
    with database.read() as session:
        for group in groups:
            rows = plan.for_group(session, group, "2026-11-30", "2026-12-13")
            assert [row.day for row in rows] == ["2026-11-30", "2026-12-04", "2026-12-07", "2026-12-11", None]


def test_the_memory_of_it_survives_a_file(database: Database) -> None:
    with database.write() as session:
        demo = school.write(session)
    assert school.DemoSchool.from_json(demo.as_json()) == demo
    assert len(SCHOOLS) == 2
