"""The pages that show boxes, in a real browser and in every state: full, empty, never joined, forty lessons missing, no clock.

`--pictures` keeps pictures in .build/screenshots/box-*.png and boxes-*.png.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from eduhub import clock
from eduhub.app import create_app
from eduhub.courses import editing, plan
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.sync.allowance import traffic
from eduhub.sync.allowance.traffic import Moved
from eduhub.sync.mirrors import known
from eduhub.sync.mirrors.known import Sighting
from eduhub.sync.models import BoxStatus, Dropped, Node, NodeContact, NoRoom, Upstream
from eduhub.sync.status import battery
from eduhub.uids import new_uid
from tests import pictures
from tests.in_a_thread import served
from tests.sync.test_battery import supply
from tests.web import accessible
from tests.web.long_words import BROKEN, SIDEWAYS
from tests.web.test_boxes_of_the_county import GOOD
from tests.web.test_pages_in_a_browser import LANGUAGES, SMALL_TARGETS, WIDTHS
from tests.web.world import PASSWORD, World, as_box, publish

pytestmark = [
    pytest.mark.browser, pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
TITLES = (
    {"zh": "为什么水在寒冷的冬天会结成冰，而冰块又总是浮在水面上——从高原湖泊的观察说起", "en": "Why ice floats on the lake in winter",
     "bo": "ཆུ་ནི་ཅིའི་ཕྱིར་གྲང་ངར་ཆེ་བའི་དགུན་དུས་སུ་འཁྱགས་པར་འགྱུར་བ་དང་། དེ་ཆུའི་ཁ་ལ་གཡེང་དགོས་པའི་རྒྱུ་མཚན།"},
    {"bo": "གངས་ཀྱི་དབྱིབས།"}, {"en": "Where rivers begin: the Yarlung Tsangpo, the Mekong and the Yangtze"}, {"zh": "露水"},
)  # fmt: skip


def fill(box: Installation, world: World, *, missing: int, here: int = 3) -> None:
    """A week with lessons that are here and lessons that are not, and a day on the link."""
    today = date.fromisoformat(clock.today("Asia/Shanghai"))
    for number in range(here + missing):
        with box.database.write() as session:
            titles = TITLES[number % len(TITLES)]
            lesson = editing.add_lesson(session, course_uid=world.course, titles=titles, language="zh")
            day = (today + timedelta(days=1 + number % 5)).isoformat()
            plan.add(session, group_uid=world.group, lesson_uid=lesson.uid, day=day, period=1 + number % 7)
        if number < here:
            publish(box, lesson, saved=b"d" * 1_000)
            continue
        with box.database.write() as session:
            lesson = session.merge(lesson)
            lesson.state, lesson.package_id = "published", None if number % 3 == 0 else f"{number:064x}"
            if lesson.package_id:
                size = 800_000 + 211_000 * number
                session.add(PackageRow(
                    id=lesson.package_id, lesson_uid=lesson.uid, course_uid=world.course, org_uid=world.school, revision=1, sequence=None,
                    timeline_uid=new_uid(), manifest=b"", signature={}, floor_held=False, superseded_by=None, superseded_steady_s=None,
                    withdrawn=False, made_ms=0,
                ))  # fmt: skip
                session.add(PartRow(
                    package_id=lesson.package_id, sha256=f"{number:064x}", kind="audio", bytes=size, is_floor=True, wanted=True, held=False
                ))  # fmt: skip
    with box.database.write() as session:
        at_ms = traffic.now_ms(session, box.steady)
        for hour, size in enumerate((4, 9, 31, 22, 0, 0, 12)):
            traffic.book(session, at_ms - hour * traffic.HOUR_MS, traffic.LINK, {"": Moved(size * 1_000_000, 70_000, 900.0 if size else 0.0)})


@contextmanager
def box_in(state: str, installation: Installation, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a box in one of STATES."""
    box = as_box(installation, world)
    with box.database.write() as session:
        upstream = session.query(Upstream).one()
        if state == "never joined":
            session.delete(upstream)
        elif state != "no clock":
            upstream.hub_time_ms, upstream.hub_time_steady_s = clock.now_ms(), int(box.steady.now_s())
        if state == "forty missing":
            upstream.last_error = "sync.link_down"
    if state != "never joined":
        fill(box, world, missing={"full": 0, "no room": 1, "forty missing": 40, "no clock": 2}[state])
    if state == "no room":
        with box.database.write() as session:
            no_room(session, box, world)
    if state == "full":
        supply(tmp_path, "BAT0", type="Battery", capacity="63", status="Discharging")
        monkeypatch.setattr(battery, "FOLDER", tmp_path)
    with served(create_app(installation=box)) as port:
        yield f"http://127.0.0.1:{port}"


