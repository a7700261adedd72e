"""A course reaches schools by its audience, children by their groups, adults by their roles."""

import pytest
from sqlalchemy import select

from eduhub.accounts import roles
from eduhub.courses import audience, editing, plan
from eduhub.courses.models import Course, GroupCourse, Lesson
from eduhub.errors import NotAllowed
from eduhub.installation import Installation
from eduhub.schools import enrolment, groups, organisations
from eduhub.schools.models import Enrolment
from tests.courses.conftest import ON, SINCE, House, add_lesson


@pytest.fixture
def lesson(installation: Installation, house: House) -> str:
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        session.get_one(Lesson, uid).state = "published"
        return uid


def readers(installation: Installation, house: House, lesson: str, on: str = ON) -> set[str]:
    """Who of the house, and 'nobody', may read the lesson."""
    named = {name: getattr(house, name) for name in ("tashi", "pema", "tenzin", "dolma", "lhamo")} | {"nobody": None}
    with installation.database.read() as session:
        row = session.get_one(Lesson, lesson)
        found = {name for name, uid in named.items() if audience.may_read(session, row, uid, on)}
        assert found == {name for name, uid in named.items() if audience.readable(session, [lesson, "x"], uid, on) == {lesson}}
        return found


def change(installation: Installation, course: str, **values) -> None:
    with installation.database.write() as session:
        editing.change_course(session, course, **values)


def test_a_lesson_of_our_own_school_is_for_our_children_and_staff(installation, house, lesson):
    assert readers(installation, house, lesson) == {"tashi", "pema", "tenzin", "dolma"}


def test_a_lesson_that_is_not_published_is_for_the_owners_staff_alone(installation, house, lesson):
    for state in ("draft", "submitted", "withdrawn"):
        with installation.database.write() as session:
            session.get_one(Lesson, lesson).state = state
        change(installation, house.course, audience="open")
        assert readers(installation, house, lesson) == {"tashi", "pema", "tenzin"}


def test_an_open_lesson_is_for_everybody_without_signing_in(installation, house, lesson):
    change(installation, house.course, audience="open")
    assert readers(installation, house, lesson) == {"tashi", "pema", "tenzin", "dolma", "lhamo", "nobody"}


def test_a_lesson_for_all_is_read_in_another_school_when_its_class_takes_it(installation, house, lesson):
    change(installation, house.course, audience="all")
    assert "lhamo" not in readers(installation, house, lesson)
    with installation.database.write() as session:
        editing.give_course(session, group_uid=house.nyima_group, course_uid=house.course, starts_on=SINCE)
    assert "lhamo" in readers(installation, house, lesson)


def test_a_plan_lets_a_class_read_one_lesson(installation, house, lesson):
    change(installation, house.course, audience="listed", listed_org_uids=[house.nyima])
    with installation.database.write() as session:
        other = add_lesson(session, house.course, "火")
        session.get_one(Lesson, other).state = "published"
        row = plan.add(session, group_uid=house.nyima_group, lesson_uid=lesson)
    assert "lhamo" in readers(installation, house, lesson)
    assert "lhamo" not in readers(installation, house, other)
    with installation.database.write() as session:
        plan.drop(session, row.uid, ON)
    assert "lhamo" not in readers(installation, house, lesson)


def test_a_course_that_no_longer_reaches_a_school_is_read_there_no_more(installation, house, lesson):
    change(installation, house.course, audience="all")
    with installation.database.write() as session:
        editing.give_course(session, group_uid=house.nyima_group, course_uid=house.course, starts_on=SINCE)
    change(installation, house.course, audience="own")
    assert "lhamo" not in readers(installation, house, lesson)
    with installation.database.read() as session:
        assert audience.courses_of_group(session, house.nyima_group, ON) == []
        assert audience.lessons_of_person(session, house.lhamo, ON) == []


def test_what_ended_yesterday_gives_no_right_today(installation, house, lesson):
    assert "dolma" not in readers(installation, house, lesson, on="2026-08-31")
    with installation.database.write() as session:
        span = session.scalars(select(GroupCourse)).one()
        editing.end_course(session, span.uid, ON)
    assert "dolma" not in readers(installation, house, lesson)
    assert "dolma" in readers(installation, house, lesson, on="2026-11-22")


def test_a_child_who_left_the_class_reads_its_lessons_no_more(installation, house, lesson):
    with installation.database.write() as session:
        span = session.scalars(select(Enrolment).where(Enrolment.person_uid == house.dolma)).one()
        enrolment.withdraw(session, span.uid, ON, "transferred")
    assert "dolma" not in readers(installation, house, lesson)


