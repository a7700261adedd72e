"""A school's admin says what the box fetches, sees where the megabytes went, and has a lesson fetched now."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from eduhub.app import create_app
from eduhub.courses.models import Course, GroupCourse, Lesson
from eduhub.installation import Installation
from eduhub.schools.models import Group, Organisation, Site
from eduhub.sync.allowance import policies, traffic
from eduhub.sync.allowance.traffic import LINK, NEIGHBOUR, Moved
from eduhub.sync.models import CoursePolicy, Dropped, NoRoom, SitePolicy, Wish
from eduhub.uids import new_uid
from tests.web.test_pages_of_a_box import box as box
from tests.web.world import Reader, World

NUMBERS = ("windows", "ceiling_kbit_s", "class_ceiling_kbit_s", "day_mb", "month_mb", "disk_mb")


def sent(reader: Reader, path: str, fields: dict[str, str]) -> TestResponse:
    """A form of the page at `path`, sent; of a line, from the page above it."""
    return reader.post(path, fields, page=re.sub("/(courses/.*|now)$", "", path))


def school_of(box: Installation) -> tuple[str, str]:
    """The school and its site."""
    with box.database.read() as session:
        org = session.scalars(select(Organisation.uid)).one()
        return org, session.scalars(select(Site.uid).where(Site.org_uid == org)).one()


def a_lesson(box: Installation, org: str, title: str) -> str:
    with box.database.write() as session:
        course = Course(org_uid=org, titles={"en": "Water"}, audience="own")
        session.add(course)
        lesson = Lesson(
            org_uid=org, course_uid=course.uid, position=0, titles={"en": title}, texts={}, language="en", state="published",
            timeline_uid=new_uid(), revision=1, package_id="a" * 64,
        )  # fmt: skip
        session.add(lesson)
        return lesson.uid


def test_what_is_chosen_is_kept_and_an_empty_field_takes_it_back(browser: Callable[[], Reader], world: World, installation: Installation) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/fetching"
    assert "What the box fetches" in pema.get(path).text
    chosen = {
        "pictures": "240", "bo": "y", "windows": "22:00-06:00 , 12:00-14:00", "class_ceiling_kbit_s": "0", "day_mb": "40", "disk_mb": "9000",
    }  # fmt: skip
    assert sent(pema, path, chosen).status_code == 303
    with installation.database.read() as session:
        site = session.scalars(select(Site.uid).where(Site.org_uid == world.school)).one()
        row = session.get_one(SitePolicy, site)
        assert (row.max_height, row.languages, row.windows) == (240, ["bo"], "22:00-06:00,12:00-14:00")
        assert (row.ceiling_kbit_s, row.class_ceiling_kbit_s, row.day_mb, row.month_mb, row.disk_mb) == (None, 0, 40, None, 9000)
        assert row.codecs is None
    page = pema.get(path).text
    assert 'value="22:00-06:00,12:00-14:00"' in page
    assert sent(pema, path, {"pictures": "", "new_kinds": "y"} | dict.fromkeys(NUMBERS, "")).status_code == 303
    with installation.database.read() as session:
        rules = policies.of_site(session, site)
        assert rules.limits == type(rules.limits)()
        assert rules.choice.codecs == frozenset(policies.CODECS)


@pytest.mark.parametrize(("field", "typed", "told"), [
    ("windows", "at night", "Hours look like 22:00-06:00"), ("day_mb", "-3", "A whole number from 1"), ("disk_mb", "lots", "Type a whole number."),
    ("class_ceiling_kbit_s", "1000001", "A whole number from 0"), ("pictures", "17", "Choose one of the list."),
])  # fmt: skip
def test_what_cannot_be_read_is_said_and_what_was_typed_stays(
    browser: Callable[[], Reader], world: World, installation: Installation, field: str, typed: str, told: str
) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/fetching"
    page = sent(pema, path, {"pictures": "", "month_mb": "777", field: typed})
    assert page.status_code == 400
    assert told in page.text
    assert 'value="777"' in page.text
    with installation.database.read() as session:
        assert session.scalars(select(SitePolicy)).all() == []


def test_a_course_has_a_line_of_its_own(browser: Callable[[], Reader], world: World, installation: Installation) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/fetching"
    with installation.database.write() as session:
        group = session.scalars(select(Group.uid).where(Group.org_uid == world.school)).first()
        course = session.scalars(select(GroupCourse.course_uid).where(GroupCourse.group_uid == group)).first()
        if course is None:
            made = Course(org_uid=world.school, titles={"en": "Water"}, audience="own")
            session.add_all([made, GroupCourse(org_uid=world.school, group_uid=group, course_uid=made.uid, starts_on="2026-09-01")])
            course = made.uid
    assert f"{path}/courses/{course}" in pema.get(path).text
    assert sent(pema, f"{path}/courses/{course}", {"wanted": "planned", "pictures": "0"}).status_code == 303
    assert sent(pema, f"{path}/courses/{course}", {"wanted": "some", "pictures": "0"}).status_code == 400
    with installation.database.read() as session:
        row = session.scalars(select(CoursePolicy)).one()
        assert (row.course_uid, row.wanted, row.max_height) == (course, "planned", 0)


def test_a_box_shows_where_the_megabytes_went_and_what_had_to_go(box: Installation) -> None:
    org, site = school_of(box)
    water, ice, fire = (a_lesson(box, org, title) for title in ("Water", "Ice", "Fire"))
    with box.database.write() as session:
        at_ms = traffic.now_ms(session, box.steady)
        traffic.book(session, at_ms, LINK, {water: Moved(7_000_000, 0, 60.0), "": Moved(400_000, 100_000), new_uid(): Moved(500_000)})
        traffic.book(session, at_ms, NEIGHBOUR, {water: Moved(2_000_000)})
        session.add_all([
            Dropped(
                package_id="a" * 64, sha256="b" * 64, lesson_uid=ice, bytes=3_000_000, is_floor=True, why="no_room", at_ms=at_ms,
                steady_s=0, is_unlinked=False,
            ),
            NoRoom(lesson_uid=fire, bytes=9_000_000, noted_ms=at_ms),
        ])  # fmt: skip
        policies.set_site(session, session.get_one(Site, site), day_mb=8)
    pema = Reader(create_app(installation=box).test_client()).sign_in("pema")
    page = pema.get(f"/schools/{org}/traffic").text
    for size in ("7", "2", "1", "3", "9"):
        assert re.search(rf">[^<]*\b{size}\W+MB", page), size
    for words in ("Everything else", "What made room for others", "not here any more", "There is no room for these"):
        assert words in page, words
    assert page.index("Water") < page.index("Everything else") < page.index("Ice")
    back = sent(pema, f"/box/first/{ice}", {"school": org})
    assert (back.status_code, back.location) == (303, f"/schools/{org}/traffic")
    assert "comes next" in pema.get(f"/schools/{org}/traffic").text
    with box.database.read() as session:
        assert session.scalars(select(Wish.lesson_uid)).all() == [ice]
    assert sent(pema, f"/box/first/{new_uid()}", {"school": org}).status_code == 404
    assert sent(pema, "/box/first/' or 1", {"school": org}).status_code == 404
    assert sent(pema, f"/box/first/{ice}", {"school": "//elsewhere.example"}).status_code == 404


def test_when_the_days_megabytes_are_used_up_the_page_says_so(box: Installation) -> None:
    from eduhub.sync.models import Node

    org, site = school_of(box)
    with box.database.write() as session:
        policies.set_site(session, session.get_one(Site, site), day_mb=1)
        node = Node(org_uid=org, site_uid=site, name="shuanghu-3", signing_public="", sealing_public="", certificate={}, revoked_on=None)
        session.add(node)
        from eduhub.sync.models import Upstream

        session.add(Upstream(
            url="http://hub.example", priority=1, node_uid=node.uid, hub_uid=new_uid(), certificate={}, stream_sequence=0,
            stream_epoch=1, change_seq_sent=0, hub_time_ms=None, hub_time_steady_s=None, last_contact_ms=None, last_error=None,
        ))  # fmt: skip
        traffic.book(session, traffic.now_ms(session, box.steady), LINK, {"": Moved(1_000_000)})
    pema = Reader(create_app(installation=box).test_client()).sign_in("pema")
    assert "The megabytes of today are used up." in pema.get(f"/schools/{org}/traffic").text
