"""Tashi puts her lessons into another order, with buttons alone or with the mouse."""

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from eduhub.courses import editing
from eduhub.installation import Installation
from tests.in_a_thread import served
from tests.web.test_pages_in_a_browser import sign_in
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


@pytest.fixture
def lessons(installation: Installation, world: World) -> dict[str, str]:
    """A second unit with two lessons beside the one of the world and its draft, which is in no unit."""
    with installation.database.write() as session:
        unit = editing.add_unit(session, course_uid=world.course, titles={"en": "Air"})
        found = {"Air": unit.uid}
        for name in ("Wind", "Storm"):
            lesson = editing.add_lesson(
                session, course_uid=world.course, unit_uid=unit.uid, titles={"en": name}, language="en"
            )
            found[name] = lesson.uid
    return found


def shown(page: str) -> list[str]:
    return re.findall(r'<(?:h2|div class="what")><span lang="\w+">([^<]+)</span>', page)


def press(tashi: Reader, address: str, label: str) -> list[str]:
    page = tashi.get(address).text
    button = re.search(rf'value="([^"]+)" aria-label="{label}"', page)
    assert button, label
    answer = tashi.post(address, {"move": button[1]}, page=address)
    assert answer.status_code == 303, answer.text
    assert "#row-" in answer.headers["Location"]
    return shown(tashi.get(address).text)


def test_buttons_move_lessons_within_a_unit_into_the_next_and_units(
    browser: Browser, world: World, lessons: dict[str, str]
) -> None:
    tashi, address = browser().sign_in("tashi"), f"/teaching/courses/{world.course}/order"
    assert shown(tashi.get(address).text) == ["Steam", "Water", "Why ice floats", "Air", "Wind", "Storm"]
    assert press(tashi, address, "Down: Wind") == ["Steam", "Water", "Why ice floats", "Air", "Storm", "Wind"]
    assert press(tashi, address, "Up: Storm") == ["Steam", "Water", "Why ice floats", "Storm", "Air", "Wind"]
    assert press(tashi, address, "Up: Air") == ["Steam", "Air", "Wind", "Water", "Why ice floats", "Storm"]
    assert press(tashi, address, "Down: Steam") == ["Air", "Steam", "Wind", "Water", "Why ice floats", "Storm"]
    assert press(tashi, address, "Down: Air") == ["Water", "Why ice floats", "Storm", "Air", "Steam", "Wind"]
    listed = tashi.get(f"/teaching/courses/{world.course}").text
    assert listed.index("Storm") < listed.index("Steam") < listed.index("Wind")


@pytest.mark.parametrize("sent", ["", "lesson", "lesson:x:-:-", "unit:{lesson}:-", "lesson:{lesson}:-", "lesson:{unit}:-:-", "x:{lesson}:-:-"])
def test_what_is_no_move_changes_nothing(browser: Browser, world: World, lessons: dict[str, str], sent: str) -> None:
    tashi, address = browser().sign_in("tashi"), f"/teaching/courses/{world.course}/order"
    sent = sent.format(lesson=world.lesson, unit=lessons["Air"])
    assert tashi.post(address, {"move": sent}, page=address).status_code == 404
    assert shown(tashi.get(address).text) == ["Steam", "Water", "Why ice floats", "Air", "Wind", "Storm"]


def test_a_lesson_of_another_course_is_not_moved_by_way_of_ones_own(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        other = editing.add_course(session, org_uid=world.school, titles={"en": "Music"})
        lesson = editing.add_lesson(session, course_uid=other.uid, titles={"en": "Song"}, language="en")
    tashi, address = browser().sign_in("tashi"), f"/teaching/courses/{world.course}/order"
    assert tashi.post(address, {"move": f"lesson:{lesson.uid}:-:-"}, page=address).status_code == 404


@pytest.fixture
def page(app: Flask, chromium: Chromium, world: World, lessons: dict[str, str]) -> Iterator[Page]:
    """Tashi's browser at the page of the order."""
    with served(app) as port:
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
        opened = context.new_page()
        address = f"http://127.0.0.1:{port}"
        sign_in(opened, address, "tashi", world)
        opened.goto(f"{address}/teaching/courses/{world.course}/order")
        yield opened
        context.close()


@pytest.mark.browser
def test_a_lesson_is_drawn_into_another_unit_and_a_button_is_pressed_again_by_keys_alone(page: Page) -> None:
    page.get_by_text("Why ice floats").drag_to(page.get_by_text("Storm"), target_position={"x": 5, "y": 2})
    page.wait_for_url(re.compile("#row-"))
    assert shown(page.content()) == ["Steam", "Water", "Air", "Wind", "Why ice floats", "Storm"]
    page.get_by_label("Down: Steam").focus()
    for _press in range(2):
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.get_by_label("Down: Steam")).to_be_focused()
    assert shown(page.content()) == ["Water", "Air", "Steam", "Wind", "Why ice floats", "Storm"]
