"""The pages of children and guests with a school's worth on them, in a real browser: long names, forty lessons, a class of thirty.

`--pictures` keeps pictures in .build/screenshots/full-*.png; docs/pages-seen.md says which were looked at and what was mended. What is checked is what
breaks on long words: a line that ends inside a word or a figure, a page that has to be pushed sideways, at both widths, with the text
twice as large, and without scripts; in the dark that axe-core finds nothing serious, and that the keyboard alone leads a child from the
class list into a lesson, and shows where it is.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from eduhub.app import create_app
from eduhub.installation import Installation
from tests import pictures
from tests.in_a_thread import served
from tests.web import accessible, full_school
from tests.web.full_school import PICTURES, FullSchool
from tests.web.long_words import BROKEN, SIDEWAYS
from tests.web.test_pages_in_a_browser import LANGUAGES, SMALL_TARGETS, WIDTHS
from tests.web.world import World, as_box

pytestmark = [
    pytest.mark.browser, pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
GUESTS = {
    "card": "/card", "classes": "/classes", "class": "/classes/{group}", "pictures": "/children/{child}/pictures", "open": "/open",
    "open-course": "/open/{course}", "open-lesson": "/lessons/{lesson}", "sign-in-first": "/lessons/nowhere",
}  # fmt: skip
CHILDS = {
    "today": "/", "course": "/courses/{course}", "lesson": "/lessons/{lesson}", "transcript": "/lessons/{lesson}/transcript",
    "search": "/search?q=%E5%86%B0", "turn": "/turn", "not-allowed": "/lessons/{withdrawn}", "box": "/box",
}  # fmt: skip


@pytest.fixture
def school(installation: Installation, world: World) -> FullSchool:
    return full_school.fill(installation, world)


@pytest.fixture
def address(installation: Installation, world: World, school: FullSchool) -> Iterator[str]:
    """The school's box."""
    with served(create_app(installation=as_box(installation, world))) as port:
        yield f"http://127.0.0.1:{port}"


def opened(chromium: Browser, address: str, language: str, **how: object) -> BrowserContext:
    context = chromium.new_context(color_scheme="dark", **how)  # type: ignore[arg-type]
    context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
    return context


def come_in(page: Page, address: str, code: str) -> None:
    page.goto(f"{address}/card")
    page.fill("[name=token]", code)
    page.click("#card-form button")
    page.wait_for_url(f"{address}/")


def test_nothing_on_a_lesson_jumps_when_the_player_comes(chromium: Browser, address: str, school: FullSchool) -> None:
    for width in WIDTHS:
        context = opened(chromium, address, "bo", viewport={"width": width, "height": 800})
        page = context.new_page()
        page.route("**/player.js*", lambda route: route.abort())
        page.goto(f"{address}/lessons/{school.lesson}")
        before = page.locator("h1").bounding_box()
        page.unroute("**/player.js*")
        page.reload()
        page.locator(".player-bar").wait_for()
        assert page.locator("h1").bounding_box() == before, width
        context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_long_words_break_no_page(chromium: Browser, address: str, school: FullSchool, language: str) -> None:
    context = opened(chromium, address, language)
    page, wrong = context.new_page(), []
    for pages in (GUESTS, CHILDS):
        if pages is CHILDS:
            come_in(page, address, school.child_card)
        for name, path in pages.items():
            page.goto(address + path.format(**vars(school)))
            wrong += [f"{name} in the dark: {found}" for found in accessible.serious(page)]
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 640})
                pictures.keep_by_day_and_night(page, f"full-{name}-{language}-{width}")
                wrong += [f"{name} at {width} px: {found}" for found in [*page.evaluate(SMALL_TARGETS), *page.evaluate(BROKEN)]]
                wrong += [f"{name} has to be pushed sideways at {width} px"] * page.evaluate(SIDEWAYS)
            page.set_viewport_size({"width": WIDTHS[0], "height": 640})
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            wrong += [f"{name} has to be pushed sideways when its text is large"] * page.evaluate(SIDEWAYS)
            wrong += [f"{name} in large text: broken {found}" for found in page.evaluate(BROKEN) if len(found) < 9]
    context.close()
    assert wrong == []


def test_a_page_without_scripts_has_the_same_width_and_a_next_step(chromium: Browser, address: str, school: FullSchool) -> None:
    context = opened(chromium, address, "bo", java_script_enabled=False, viewport={"width": WIDTHS[0], "height": 640})
    page = context.new_page()
    come_in(page, address, school.child_card)
    for path in CHILDS.values():
        page.goto(address + path.format(**vars(school)))
        widest = max(found["x"] + found["width"] for found in (one.bounding_box() for one in page.locator("main :not(.trail *, .scroll *):visible").all()[:80]) if found)
        assert widest <= WIDTHS[0] + 1, path
        assert page.locator("main a:visible, main button:visible").count(), f"{path} leads nowhere"
    context.close()


def test_a_child_who_has_no_lesson_yet_is_shown_those_for_everybody(chromium: Browser, address: str, school: FullSchool) -> None:
    context = opened(chromium, address, "en")
    page = context.new_page()
    come_in(page, address, school.newcomer_card)
    page.click("main a.primary")
    assert page.locator("main .list li").count() == 2
    context.close()


def test_the_keyboard_alone_leads_a_child_from_its_class_into_a_lesson_in_the_dark(
    chromium: Browser, address: str, school: FullSchool
) -> None:
    context = opened(chromium, address, "en", viewport={"width": WIDTHS[0], "height": 640})
    page = context.new_page()
    page.goto(f"{address}/classes")
    follow(page, f"a[href='/classes/{school.group}']")
    follow(page, f"a[href='/children/{school.sister}/pictures']")
    follow(page, f"a[href='/classes/{school.group}']")  # not this one
    follow(page, f"a[href='/children/{school.child}/pictures']")
    for name in PICTURES:
        follow(page, f"button[value={name}]")
    follow(page, "main a.primary")
    assert "/lessons/" in page.url
    reach(page, ".player-big, .player-play")
    page.keyboard.press("Enter")
    page.locator(".player-status:not(:empty)").wait_for()  # these bytes are no recording: it says what to do instead
    context.close()


def follow(page: Page, wanted: str) -> None:
    """Go to what is wanted by Tab, and on to the page that it leads to."""
    reach(page, wanted)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def reach(page: Page, wanted: str) -> None:
    """Go to what is wanted by Tab, seeing at each stop where one is."""
    for _ in range(80):
        page.keyboard.press("Tab")
        assert page.evaluate(accessible.SHOWS_WHERE_IT_IS), page.evaluate("document.activeElement.outerHTML.slice(0, 160)")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")
