"""Courses, units and lessons are made and changed; what makes no sense is refused."""

import pytest

from eduhub import changes
from eduhub.courses import editing
from eduhub.errors import BadInput, NotFound
from eduhub.uids import new_uid
from tests.courses.conftest import add_lesson


def test_lessons_and_units_are_put_at_the_end(installation, house):
    with installation.database.write() as session:
        units = [editing.add_unit(session, course_uid=house.course, titles={"zh": title}) for title in ("一", "二")]
        assert [unit.position for unit in units] == [1, 2]
        lessons = [
            editing.add_lesson(
                session, course_uid=house.course, unit_uid=units[0].uid, titles={"zh": title}, language="zh"
            )
            for title in ("水", "火")
        ]
        assert [lesson.position for lesson in lessons] == [1, 2]
        assert {lesson.org_uid for lesson in lessons} == {house.shuanghu}
        assert lessons[0].timeline_uid != lessons[1].timeline_uid
        assert {lesson.state for lesson in lessons} == {"draft"}


def test_a_unit_of_another_course_is_refused(installation, house):
    with installation.database.write() as session:
        other = editing.add_course(session, org_uid=house.shuanghu, titles={"zh": "音乐"})
        unit = editing.add_unit(session, course_uid=other.uid, titles={"zh": "一"})
        lesson = add_lesson(session, house.course)
        with pytest.raises(BadInput):
            editing.change_lesson(session, lesson, unit_uid=unit.uid)


@pytest.mark.parametrize("titles", [{}, {"zh": "  "}, {"Chinese!": "水"}, {"zh": "x" * 201}, {"zh": "a\0b"}])
def test_a_title_is_needed_in_a_language(installation, house, titles):
    with pytest.raises(BadInput), installation.database.write() as session:
        editing.add_course(session, org_uid=house.shuanghu, titles=titles)


def test_texts_are_trimmed_and_empty_ones_left_out(installation, house):
    with installation.database.write() as session:
        lesson = editing.change_lesson(session, add_lesson(session, house.course), titles={"zh": " 水 ", "en": " "})
        assert lesson.titles == {"zh": "水"}


@pytest.mark.parametrize("how", [{"audience": "friends"}, {"audience": ""}])
def test_an_audience_is_one_of_four(installation, house, how):
    with pytest.raises(BadInput), installation.database.write() as session:
        editing.change_course(session, house.course, **how)


def test_a_source_is_attached_once_and_for_a_known_purpose(installation, house):
    source = new_uid()
    with installation.database.write() as session:
        lesson = add_lesson(session, house.course)
        rows = [editing.attach_source(session, lesson_uid=lesson, source_uid=source, language="zh") for _ in range(2)]
        assert rows[0].uid == rows[1].uid
        with pytest.raises(BadInput):
            editing.attach_source(session, lesson_uid=lesson, source_uid=new_uid(), language="zh", purpose="fun")


def test_a_course_that_is_given_twice_is_taken_once(installation, house):
    with installation.database.write() as session:
        course = editing.add_course(session, org_uid=house.shuanghu, titles={"zh": "音乐"}).uid
        given = {"group_uid": house.group, "course_uid": course}
        first = editing.give_course(session, **given, starts_on="2026-09-01")
        assert editing.give_course(session, **given, starts_on="2026-11-23").uid == first.uid
        editing.end_course(session, first.uid, "2026-12-01")
        assert editing.give_course(session, **given, starts_on="2027-03-01").uid != first.uid


def test_what_is_not_there_cannot_be_changed(installation, house):
    for call in (
        lambda session: editing.change_course(session, new_uid(), titles={"zh": "水"}),
        lambda session: editing.change_lesson(session, new_uid(), position=1),
        lambda session: editing.add_unit(session, course_uid=new_uid(), titles={"zh": "一"}),
        lambda session: editing.end_course(session, new_uid(), "2026-11-23"),
    ):
        with pytest.raises(NotFound), installation.database.write() as session:
            call(session)


def test_a_change_of_a_lesson_is_logged_for_its_organisation(installation, house):
    with installation.database.write() as session:
        session.info["by_uid"] = house.tashi
        lesson = add_lesson(session, house.course)
        editing.change_lesson(session, lesson, titles={"zh": "火"})
        titles = [change for change in changes.history(session, "lesson", lesson) if change.field == "titles"]
    assert [(change.value, change.by_uid, change.org_uid) for change in titles] == [
        ({"zh": "水"}, house.tashi, house.shuanghu), ({"zh": "火"}, house.tashi, house.shuanghu),
    ]  # fmt: skip
