"""The page of a school's box: tomorrow in one sentence, what is missing and when it comes, the link, disk and battery."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.app import create_app
from eduhub.courses import editing, plan
from eduhub.courses.models import Lesson
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.allowance import policies, traffic, wishes
from eduhub.sync.allowance.traffic import Moved
from eduhub.sync.mirrors import choosing, known
from eduhub.sync.mirrors.known import Sighting
from eduhub.sync.mirrors.models import Mirror
from eduhub.sync.models import Dropped, Node, NoRoom, Upstream
from eduhub.sync.status import battery
from eduhub.uids import new_uid
from eduhub.web import coming
from tests.sync.test_battery import supply
from tests.web.world import Reader, World, as_box, publish

WEDNESDAY_MS = 1_795_582_800_000  # 2026-11-25, 13:00 in Shanghai
TODAY, TOMORROW, FRIDAY = "2026-11-25", "2026-11-26", "2026-11-27"


@pytest.fixture
def box(installation: Installation, world: World) -> Installation:
    """The school's box, which knows the time; nothing is planned yet but what comes next."""
    clock.freeze(WEDNESDAY_MS)
    made = as_box(installation, world)
    with made.database.write() as session:
        upstream = session.query(Upstream).one()
        upstream.hub_time_ms, upstream.hub_time_steady_s = WEDNESDAY_MS, int(made.steady.now_s())
    return made


@pytest.fixture
def pema(box: Installation) -> Reader:
    return Reader(create_app(installation=box).test_client()).sign_in("pema")


def put_in_plan(box: Installation, world: World, day: str, *, title: str = "Rain", missing: bool = False, publishes: bool = True) -> str:
    """One more lesson of the course, planned for a day; perhaps its parts have not come."""
    with box.database.write() as session:
        lesson = editing.add_lesson(session, course_uid=world.course, titles={"en": title}, language="en")
        plan.add(session, group_uid=world.group, lesson_uid=lesson.uid, day=day, period=1)
    if publishes:
        publish(box, lesson, saved=b"d" * 1_000)
    if missing:
        with box.database.write() as session:
            of_lesson = session.query(PackageRow.id).filter(PackageRow.lesson_uid == lesson.uid)
            session.execute(update(PartRow).where(PartRow.package_id.in_(of_lesson)).values(held=False))
            session.execute(update(PackageRow).where(PackageRow.lesson_uid == lesson.uid).values(floor_held=False))
    return lesson.uid


def carried(session: Session, box: Installation, hours_ago: int, down: int, busy_s: float = 0.0, via: str = traffic.LINK) -> None:
    traffic.book(session, traffic.now_ms(session, box.steady) - hours_ago * traffic.HOUR_MS, via, {"": Moved(down, 0, busy_s)})


def heading(page: str) -> str:
    return page.split("<h1>")[1].split("</h1>")[0]


def test_everything_for_tomorrow_is_here(box: Installation, world: World, pema: Reader) -> None:
    put_in_plan(box, world, TOMORROW)
    page = pema.get("/box").text
    assert heading(page) == "Everything for tomorrow is here"
    assert "Lessons can be watched without the link." in page
    assert "1 of 1" in page


def test_what_is_missing_is_named_with_when_it_comes_as_soon_as_a_rate_was_measured(box: Installation, world: World, pema: Reader) -> None:
    put_in_plan(box, world, TOMORROW, title="Hail", missing=True)
    page = pema.get("/box").text
    assert heading(page) == "1 lesson for tomorrow is not here yet"
    assert "Hail" in page
    assert "not known yet when" in page
    assert "When they come is known as soon as the box has fetched something over this link." in page
    with box.database.write() as session:
        carried(session, box, 1, 200, busy_s=100.0)  # two bytes a second
    page = pema.get("/box").text
    assert "not known yet" not in page
    assert "comes about 3:00" in page.replace("\u202f", " ")  # 14 kB at two bytes a second are two hours
    assert "today" in page


def test_a_lesson_that_is_late_in_the_week_does_not_worry_tomorrow(box: Installation, world: World, pema: Reader) -> None:
    put_in_plan(box, world, TOMORROW)
    put_in_plan(box, world, FRIDAY, missing=True)
    put_in_plan(box, world, FRIDAY, title="Fog", publishes=False)
    page = pema.get("/box").text
    assert heading(page) == "1 lesson for the coming days is still on its way"
    assert "1 to come, 1 not published" in page


def test_a_box_that_does_not_know_the_day_says_so_and_no_day(box: Installation, world: World) -> None:
    put_in_plan(box, world, "2026-03-02", missing=True)
    with box.database.write() as session:
        session.query(Upstream).one().hub_time_ms = None
    page = Reader(create_app(installation=box).test_client()).sign_in("pema").get("/box").text
    assert heading(page) == "1 planned lesson is not here yet"
    assert "The box does not know what day it is until it has reached the county." in page
    assert "Mar" not in page


