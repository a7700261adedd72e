"""A teacher sees at how many schools a lesson has arrived, and which; of other schools nothing else."""

from collections.abc import Callable

import pytest

from eduhub.accounts.models import Person
from eduhub.courses import editing
from eduhub.courses.models import Course, Lesson
from eduhub.installation import Installation
from eduhub.sync.models import Arrival, Node, NodeContact
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
