"""The pages of sticks in a real browser, at hub and box: a phone's and a desk's width, in three languages."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.sync.courier import plugged
from eduhub.uids import new_uid
from tests.in_a_thread import served
from tests.sync.parcels import made_of, names_in
from tests.web.test_pages_in_a_browser import LANGUAGES, look, sign_in
from tests.web.test_pages_of_sticks import Sockets, box_of, hub, reader, sockets, work  # noqa: F401 - fixtures
from tests.web.world import World, as_box

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]


def look_at(chromium: Browser, here: Installation, world: World, name: str, path: str, kept: str) -> None:
    """What is wrong with one page, in each language."""
    with served(create_app(installation=here)) as port:
        address = f"http://127.0.0.1:{port}"
        for language in LANGUAGES:
            context = chromium.new_context(locale={"en": "en-GB", "zh": "zh-CN", "bo": "bo-CN"}[language])
            context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
            page, wrong = context.new_page(), list[str]()
            page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
            sign_in(page, address, name, world)
            look(page, f"{address}{path}", f"{kept}-{language}", wrong)
            context.close()
            assert wrong == []


def filled(hub: Installation, world: World, sockets: Sockets) -> None:  # noqa: F811
    """Two sticks, one of which was filled; a second filling is under way."""
    node = box_of(hub, world.school, "shuanghu-1")
    box_of(hub, world.school, "shuanghu-2")
    for name in ("KINGSTON", "A STICK WITH A RATHER LONG NAME"):
        sockets.plug(name)
    tenzin = reader(hub, "tenzin")
    keys = [stick.key for stick in plugged.sticks(hub.settings)]
    tenzin.post("/operator/sticks/fill", {"stick": keys[0], "box": node}, page="/operator/sticks")
    work(hub)
    tenzin.post("/operator/sticks/pack", {"box": node, "size": "all"}, page="/operator/sticks")
    work(hub)
    tenzin.post("/operator/sticks/fill", {"stick": keys[1], "box": node}, page="/operator/sticks")


def test_filling_sticks_at_the_hub(hub: Installation, world: World, sockets: Sockets, chromium: Browser) -> None:  # noqa: F811
    look_at(chromium, hub, world, "tenzin", "/operator/sticks", "sticks-none")
    filled(hub, world, sockets)
    look_at(chromium, hub, world, "tenzin", "/operator/sticks", "sticks-hub")


def test_taking_lessons_at_a_box(hub: Installation, world: World, sockets: Sockets, chromium: Browser) -> None:  # noqa: F811
    filled(hub, world, sockets)
    box = as_box(hub, world)
    box.keys.make_node_keys()
    look_at(chromium, box, world, "pema", "/box/sticks", "sticks-box")


def test_a_schools_own_page(hub: Installation, world: World, sockets: Sockets, chromium: Browser) -> None:  # noqa: F811
    node = box_of(hub, world.school, "shuanghu-1")
    pema, page = reader(hub, "pema"), f"/schools/{world.school}/sticks"
    pema.post(f"{page}/pack", {"box": node, "size": "16"}, page=page)
    work(hub)
    look_at(chromium, hub, world, "pema", page, "sticks-school")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_file_is_sent_and_fetched_with_scripts_and_without(
    hub: Installation, world: World, sockets: Sockets, chromium: Browser, tmp_path: Path, scripts: bool  # noqa: F811
) -> None:
    box = as_box(hub, world)
    box.keys.make_node_keys()
    good, bad = tmp_path / "eduhub.tar", tmp_path / "video.tar"
    good.write_bytes(made_of({f"eduhub-courier/want/{new_uid()}.json": b"{}"}))
    bad.write_bytes(b"ftypmp42" * 400_000)
    with served(create_app(installation=box)) as port:
        context = chromium.new_context(java_script_enabled=scripts, viewport={"width": 360, "height": 800})
        page, address = context.new_page(), f"http://127.0.0.1:{port}"
        sign_in(page, address, "pema", world)
        page.goto(f"{address}/box/sticks")
        page.get_by_label("The file with the lessons").set_input_files(bad)
        page.get_by_role("button", name="Send it to the box").press("Enter")
        page.get_by_text("This is no file of EduHub for a stick, or it is not whole.").wait_for()
        page.goto(f"{address}/box/sticks")
        page.get_by_label("The file with the lessons").set_input_files(good)
        page.get_by_role("button", name="Send it to the box").click()
        page.get_by_text("The file is here, and its lessons are being taken from it.").wait_for()
        assert page.url == f"{address}/box/sticks"
        with page.expect_download() as fetched:
            page.get_by_role("button", name="Download what goes home").click()
        assert fetched.value.suggested_filename == "eduhub-shuanghu-1-home.tar"
        assert any(name.startswith("want/") for name in names_in(Path(fetched.value.path()).read_bytes()))
        context.close()
