"""Every page in a real browser, at a phone's and a desk's width, in three languages.

Pictures lie in .build/screenshots/ for people to look at. What is checked: nothing has to be
pushed sideways, the console is silent, the content policy is kept, targets are large enough.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from werkzeug.serving import BaseWSGIServer, make_server

from tests.web.world import PASSWORD, World

pytestmark = [
    pytest.mark.browser,
    # The server of these tests is Werkzeug's own, which leaves a file to the garbage collector when a
    # browser goes to the next page in the middle of it. The real server is gunicorn.
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
SCREENSHOTS = Path(__file__).parents[2] / ".build" / "screenshots"
LANGUAGES = ("en", "zh", "bo")
WIDTHS = (360, 1280)
# Who opens what. {names} are fields of World.
PAGES = {
    "": {"sign-in": "/sign-in", "card": "/card", "not-found": "/nowhere"},
    "tenzin": {
        "operator": "/operator", "operator-school": "/operator/organisations/new", "operator-code": "/operator/boxes/code",
    },
    "pema": {
        "school": "/schools/{school}", "school-people": "/schools/{school}/people", "school-class": "/groups/{group}",
        "school-child": "/people/{dolma}", "school-new-child": "/schools/{school}/children/new",
        "school-new-adult": "/schools/{school}/adults/new", "school-new-class": "/schools/{school}/groups/new",
        "school-empty-class": "/groups/{empty_group}",
    },
    "tashi": {
        "teaching": "/teaching", "teaching-course": "/teaching/courses/{course}",
        "teaching-new-course": "/teaching/courses/new", "teaching-new-lesson": "/teaching/courses/{course}/lessons/new",
        "teaching-lesson": "/teaching/lessons/{lesson}", "teaching-draft": "/teaching/lessons/{draft}",
        "teaching-words": "/teaching/lessons/{lesson}/words",
    },
    "dolma": {"child-today": "/", "child-course": "/courses/{course}", "child-lesson": "/lessons/{lesson}"},
}  # fmt: skip
# A link in running text may be small; what stands alone may not.
SMALL_TARGETS = """() => [...document.querySelectorAll('button, .button, input:not([type=hidden]), select, textarea, summary')]
  .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 44
    && !['checkbox', 'radio'].includes(e.type) && !e.closest('.player'))
  .map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The hub, served on this machine."""
    server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("reader", list(PAGES))
def test_every_page_fits_is_silent_and_keeps_its_policy(reader: str, chromium: Browser, address: str, world: World) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        context = chromium.new_context(locale={"en": "en-GB", "zh": "zh-CN", "bo": "bo-CN"}[language])
        context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda said, wrong=wrong: said.type in {"error", "warning"} and wrong.append(said.text))
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        sign_in(page, address, reader, world)
        for name, path in PAGES[reader].items():
            look(page, f"{address}{path.format(**vars(world))}", f"{name}-{language}", wrong)
        assert [text for text in wrong if "404 (NOT FOUND)" not in text] == []
        context.close()


def sign_in(page: Page, address: str, reader: str, world: World) -> None:
    """As a person would: a child with the code of the card, an adult with name and password."""
    if reader == "dolma":
        # The square of the card leads here: the token is in the fragment, and gone from the address at once.
        page.goto(f"{address}/card#{world.dolma_card}")
        page.wait_for_url(f"{address}/")
    elif reader:
        page.goto(f"{address}/sign-in")
        page.fill("[name=sign_in_name]", reader)
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url(lambda url: "sign-in" not in url)


def look(page: Page, address: str, name: str, wrong: list[str]) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(address)
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"{name} has to be pushed sideways at {width} px")
        wrong += [f"{name}: smaller than 44 px: {found}" for found in page.evaluate(SMALL_TARGETS)]
    assert page.get_attribute("html", "lang") == name.rsplit("-", 1)[1]

