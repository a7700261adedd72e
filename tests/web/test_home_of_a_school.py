"""The admin's first page says what needs doing, each with the way to where it is mended; and the page of the school's box."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts import credentials, people
from eduhub.courses import editing, plan
from eduhub.courses.models import GroupCourse, Lesson
from eduhub.delivery.models import PackageRow
from eduhub.errors import EncodeFailed
from eduhub.installation import Installation
from eduhub.media import ladders
from eduhub.media.models import LadderStep, Source
from eduhub.media.recipes import WHOLE
from eduhub.schools import calendars
from eduhub.sync.models import Arrival, Node, NodeContact
from eduhub.uids import new_uid
from tests.courses.conftest import arrive
from tests.web.world import Reader, World

Browser = Callable[[], Reader]
DAY_MS = 24 * 3600 * 1000


def needs(browser: Browser, world: World) -> dict[str, str]:
    """Each need on the page with the address that it leads to."""
    page = browser().sign_in("pema").get(f"/schools/{world.school}").text
    listed = page.split("What needs you</h2>")[1].split("<h2>")[0]
    return {text: address for address, text in re.findall(r'<a class="need" href="([^"]+)">.*?<span>([^<]+)</span></a>', listed)}


def add_box(installation: Installation, org_uid: str, *, silent_days: int = 0, full: bool = False, calls: bool = True) -> str:
    with installation.database.write() as session:
        node = Node(
            org_uid=org_uid, site_uid=new_uid(), name="shuanghu-1", signing_public="00", sealing_public="00", certificate={},
            revoked_on=None,
        )
        session.add(node)
        if calls:
            session.add(NodeContact(
                node_uid=node.uid, last_ms=clock.now_ms() - silent_days * DAY_MS - 1000, version="0.4", stream_sequence=0,
                catalog_sequence=0, disk_full_ms=clock.now_ms() if full else None,
            ))  # fmt: skip
        return node.uid


def plan_everything(installation: Installation, world: World) -> None:
    with installation.database.write() as session:
        day = clock.today("Asia/Shanghai")
        plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day=day, period=1)


def test_a_school_that_lacks_nothing_says_so(browser: Browser, world: World, installation: Installation) -> None:
    plan_everything(installation, world)
    add_box(installation, world.school)
    assert needs(browser, world) == {}
    assert "Nothing at the moment." in browser().sign_in("pema").get(f"/schools/{world.school}").text


def test_children_without_a_card_or_a_class_are_counted_and_led_to(
    browser: Browser, world: World, installation: Installation
) -> None:
    plan_everything(installation, world)
    with installation.database.write() as session:
        people.add(session, org_uid=world.school, name="Sonam")
        people.add(session, org_uid=world.other_school, name="Elsewhere")
        credentials.revoke(session, credentials.card_of(session, world.dolma))
    found = needs(browser, world)
    assert found == {
        "1 child without a class": f"/schools/{world.school}/people?without_class=1",
        "2 children without a card": f"/schools/{world.school}/people?without_card=1",
    }
    pema = browser().sign_in("pema")
    assert "Sonam" in pema.get(found["2 children without a card"]).text


def test_a_class_without_a_plan_for_the_coming_week_is_named_but_not_in_the_holidays(
    browser: Browser, world: World, installation: Installation
) -> None:
    [(text, address)] = needs(browser, world).items()
    assert text == "Primary 3, class 2 has no plan for the coming week"
    assert browser().sign_in("pema").get(address).status_code == 200
    with installation.database.write() as session:
        calendars.set_terms(
            calendars.get(session, world.school), [{"name": "1", "starts_on": "2020-09-01", "ends_on": "2021-01-15"}]
        )
    assert needs(browser, world) == {}


def test_a_class_without_a_course_is_led_to_its_page(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.read() as session:
        taken = session.scalars(select(GroupCourse).where(GroupCourse.group_uid == world.group)).one().uid
    with installation.database.write() as session:
        editing.end_course(session, taken, "2026-11-01")
    assert needs(browser, world) == {"Primary 3, class 2 takes no course yet": f"/groups/{world.group}"}


def test_a_silent_box_and_a_full_disk_are_shown_when_they_are_proved(
    browser: Browser, world: World, installation: Installation
) -> None:
    plan_everything(installation, world)
    uid = add_box(installation, world.school, silent_days=3, full=True)
    add_box(installation, world.other_school, silent_days=9, full=True)
    assert needs(browser, world) == {
        "The box shuanghu-1 has been silent for 3 days": f"/schools/{world.school}/boxes/{uid}",
        "The disk of the box shuanghu-1 is full": f"/schools/{world.school}/boxes/{uid}",
    }


def test_a_recording_that_failed_leads_to_its_lesson(browser: Browser, world: World, installation: Installation) -> None:
    plan_everything(installation, world)
    with installation.database.write() as session:
        source_uid = arrive(session, world.draft, "steam")
        ladders.want(session, session.get_one(Source, source_uid), WHOLE, then=None)
        step = session.get_one(LadderStep, (source_uid, WHOLE.id, "floor"))
        step.state, step.error = "failed", {"code": EncodeFailed.code, "facts": {}}
    assert needs(browser, world) == {"The recording of &#39;Steam&#39; could not be used": f"/teaching/lessons/{world.draft}"}


def test_the_page_of_a_box_says_what_of_the_coming_week_is_there(
    browser: Browser, world: World, installation: Installation
) -> None:
    plan_everything(installation, world)
    uid = add_box(installation, world.school)
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/boxes/{uid}"
    before = pema.get(path)
    assert before.status_code == 200
    assert "1 lesson for the coming days is not at the box yet" in before.text
    assert "Why ice floats" in before.text
    assert "The box has not said yet that a lesson has arrived." in before.text
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, world.lesson)
        package = session.get_one(PackageRow, str(lesson.package_id))
        session.add(Arrival(
            node_uid=uid, lesson_uid=world.lesson, package_id=package.id, revision=1, told_ms=clock.now_ms()
        ))  # fmt: skip
    after = pema.get(path).text
    assert "Everything for the coming days is at the box" in after
    assert "it is there" in after
    assert "2.6\u00a0MB" in after


@pytest.mark.parametrize("reader", ["norbu", "tashi"])
def test_the_page_of_a_box_is_its_own_schools(browser: Browser, world: World, installation: Installation, reader: str) -> None:
    uid = add_box(installation, world.school)
    other = browser().sign_in(reader)
    assert other.get(f"/schools/{world.school}/boxes/{uid}").status_code == 403
    assert other.get(f"/schools/{world.other_school}/boxes/{uid}").status_code in (403, 404)