def test_a_composite_class_is_taught_to_the_children_of_its_classes(installation, house):
    with installation.database.write() as session:
        second = groups.add(session, org_uid=house.shuanghu, stage="primary", intake_year=2024, class_number=1)
        both = groups.add_composite(
            session, org_uid=house.shuanghu, names={"zh": "复式班"}, member_group_uids=[house.group, second.uid]
        )
        course = editing.add_course(session, org_uid=house.shuanghu, titles={"zh": "音乐"})
        editing.give_course(session, group_uid=both.uid, course_uid=course.uid, starts_on=SINCE)
        song = add_lesson(session, course.uid, "歌")
        session.get_one(Lesson, song).state = "published"
    assert "dolma" in readers(installation, house, song)


def test_a_teacher_of_one_course_reads_no_draft_of_another(installation, house):
    with installation.database.write() as session:
        course = editing.add_course(session, org_uid=house.shuanghu, titles={"zh": "音乐"})
        draft = add_lesson(session, course.uid)
    assert readers(installation, house, draft) == {"pema", "tenzin"}


def test_an_assistant_of_a_group_reads_what_the_group_takes_once_it_is_published(installation, house, lesson):
    with installation.database.write() as session:
        draft = add_lesson(session, house.course)
        roles.grant(
            session, person_uid=house.lhamo, role="assistant", scope_kind="group", scope_uid=house.group,
            org_uid=house.shuanghu, starts_on=SINCE,
        )  # fmt: skip
    assert "lhamo" in readers(installation, house, lesson)
    assert "lhamo" not in readers(installation, house, draft)


def test_the_staff_of_another_school_reads_what_reaches_it(installation, house, lesson):
    with installation.database.write() as session:
        roles.grant(
            session, person_uid=house.lhamo, role="teacher", scope_kind="organisation", scope_uid=house.nyima,
            org_uid=house.nyima, starts_on=SINCE,
        )  # fmt: skip
    assert "lhamo" not in readers(installation, house, lesson)
    change(installation, house.course, audience="all")
    assert "lhamo" in readers(installation, house, lesson)


@pytest.mark.parametrize(
    ("kind", "listed", "reached"),
    [
        ("own", [], {"shuanghu", "point"}), ("listed", ["nyima"], {"shuanghu", "point", "nyima"}),
        ("listed", ["region"], {"region", "shuanghu", "point", "nyima"}), ("all", [], {"region", "shuanghu", "point", "nyima"}),
        ("own", ["nyima"], {"shuanghu", "point"}),
    ],
)  # fmt: skip
def test_an_audience_takes_in_what_is_below_the_places_it_names(installation, house, kind, listed, reached):
    with installation.database.write() as session:
        point = organisations.add(session, kind="teaching_point", names={"zh": "教学点"}, parent_uid=house.shuanghu)
        places = {"region": house.region, "shuanghu": house.shuanghu, "nyima": house.nyima, "point": point.uid}
        editing.change_course(session, house.course, audience=kind, listed_org_uids=[places[name] for name in listed])
        course = session.get_one(Course, house.course)
        assert {name for name, uid in places.items() if audience.may_org_have(session, course, uid)} == reached


def test_a_course_cannot_be_given_to_a_class_it_does_not_reach(installation, house, lesson):
    with pytest.raises(NotAllowed), installation.database.write() as session:
        editing.give_course(session, group_uid=house.nyima_group, course_uid=house.course, starts_on=SINCE)
    with pytest.raises(NotAllowed), installation.database.write() as session:
        plan.add(session, group_uid=house.nyima_group, lesson_uid=lesson)


def test_a_childs_lessons_come_in_the_order_of_the_course(installation, house, lesson):
    with installation.database.write() as session:
        others = [add_lesson(session, house.course, title) for title in ("火", "土")]
        for uid in others:
            session.get_one(Lesson, uid).state = "published"
        session.get_one(Lesson, others[0]).position = 9
        add_lesson(session, house.course, "draft")
    with installation.database.read() as session:
        found = [row.uid for row in audience.lessons_of_person(session, house.dolma, ON)]
        assert found == [lesson, others[1], others[0]]
        assert [course.uid for course in audience.courses_of_group(session, house.group, ON)] == [house.course]


def test_a_teacher_of_a_class_reads_what_is_planned_for_it_like_its_children(installation, house, lesson):
    change(installation, house.course, audience="all")
    with installation.database.write() as session:
        roles.grant(
            session, person_uid=house.lhamo, role="teacher", scope_kind="group", scope_uid=house.nyima_group,
            org_uid=house.nyima, starts_on=SINCE,
        )  # fmt: skip
        enrolled = session.scalars(select(Enrolment).where(Enrolment.person_uid == house.lhamo)).one()
        enrolment.withdraw(session, enrolled.uid, ON, "withdrawn")
    assert "lhamo" not in readers(installation, house, lesson)
    with installation.database.write() as session:
        plan.add(session, group_uid=house.nyima_group, lesson_uid=lesson)
    assert "lhamo" in readers(installation, house, lesson)
    change(installation, house.course, audience="own")
    assert "lhamo" not in readers(installation, house, lesson)
