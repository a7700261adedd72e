"""A teacher's file on a bad day: the server killed twice, the tab closed, the network changed, signed out. Every byte goes once."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from eduhub.installation import Installation
from eduhub.media.models import Source
from tests.browser.hub_process import HubProcess
from tests.browser.teacher import Teacher, film
from tests.narrow_link import NarrowLink
from tests.web.world import World

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.ffmpeg]
TWICE_MOST = 65_536  # bytes that an interruption may cost


@pytest.fixture
def hub(installation: Installation, world: World) -> Iterator[HubProcess]:
    hub = HubProcess(installation)
    try:
        hub.start()
        yield hub
    finally:
        hub.kill()


def arrived(installation: Installation) -> list[tuple[str, str | None, int | None]]:
    with installation.database.read() as session:
        return [(row.file_name, row.sha256, row.bytes) for row in session.scalars(select(Source))]


@pytest.mark.parametrize(
    ("size", "up_kbits", "network_speaks"),
    [
        pytest.param(2_000_000, 2000, True, id="2 MB at 2 Mbit/s"),
        pytest.param(20_000_000, 2000, False, id="20 MB at 2 Mbit/s", marks=pytest.mark.long),
        pytest.param(20_000_000, 256, False, id="20 MB at 256 kbit/s", marks=pytest.mark.long),
    ],
)
def test_a_file_arrives_whole_and_once_whatever_happens_on_the_way(
    installation: Installation, world: World, hub: HubProcess, chromium: Browser, built_pages: None, tmp_path: Path,
    size: int, up_kbits: int, network_speaks: bool,
) -> None:  # fmt: skip
    lesson = tmp_path / "05 Steam.mp4"
    sha256 = film(lesson, size)
    limit_s = 60 + 3 * size * 8 / up_kbits / 1000
    with NarrowLink(hub.port, up_kbits) as link:
        tashi = Teacher(chromium, f"http://127.0.0.1:{link.port}")
        page = tashi.new_page()
        tashi.signs_in(page)
        tashi.opens_lesson(page, world.draft)
        tashi.chooses(page, lesson)

        link.wait_for(size * 15 // 100, limit_s)
        other_tab = tashi.new_page()
        other_tab.goto(f"{tashi.origin}/teaching")
        other_tab.get_by_role("button", name="Sign out").click()
        other_tab.close()

        link.wait_for(size * 25 // 100, limit_s)
        hub.kill()
        hub.start()

        link.wait_for(size * 45 // 100, limit_s)
        link.cut()
        link.come_back("127.0.0.2")
        if network_speaks:  # else the page has to notice by itself that nothing moves
            page.evaluate("window.dispatchEvent(new Event('online'))")

        link.wait_for(size * 60 // 100, limit_s)
        page.close()
        page = tashi.new_page()
        tashi.signs_in(page)
        tashi.opens_lesson(page, world.draft)
        page.get_by_text("Of '05 Steam.mp4' (").wait_for()
        tashi.chooses(page, lesson)

        link.wait_for(size * 80 // 100, limit_s)
        hub.kill()
        hub.start()
        page.get_by_text("The video is being prepared").wait_for(timeout=limit_s * 1000)
        tashi.leaves()
        twice = link.bodies["PATCH"] - size
    assert arrived(installation) == [("05 Steam.mp4", sha256, size)]
    sys.stdout.write(f"{twice} bytes of {size} crossed twice in 4 interruptions\n")  # with -s it is seen
    assert 0 <= twice <= 4 * TWICE_MOST
