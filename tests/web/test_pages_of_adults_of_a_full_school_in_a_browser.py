"""The pages of teachers, admins and operators with a school's worth on them, in a real browser.

docs/pages-seen-of-adults.md says which pictures were looked at. What is checked is what breaks on long words, at both widths and with the text
twice as large: a line that ends inside a word, a page that has to be pushed sideways; and that a table keeps names in sight.
"""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from eduhub.accounts import people
from eduhub.installation import Installation
from tests.in_a_thread import served
from tests.web import full_school
from tests.web.full_school import FullSchool
from tests.web.long_words import BROKEN, SIDEWAYS
from tests.web.test_pages_in_a_browser import SMALL_TARGETS, WIDTHS, add_box, sign_in
from tests.web.world import World

pytestmark = [
    pytest.mark.browser, pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
WATCHED = "/groups/{group}/courses/{course}/watched"
PAGES = {
    "tashi": ("/teaching", "/teaching/courses/{course}", "/teaching/lessons/{lesson}", "/teaching/courses/{course}/order"),
    "pema": (WATCHED, "/schools/{school}", "/schools/{school}/people", "/groups/{group}", "/schools/{school}/boxes/{node}",
             "/schools/{school}/history"),
    "tenzin": ("/operator", "/operator/audit"),
}  # fmt: skip


@pytest.fixture
def school(installation: Installation, world: World) -> FullSchool:
    return full_school.fill(installation, world)


@pytest.fixture
def at(installation: Installation, world: World, school: FullSchool) -> dict[str, str]:
    """What the addresses name; two children have long names of Latin letters, and the school has a box."""
    with installation.database.write() as session:
        people.change(session, school.sister, name="Yangchen Gyaltsen Namgyal")
        people.change(session, world.dolma, name="Mingma Choedrak")
        node = add_box(session, world)
    return vars(school) | {"school": world.school, "node": node}


@pytest.fixture
def address(app: Flask, at: dict[str, str]) -> Iterator[str]:
    """The hub, once everything is there."""
    with served(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("reader", list(PAGES))
def test_long_words_break_no_page_of_an_adult(chromium: Browser, address: str, world: World, at: dict[str, str], reader: str) -> None:
    wrong: list[str] = []
    for language in ("en", "bo"):
        page = come_in(chromium, address, world, reader, language)
        for path in PAGES[reader]:
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 640})
                page.goto(address + path.format(**at))
                wrong += [f"{path} at {width} px: {found}" for found in [*page.evaluate(SMALL_TARGETS), *page.evaluate(BROKEN)]]
                wrong += [f"{path} has to be pushed sideways at {width} px"] * page.evaluate(SIDEWAYS)
            page.set_viewport_size({"width": WIDTHS[0], "height": 640})
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            wrong += [f"{path} has to be pushed sideways when its text is large"] * page.evaluate(SIDEWAYS)
        page.context.close()
    assert wrong == []


def test_the_names_of_a_class_stay_in_sight_while_the_table_is_pushed(chromium: Browser, address: str, world: World, at: dict[str, str]) -> None:
    page = come_in(chromium, address, world, "pema", "en")
    page.set_viewport_size({"width": WIDTHS[0], "height": 640})
    page.goto(address + WATCHED.format(**at))
    pushed, left = page.evaluate("""() => {
      const table = document.querySelector('.scroll');
      table.scrollLeft = 300;
      return [table.scrollLeft, table.querySelector('tbody th').getBoundingClientRect().left - table.getBoundingClientRect().left];
    }""")
    assert pushed == 300
    assert left == 0
    page.context.close()


def come_in(chromium: Browser, address: str, world: World, reader: str, language: str) -> Page:
    context = chromium.new_context()
    context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
    page = context.new_page()
    sign_in(page, address, reader, world)
    return page
