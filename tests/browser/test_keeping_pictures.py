"""The pages of keeping at a phone's and a desk's width, in three languages, in the states that a child meets.

Pictures lie in .build/screenshots/ for people to look at; what is checked is that nothing has to be pushed sideways.
"""


import pytest
from playwright.sync_api import BrowserContext, Page

from eduhub.delivery.package import Part
from tests import pictures
from tests.browser.keeping_hub import KeepingHub
from tests.browser.kept_device import keep, sign_in
from tests.browser.playing import until
from tests.web.world import World

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    # The server of these tests is Werkzeug's own, which leaves a file to the garbage collector when a
    # browser goes to the next page in the middle of it. The real server is gunicorn.
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name=:pytest.PytestUnraisableExceptionWarning"),
]
WIDTHS = (360, 1280)


def show(page: Page, name: str, language: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
        pictures.keep(page, f"keeping-{name}-{language}-{width}")
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})


@pytest.mark.parametrize("language", ["en", "zh", "bo"])
def test_every_state_of_keeping_fits(
    device: BrowserContext, hub: KeepingHub, world: World, parts: dict[str, Part], language: str
) -> None:
    address = f"http://127.0.0.1:{hub.port}"
    device.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
    page = sign_in(device, address, world.dolma_card)
    page.goto(f"{address}/kept")
    page.wait_for_selector("#empty")
    show(page, "empty", language)
    page.goto(f"{address}/lessons/{world.lesson}")
    page.wait_for_selector("[data-player=ready]")
    show(page, "lesson", language)
    page.click("[data-keep]")
    page.wait_for_selector("#choices input")
    show(page, "offer", language)
    hub.pause_s[parts["v360"].sha256] = 0.02
    keep(page, address, world.lesson, "v360")
    until(page, "document.querySelector('#list progress').value > 0.5")
    show(page, "coming", language)
    page.click("[data-act=stop]")
    page.wait_for_selector("[data-act=go]:visible")
    show(page, "stopped", language)
    hub.pause_s.clear()
    page.click("[data-act=go]")
    until(page, "document.querySelector('#list progress').hidden")
    show(page, "whole", language)
    page.click("[data-act=remove]")
    show(page, "removed", language)
    page.click("#gone-back button")
    page.goto(f"{address}/")
    show(page, "today", language)
    hub.stop()
    page.goto(f"{address}/")
    page.wait_for_selector("#no-answer:visible")
    show(page, "no-answer", language)
    page.goto(f"{address}/lessons/{world.lesson}")
    page.wait_for_selector("[data-player=ready]")
    show(page, "played-alone", language)