def no_room(session: Any, box: Installation, world: World) -> None:
    """Lessons were dropped, some find no room, and five boxes are beside this one."""
    for number in range(1, 4):
        session.add(NoRoom(lesson_uid=new_uid(), bytes=9_000_000, noted_ms=1))
        session.add(Dropped(
            package_id=f"{number:064x}", sha256=f"{number:064x}", lesson_uid=world.lesson if number == 1 else new_uid(), bytes=9_000_000,
            is_floor=number == 1, why="no_room", at_ms=clock.now_ms(), steady_s=1, is_unlinked=True,
        ))  # fmt: skip
    seen = [Sighting(f"http://10.0.0.{number}:8000", new_uid(), f"xiongba-xiang-zhongxin-xiaoxue-{number}", 7) for number in range(5)]
    known.sighted(session, seen, int(box.steady.now_s()))


STATES = ("full", "no room", "forty missing", "no clock", "never joined")


@pytest.mark.parametrize("state", STATES)
def test_the_page_of_a_box_fits_in_every_state(
    chromium: Browser, installation: Installation, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    with box_in(state, installation, world, tmp_path, monkeypatch) as address:
        wrong = []
        for language in LANGUAGES:
            page = come_in(chromium, address, language, "pema")
            page.goto(f"{address}/box")
            wrong += look(page, f"box-{state.replace(' ', '-')}-{language}")
            page.context.close()
        assert wrong == []


@pytest.mark.parametrize("count", [0, 130])
def test_the_page_of_all_boxes_fits_with_none_and_with_many(
    chromium: Browser, installation: Installation, world: World, count: int
) -> None:
    with installation.database.write() as session:
        far = organisations.add(session, kind="region", names={"en": "Ngari", "zh": "阿里地区", "bo": "མངའ་རིས་ས་ཁུལ།"})
        school = organisations.add(session, kind="school", names={"zh": "革吉县雄巴乡中心小学", "bo": "གཞུང་པ་ཤང་གི་སློབ་ཆུང་།"}, parent_uid=far.uid)
        for number in range(count):
            add_box(session, school.uid if number % 3 else world.school, number)
        some = session.query(Node).filter(Node.name == "box-005").one() if count else None
        of_one = f"/schools/{some.org_uid}/boxes/{some.uid}" if some is not None else None
    with served(create_app(installation=installation)) as port:
        address, wrong = f"http://127.0.0.1:{port}", []
        for language in LANGUAGES:
            page = come_in(chromium, address, language, "tenzin")
            for name, path in (("boxes", "/operator/boxes"), ("boxes-home", "/operator"), ("boxes-one", of_one)):
                if path is not None:
                    page.goto(f"{address}{path}")
                    wrong += look(page, f"{name}-{count}-{language}")
            page.context.close()
        assert wrong == []


MORE = {"policy": "rate=64 class=0 day=100 month=3000 languages=bo,zh more", "release": "failed 0.6.0 unwell"}


def add_box(session: Any, org_uid: str, number: int) -> None:
    uid, now_ms = new_uid(), clock.now_ms()
    session.add(Node(
        uid=uid, org_uid=org_uid, site_uid=new_uid(), name=f"box-{number:03}", signing_public="", sealing_public="", certificate={},
        revoked_on=None, ended_on=None,
    ))  # fmt: skip
    if number % 11:
        ago_ms = (number % 7) ** 3 * 1_400_000
        full_ms = now_ms if number % 17 == 0 else None
        session.add(NodeContact(
            node_uid=uid, last_ms=now_ms - ago_ms, version="0.5.0", stream_sequence=0, catalog_sequence=0, disk_full_ms=full_ms
        ))  # fmt: skip
        lamp = ("green", "red", "amber", "green", "unknown")[number % 5]
        tomorrow = (date.fromisoformat(clock.today("Asia/Shanghai")) + timedelta(days=1)).isoformat()
        days = {tomorrow: [3, 1, number % 5 and 2, 0, 0], "": [1, 0, 0, 1, 1]}
        session.add(BoxStatus(node_uid=uid, said=GOOD | {"lamp": lamp, "days": days, "hours": [number, 900, 40, 3_400]} | MORE, told_ms=now_ms - ago_ms))


def come_in(chromium: Browser, address: str, language: str, name: str) -> Page:
    context = chromium.new_context(color_scheme="light")
    context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.fill("[name=sign_in_name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(lambda url: "sign-in" not in url)
    return page


def look(page: Page, name: str) -> list[str]:
    """What is wrong with a page at both widths, and in the dark."""
    wrong: list[str] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 740})
        pictures.keep_by_day_and_night(page, f"{name}-{width}")
        wrong += [f"{name} at {width} px: {found}" for found in [*page.evaluate(SMALL_TARGETS), *page.evaluate(BROKEN)]]
        wrong += [f"{name} has to be pushed sideways at {width} px"] * page.evaluate(SIDEWAYS)
    for light in ("dark", "light"):
        page.emulate_media(color_scheme=light)  # type: ignore[arg-type]
        wrong += [f"{name} in the {light}: {found}" for found in accessible.serious(page)]
    return wrong