def test_the_link_of_today_is_a_plot_with_a_table_and_what_cost_nothing_is_apart(box: Installation, pema: Reader) -> None:
    page = pema.get("/box").text
    assert "Nothing came over the link today." in page
    assert "<svg class=\"plot\"" not in page
    with box.database.write() as session:
        carried(session, box, 2, 12_000_000)
        carried(session, box, 1, 3_000_000)
        carried(session, box, 30, 40_000_000)  # yesterday
        carried(session, box, 1, 700_000_000, via=traffic.NEIGHBOUR)
    page = pema.get("/box").text.replace("\u00a0", " ")
    assert "15 MB today, 55 MB this month; at most 12 MB in an hour." in page
    assert "700 MB came from a neighbour or a stick this month" in page
    assert "<td>11:00</td><td class=\"n\">12 MB</td>" in page
    assert page.split("class=\"plot\"")[1].split("<path d=\"M")[1].startswith("462.5")  # the bar of eleven o'clock


def test_the_battery_is_shown_only_where_there_is_one(
    box: Installation, pema: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(battery, "FOLDER", tmp_path)
    assert "Battery" not in pema.get("/box").text
    supply(tmp_path, "BAT0", type="Battery", capacity="41", status="Discharging")
    page = pema.get("/box").text
    assert "Battery" in page
    assert "41%, not charging" in page


def test_a_child_is_told_what_is_here_and_nothing_of_disk_and_battery(box: Installation, world: World) -> None:
    put_in_plan(box, world, TOMORROW, missing=True)
    dolma = Reader(create_app(installation=box).test_client()).card(world.dolma_card)
    page = dolma.get("/box").text
    assert heading(page) == "1 lesson for tomorrow is not here yet"
    for word in ("are free", "Version", "What the link carried"):
        assert word not in page


# --- when, in words -----------------------------------------------------------------

HOUR = 3600.0


@pytest.mark.parametrize(("in_s", "told"), [
    (None, "not known yet when"), (30.0, "comes within a few minutes"), (HOUR / 2 + 60, "comes about 1:40 PM today"),
    (8.4 * HOUR, "comes about 9:30 PM today"), (20 * HOUR, "comes about 9:00 AM tomorrow"), (60 * HOUR, "comes during the night to Sat, Nov 28"),
    (57.5 * HOUR, "comes during the night to Sat, Nov 28"), (72 * HOUR, "comes on Sat, Nov 28"), (10.9 * HOUR, "comes about 11:54 PM today"),
])  # fmt: skip
def test_when_something_comes_is_said_as_roughly_as_it_is_known(app: Flask, in_s: float | None, told: str) -> None:
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        assert coming.word(in_s, WEDNESDAY_MS, "Asia/Shanghai").replace("\u202f", " ") == told


def test_without_a_clock_it_is_a_span_of_time(app: Flask) -> None:
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        assert coming.word(2 * HOUR, None, "Asia/Shanghai") == "comes in about 2 hours"


def test_forty_missing_lessons_cost_no_more_questions_than_one(box: Installation, world: World, pema: Reader) -> None:
    from tests.questions import counted

    put_in_plan(box, world, TOMORROW, missing=True)
    with counted(box.database) as of_one:
        pema.get("/box")
    for number in range(8):
        put_in_plan(box, world, (date.fromisoformat(TODAY) + timedelta(days=number % 3)).isoformat(), title=f"Snow {number}", missing=True)
    with counted(box.database) as of_nine:
        page = pema.get("/box").text
    assert page.count("Snow") == 8
    assert len(of_nine) == len(of_one) <= 25


def test_of_hundreds_the_soonest_are_named_and_the_others_counted(box: Installation, world: World, pema: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eduhub.web.box_shown.MOST_MISSING", 2)
    for number in range(4):
        put_in_plan(box, world, FRIDAY, title=f"Snow {number}", missing=True)
    page = pema.get("/box").text
    assert page.count("Snow") == 2
    assert "2 more lessons are on their way." in page


def test_a_lesson_of_the_plan_that_is_gone_is_no_row(box: Installation, world: World, pema: Reader) -> None:
    uid = put_in_plan(box, world, TOMORROW, missing=True)
    with box.database.write() as session:
        session.get_one(Lesson, uid).state = "withdrawn"
    page = pema.get("/box").text
    assert "1 taken back" in page
    assert "Rain" not in page




def test_an_adult_may_have_a_lesson_fetched_first_and_take_it_back_and_a_child_may_not(
    box: Installation, world: World, pema: Reader
) -> None:
    uid = put_in_plan(box, world, TOMORROW, title="Hail", missing=True)
    put_in_plan(box, world, TOMORROW, title="Snow", missing=True)
    assert pema.get("/box").text.count("Fetch this first") == 2
    pema.post(f"/box/first/{uid}", {})
    page = pema.get("/box").text
    assert (page.count("Fetch this first"), page.count("is fetched first")) == (1, 1)
    with box.database.read() as session:
        assert wishes.alive(session) == [uid]
    pema.post(f"/box/first/{uid}", {"off": "1"})
    assert pema.get("/box").text.count("Fetch this first") == 2
    dolma = Reader(create_app(installation=box).test_client()).card(world.dolma_card)
    assert "Fetch this first" not in dolma.get("/box").text
    assert dolma.post(f"/box/first/{uid}", {}).status_code == 403


def test_the_allowance_of_the_school_the_hours_and_what_was_dropped_are_told(box: Installation, world: World, pema: Reader) -> None:
    put_in_plan(box, world, TOMORROW, missing=True)
    with box.database.write() as session:
        node = session.query(Node).one()
        session.add(Site(uid=node.site_uid, org_uid=world.school, name="Shuanghu"))
        policies.set_site(session, session.get_one(Site, node.site_uid), month_mb=300, windows="22:00-06:00,12:00-14:00")
        carried(session, box, 1, 9_000_000)
        let_go(session, world.lesson, 4_000_000)
    page = pema.get("/box").text.replace("\u00a0", " ")
    assert "The school allows 300 MB a month." in page
    assert "at these hours: 22:00-06:00, 12:00-14:00." in page
    assert "1 lesson made room for what is needed sooner, because the disk was full: 4 MB. They can all be watched" in page
    assert f'href="/schools/{world.school}/traffic"' in page


def let_go(session: Session, lesson_uid: str, size: int, *, is_floor: bool = False, why: str = "no_room") -> None:
    session.add(Dropped(
        package_id="a" * 64, sha256=f"{size:064x}", lesson_uid=lesson_uid, bytes=size, is_floor=is_floor, why=why, at_ms=1, steady_s=1,
        is_unlinked=True,
    ))  # fmt: skip


def test_what_had_to_go_is_told_by_reason_with_whether_it_can_still_be_watched(box: Installation, world: World, pema: Reader) -> None:
    with box.database.write() as session:
        let_go(session, world.lesson, 4_000_000)
        let_go(session, world.lesson, 1_000_000, is_floor=True)
        let_go(session, new_uid(), 2_000_000)
        let_go(session, new_uid(), 3_000_000, why="of_a_later_release")
    page = pema.get("/box").text.replace("\u00a0", " ")
    assert "2 lessons made room for what is needed sooner, because the disk was full: 7 MB. 1 of them cannot be watched here any more." in page
    assert "1 lesson lost parts for another reason: 3 MB. They can all be watched" in page


def test_a_full_disk_is_told_with_how_many_lessons_find_no_room_and_a_limit_of_the_school_is_no_full_disk(
    box: Installation, world: World, pema: Reader
) -> None:
    with box.database.write() as session:
        session.add_all([NoRoom(lesson_uid=new_uid(), bytes=9_000_000, noted_ms=1) for _ in range(2)])
    assert "The disk is full. There is no room for 2 lessons. What the children do is still kept." in pema.get("/box").text
    with box.database.write() as session:
        node = session.query(Node).one()
        session.add(Site(uid=node.site_uid, org_uid=world.school, name="Shuanghu"))
        policies.set_site(session, session.get_one(Site, node.site_uid), disk_mb=300)
    page = pema.get("/box").text
    assert "Lessons fill the room that the school gives them. There is no room for 2 lessons." in page
    assert "The disk is full" not in page


def test_a_box_beside_this_one_is_named_with_what_came_from_it_until_it_is_gone(box: Installation, world: World, pema: Reader) -> None:
    assert "Boxes nearby" not in pema.get("/box").text
    now_s = int(box.steady.now_s())
    with box.database.write() as session:
        known.sighted(session, [Sighting("http://10.0.0.9:8000", new_uid(), "gerze-1", 7)], now_s)
    page = pema.get("/box").text
    assert "Another box is beside this one: gerze-1. No lesson has come from it yet." in page
    with box.database.write() as session:
        traffic.book(session, traffic.now_ms(session, box.steady), traffic.NEIGHBOUR, {world.lesson: Moved(9_000), "": Moved(50)})
        traffic.book(session, traffic.now_ms(session, box.steady), traffic.LINK, {new_uid(): Moved(9_000)})
    assert "gerze-1. 1 lesson came from beside." in pema.get("/box").text
    with box.database.write() as session:
        session.query(Mirror).one().seen_steady_s = now_s - choosing.FRESH_S - 60
    page = pema.get("/box").text
    assert "gerze-1" not in page
    assert "No other box is beside this one now. 1 lesson came from beside." in page


def test_a_box_that_has_not_joined_says_so_and_not_that_nothing_is_planned(box: Installation) -> None:
    with box.database.write() as session:
        session.query(Upstream).delete()
    page = Reader(create_app(installation=box).test_client()).sign_in("pema").get("/box").text
    assert heading(page) == "This box does not belong to a school yet"
    assert "The operator of the hub gives you an address and a code." in page
    assert "Nothing is planned" not in page
