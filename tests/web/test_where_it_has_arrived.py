"""A teacher sees at how many schools a lesson has arrived, and which; of other schools nothing else."""

from collections.abc import Callable

import pytest

from eduhub import clock
from eduhub.accounts.models import Person
from eduhub.courses import editing, plan
from eduhub.courses.models import Course, Lesson
from eduhub.installation import Installation
from eduhub.sync.models import Arrival, CoursePolicy, Node, NodeContact
from eduhub.uids import new_uid
from tests.web.world import BEGAN, Reader, World

Browser = Callable[[], Reader]


@pytest.fixture
def boxes(installation: Installation, world: World) -> dict[str, str]:
    """A box at each of the two schools, whose classes both take the course; the first has its lesson."""
    with installation.database.write() as session:
        course = session.get_one(Course, world.course)
        course.audience = "all"
        session.flush()
        editing.give_course(session, group_uid=world.other_group, course_uid=world.course, starts_on=BEGAN)
        found = {}
        for name, org_uid in (("shuanghu-1", world.school), ("nyima-1", world.other_school)):
            node = Node(
                org_uid=org_uid, site_uid=new_uid(), name=name, signing_public="", sealing_public="", certificate={},
                revoked_on=None,
            )  # fmt: skip
            session.add(node)
            session.flush()
            found[org_uid] = node.uid
        lesson = session.get_one(Lesson, world.lesson)
        session.add(Arrival(
            node_uid=found[world.school], lesson_uid=world.lesson, package_id=lesson.package_id, revision=1, told_ms=1
        ))  # fmt: skip
        session.add(NodeContact(
            node_uid=found[world.other_school], last_ms=1, version="", stream_sequence=0, catalog_sequence=0, disk_full_ms=1
        ))  # fmt: skip
    return found


def test_the_course_and_the_lesson_say_at_how_many_schools(browser: Browser, world: World, boxes: dict[str, str]) -> None:
    tashi = browser().sign_in("tashi")
    for page in (f"/teaching/courses/{world.course}", f"/teaching/lessons/{world.lesson}"):
        assert "at 1 of 2 schools" in tashi.get(page).text
    assert boxes


def test_the_page_of_the_schools_names_them_with_their_states_and_no_child(
    browser: Browser, world: World, boxes: dict[str, str], installation: Installation
) -> None:
    page = browser().sign_in("tashi").get(f"/teaching/lessons/{world.lesson}/arrived").text
    assert "Shuanghu school" in page
    assert "Nyima school" in page
    assert "the disk of the school&#39;s box is full" in page
    with installation.database.read() as session:
        assert session.get_one(Person, world.stranger).name not in page
    assert boxes


def test_a_draft_has_arrived_nowhere(browser: Browser, world: World, boxes: dict[str, str]) -> None:
    page = browser().sign_in("tashi").get(f"/teaching/lessons/{world.draft}/arrived").text
    assert "The lesson is not published." in page
    assert boxes


def test_it_is_for_those_who_change_the_course(browser: Browser, world: World, boxes: dict[str, str]) -> None:
    address = f"/teaching/lessons/{world.lesson}/arrived"
    assert browser().sign_in("norbu").get(address).status_code == 403
    assert browser().card(world.dolma_card).get(address).status_code == 403
    assert browser().sign_in("pema").get(address).status_code == 200
    assert boxes


@pytest.mark.parametrize(("language", "words"), [
    ("en", "not there any more: the box had no room for it"), ("zh", "已不在那里：盒子没有空间存放"), ("bo", "ད་དེར་མེད། སྒམ་ནང་ཉར་ས་མེད་པས་དོར་བ།"),
])  # fmt: skip
def test_a_lesson_that_the_box_let_go_is_said_to_be_gone_at_the_teachers_and_the_boxs_page(
    browser: Browser, world: World, boxes: dict[str, str], installation: Installation, language: str, words: str
) -> None:
    with installation.database.write() as session:
        session.get_one(Arrival, (boxes[world.school], world.lesson)).dropped_ms = 2
        plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day=clock.today("Asia/Shanghai"), period=1)
    reader = browser().sign_in("pema")
    reader.client.set_cookie("eduhub_language", language)
    assert words in reader.get(f"/teaching/lessons/{world.lesson}/arrived").text
    assert words in reader.get(f"/schools/{world.school}/boxes/{boxes[world.school]}").text


def test_a_planned_lesson_of_a_course_that_the_school_does_not_fetch_is_not_called_missing(
    browser: Browser, world: World, boxes: dict[str, str], installation: Installation
) -> None:
    with installation.database.write() as session:
        session.delete(session.get_one(Arrival, (boxes[world.school], world.lesson)))
        plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day=clock.today("Asia/Shanghai"), period=1)
        site_uid = session.get_one(Node, boxes[world.school]).site_uid
        session.add(CoursePolicy(org_uid=world.school, site_uid=site_uid, course_uid=world.course, wanted="none"))
    page = browser().sign_in("pema").get(f"/schools/{world.school}/boxes/{boxes[world.school]}").text
    assert "not fetched: the school has chosen so for this course" in page
    assert "is not at the box yet" not in page
    assert "at 0 of 1 school" in browser().sign_in("tashi").get(f"/teaching/lessons/{world.lesson}").text
