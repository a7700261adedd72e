"""What stands on a child's first page: what comes next, what was missed, what is new, what is not here yet."""

import gzip
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from eduhub import clock
from eduhub.accounts.models import SignIn
from eduhub.app import create_app
from eduhub.courses import editing, plan
from eduhub.courses.models import Lesson
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.learning import events, progress
from eduhub.uids import new_uid
from eduhub.web.accounts import visits
from tests.web.world import Reader, World, as_box, publish

Browser = Callable[[], Reader]
BLOBS_OLDER = text("UPDATE blob SET stored_ms = stored_ms - :ms")


@pytest.fixture
def dolma(browser: Browser, world: World) -> Reader:
    return browser().card(world.dolma_card)


def day(days: int) -> str:
    return (date.fromisoformat(clock.today("Asia/Shanghai")) + timedelta(days=days)).isoformat()


def add(here: Installation, world: World, title: str, *, on: str | None = None, is_out: bool = True) -> str:
    """One more lesson of the course, planned for a day, brought out or not."""
    with here.database.write() as session:
        made = editing.add_lesson(session, course_uid=world.course, titles={"en": title}, language="en")
        if not is_out:
            made.state = "published"
    if is_out:
        publish(here, made)
    if on is not None:
        with here.database.write() as session:
            plan.add(session, group_uid=world.group, lesson_uid=made.uid, day=on, period=2)
    return made.uid


def watch(here: Installation, world: World, lesson_uid: str) -> None:
    """Dolma sees all of it."""
    with here.database.write() as session:
        lesson = session.get_one(Lesson, lesson_uid)
        event = {
            "uid": new_uid(), "kind": "watched", "version": 1, "org": world.school, "actor": world.dolma,
            "lesson": lesson.uid, "timeline": lesson.timeline_uid, "from_ms": 0, "to_ms": 61_000, "watched_ms": 61_000,
            "context": "own_device", "made_ms": 1, "subjects": [],
        }  # fmt: skip
        for row in events.append(session, [event], source=new_uid()).accepted:
            progress.apply(session, row)


def part(page: str, heading: str) -> str:
    """What stands under a heading."""
    return page.partition(f"<h2>{heading}</h2>")[2].partition("<h2>")[0]


def test_what_was_planned_and_not_watched_is_to_be_caught_up(dolma: Reader, world: World, installation: Installation) -> None:
    add(installation, world, "Hail", on=day(-3))
    seen = add(installation, world, "Dew", on=day(-1))
    add(installation, world, "Long ago", on=day(-40))
    watch(installation, world, seen)
    missed = part(dolma.get("/").text, "To catch up")
    assert "Hail" in missed
    assert "Dew" not in missed
    assert "Long ago" not in missed


def test_with_nothing_planned_any_more_the_missed_lesson_is_the_next_one(dolma: Reader, world: World, installation: Installation) -> None:
    missed = add(installation, world, "Hail", on=day(-3))
    watch(installation, world, world.lesson)
    page = dolma.get("/").text
    assert f'class="button primary big" href="/lessons/{missed}"' in page
    assert "To catch up" not in page


def test_each_child_has_missed_its_own(browser: Browser, dolma: Reader, world: World, installation: Installation) -> None:
    seen = add(installation, world, "Hail", on=day(-3))
    watch(installation, world, seen)
    assert "To catch up" not in dolma.get("/").text
    assert "Hail" in part(browser().card(world.lhamo_card).get("/").text, "To catch up")


def test_what_is_planned_and_not_here_yet_is_said_and_cannot_be_tapped(dolma: Reader, world: World, installation: Installation) -> None:
    absent = add(installation, world, "Snow", on=day(1), is_out=False)
    page = dolma.get("/").text
    coming = part(page, "Not here yet")
    assert "Snow" in coming
    assert "not ready yet" in coming
    assert f"/lessons/{absent}" not in page
    publish(installation, _lesson(installation, absent))
    page = dolma.get("/").text
    assert "Not here yet" not in page
    assert f"/lessons/{absent}" in page


def test_at_a_box_it_says_how_much_of_it_is_here(world: World, installation: Installation) -> None:
    box = as_box(installation, world)
    uid = add(box, world, "Snow", on=day(1))
    with box.database.write() as session:
        package = session.query(PackageRow).filter_by(lesson_uid=uid).one()
        package.floor_held = False
        session.query(PartRow).filter_by(package_id=package.id, kind="video").one().held = False
    dolma = Reader(create_app(installation=box).test_client()).card(world.dolma_card)
    assert "% is here" in part(dolma.get("/").text, "Not here yet")
    add(box, world, "Sleet", on=day(2), is_out=False)
    assert "still on its way to your school" in part(dolma.get("/").text, "Not here yet")


def test_what_came_since_the_last_visit_is_new_until_it_is_watched(
    browser: Browser, dolma: Reader, world: World, installation: Installation
) -> None:
    page = dolma.get("/").text
    assert "New since you were here" not in page, "at the first visit all of it would be new"
    back_in_time(installation, visits.APART_MS + 60_000)
    fresh = add(installation, world, "Rain")
    again = browser().card(world.dolma_card)
    new = part(again.get("/").text, "New since you were here")
    assert "Rain" in new
    assert "Why ice floats" not in new
    watch(installation, world, fresh)
    assert "New since you were here" not in again.get("/").text


def test_changing_over_on_a_shared_device_is_no_visit(browser: Browser, dolma: Reader, world: World, installation: Installation) -> None:
    back_in_time(installation, visits.APART_MS + 60_000)
    add(installation, world, "Rain")
    phone = browser().card(world.dolma_card).card(world.lhamo_card).card(world.dolma_card)
    assert "Rain" in part(phone.get("/").text, "New since you were here")


def test_a_sharper_picture_does_not_make_a_lesson_new(browser: Browser, dolma: Reader, world: World, installation: Installation) -> None:
    back_in_time(installation, visits.APART_MS + 60_000, packages=True)
    publish(installation, _lesson(installation, world.lesson), revision=2)
    watch_nothing = browser().card(world.dolma_card).get("/").text
    assert "New since you were here" not in watch_nothing


def test_the_first_page_of_a_full_class_is_small(dolma: Reader, world: World, installation: Installation) -> None:
    for number in range(-9, 8):
        add(installation, world, f"Lesson of day {number}", on=day(number), is_out=number < 5)
    for number in range(30):
        add(installation, world, f"Lesson {number}: why ice floats on water")
    answer = dolma.get("/", headers={"Accept-Encoding": "gzip"})
    assert len(gzip.decompress(answer.data)) > len(answer.data)
    assert len(answer.data) < 20_000


def back_in_time(here: Installation, ms: int, *, packages: bool = False) -> None:
    """All of this was longer ago."""
    with here.database.write() as session:
        for sign_in in session.query(SignIn):
            sign_in.started_ms -= ms
        if packages:
            for row in session.query(PackageRow):
                row.made_ms -= 2 * ms
            session.execute(BLOBS_OLDER, {"ms": 2 * ms})


def _lesson(here: Installation, uid: str) -> Lesson:
    with here.database.read() as session:
        return session.get_one(Lesson, uid)
