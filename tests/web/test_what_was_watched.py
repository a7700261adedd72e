"""Teachers see what was watched: children by name for their own classes alone, everybody else as a count."""

from collections.abc import Callable

import pytest

from eduhub.courses import editing
from eduhub.courses.models import Course
from eduhub.installation import Installation
from tests.web.world import BEGAN, Reader, World, add_adult, watch

Browser = Callable[[], Reader]


@pytest.fixture
def watched(installation: Installation, world: World) -> None:
    """Both schools take the course; Dolma has seen the lesson to the end, Karma of the other school a third of it."""
    with installation.database.write() as session:
        session.get_one(Course, world.course).audience = "all"
        session.flush()
        editing.give_course(session, group_uid=world.other_group, course_uid=world.course, starts_on=BEGAN)
        watch(session, world.lesson, world.dolma, world.school, 0, 61)
        watch(session, world.lesson, world.stranger, world.other_school, 0, 20)


def of_class(group: str, course: str) -> str:
    return f"/groups/{group}/courses/{course}/watched"


@pytest.mark.usefixtures("watched")
def test_the_pages_of_the_course_count_and_name_nobody(browser: Browser, world: World) -> None:
    tashi = browser().sign_in("tashi")
    course = tashi.get(f"/teaching/courses/{world.course}/watched")
    lesson = tashi.get(f"/teaching/lessons/{world.lesson}/watched")
    assert course.status_code == lesson.status_code == 200
    assert "1 of 2 have begun it · 1 to the end · half saw 100 % or more" in course.text
    assert "1 of 2 children of your classes have begun it, 1 have seen it to the end." in lesson.text
    assert "1 child has begun it." in lesson.text
    for name in ("Dolma", "Karma", "ལྷ་མོ།"):
        assert name not in course.text
        assert name not in lesson.text
    assert '<path class="area" d="M0 100V0H' in lesson.text
    assert '<path class="bars" d="M' in course.text


@pytest.mark.usefixtures("watched")
def test_a_class_is_shown_by_name_to_its_own_school_alone(browser: Browser, world: World) -> None:
    own = browser().sign_in("tashi").get(of_class(world.group, world.course))
    assert own.status_code == 200
    assert "Dolma" in own.text
    assert '<td class="n good">100</td>' in own.text
    assert "Karma" not in own.text
    assert browser().sign_in("tashi").get(of_class(world.other_group, world.course)).status_code == 403
    assert browser().sign_in("norbu").get(of_class(world.group, world.course)).status_code == 403
    theirs = browser().sign_in("norbu").get(of_class(world.other_group, world.course))
    assert "Karma" in theirs.text
    assert "Dolma" not in theirs.text
    assert "/teaching/" not in theirs.text  # the course is another school's: its pages are not for them


@pytest.mark.usefixtures("watched")
def test_the_operator_and_children_see_no_class(browser: Browser, world: World) -> None:
    assert browser().sign_in("tenzin").get(of_class(world.group, world.course)).status_code == 403
    assert browser().card(world.dolma_card).get(of_class(world.group, world.course)).status_code == 403
    assert browser().get(of_class(world.group, world.course)).status_code == 401


@pytest.mark.usefixtures("watched")
def test_a_teacher_of_the_course_at_another_school_has_counts_of_the_owners_children_and_their_own_class(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        add_adult(session, "Yangzom", world.other_school, "teacher", "organisation", world.other_school)
        add_adult(session, "Yangzom", world.other_school, "teacher", "course", world.course)
    yangzom = browser().sign_in("yangzom")
    page = yangzom.get(f"/teaching/lessons/{world.lesson}/watched").text
    assert "1 of 1 children of your classes have begun it, 0 have seen it to the end." in page
    assert "1 child has begun it." in page
    assert of_class(world.other_group, world.course) in page
    assert world.group not in page
    assert yangzom.get(of_class(world.group, world.course)).status_code == 403


@pytest.mark.usefixtures("watched")
def test_a_course_that_does_not_reach_the_school_has_no_page_for_its_classes(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        session.get_one(Course, world.course).audience = "own"
    assert browser().sign_in("norbu").get(of_class(world.other_group, world.course)).status_code == 404


def test_before_anybody_has_watched_the_pages_say_what_they_are_for(browser: Browser, world: World) -> None:
    tashi = browser().sign_in("tashi")
    assert "have watched no lesson of this course" in tashi.get(f"/teaching/courses/{world.course}/watched").text
    assert "0 of 2 children" in tashi.get(f"/teaching/lessons/{world.lesson}/watched").text
    assert tashi.get(f"/teaching/lessons/{world.draft}/watched").status_code == 200
