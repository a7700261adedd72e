"""While the slider is moved, the small picture of that moment stands above it; whoever does not move it fetches none."""

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from tests.browser.fixture_box import Box
from tests.browser.fixture_package import sheet_colour
from tests.browser.playing import opened, play, position, reach, until

pytestmark = [pytest.mark.browser, pytest.mark.ffmpeg]
SECONDS = 60
STRIP = ".player-strip"


@pytest.fixture
def touched(chromium: Browser) -> Iterator[BrowserContext]:
    """A small phone that is used with a finger."""
    context = chromium.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    yield context
    context.close()


class Finger:
    """One finger on the slider; places are shares of its length."""

    def __init__(self, page: Page) -> None:
        found = page.locator(".player-position").bounding_box()
        assert found is not None
        self._slider = found
        self._session: CDPSession = page.context.new_cdp_session(page)

    def down(self, share: float) -> None:
        self._send("touchStart", share)

    def move(self, share: float) -> None:
        self._send("touchMove", share)

    def up(self) -> None:
        self._session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def _send(self, kind: str, share: float) -> None:
        slider = self._slider
        point = {"x": slider["x"] + share * slider["width"], "y": slider["y"] + slider["height"] / 2}
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})


def shown_picture(page: Page) -> int | None:
    """The number of the small picture that is to be seen, if it is one of the sheet."""
    picture = Image.open(io.BytesIO(page.locator(STRIP).screenshot())).convert("RGB")
    colour = picture.getpixel((picture.width // 2, picture.height // 4))
    assert isinstance(colour, tuple)
    near = [tile for tile in range(6) if max(abs(a - b) for a, b in zip(colour, sheet_colour(tile), strict=True)) < 8]
    return near[0] if near else None


def slider_at(page: Page) -> float:
    return float(page.input_value(".player-position"))


def wait_for_sheet(page: Page) -> None:
    until(page, "performance.getEntriesByType('resource').some((one) => one.initiatorType === 'css')")


def test_a_finger_that_moves_the_slider_shows_the_picture_of_that_moment(touched: BrowserContext, box: Box) -> None:
    page = opened(touched, box)
    assert page.is_hidden(STRIP)
    finger = Finger(page)
    finger.down(0.1)
    finger.move(0.4)
    wait_for_sheet(page)
    assert page.is_visible(STRIP)
    seen = set()
    for share in (0.25, 0.55, 0.9):
        finger.move(share)
        assert shown_picture(page) == int(slider_at(page) // 10)
        assert page.inner_text(STRIP) == f"0:{int(slider_at(page)):02}"
        seen.add(shown_picture(page))
    assert len(seen) == 3
    chosen = slider_at(page)
    finger.up()
    page.wait_for_selector(STRIP, state="hidden")
    assert box.fetched.count("sheet") == 1, "once for all moments"
    play(page, chosen + 0.5)
    assert position(page) < chosen + 5


def test_the_picture_stands_above_the_controls_and_inside_the_player(touched: BrowserContext, box: Box) -> None:
    page = opened(touched, box)
    finger = Finger(page)
    for share in (0.0, 0.5, 1.0):
        finger.down(0.5)
        finger.move(share)
        strip, bar, player, slider = (page.locator(name).bounding_box() for name in (STRIP, ".player-bar", ".player", ".player-position"))
        assert strip is not None
        assert bar is not None
        assert player is not None
        assert slider is not None
        assert 160 <= round(strip["width"]) <= 164, "with its border, which this page draws outside"
        assert 90 <= round(strip["height"]) <= 94
        assert strip["y"] + strip["height"] <= bar["y"] + 1
        assert strip["y"] >= player["y"]
        assert strip["x"] >= player["x"] - 0.5
        assert strip["x"] + strip["width"] <= player["x"] + player["width"] + 0.5
        thumb = slider["x"] + share * slider["width"]
        assert strip["x"] - 1 <= thumb <= strip["x"] + strip["width"] + 1
        finger.up()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_whoever_only_watches_fetches_no_sheet(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page, 2)
    page.click("#moment")
    reach(page, 40.3)
    page.hover(".player-position")
    assert "sheet" not in box.fetched
    assert page.is_hidden(STRIP)


def test_a_held_key_moves_the_slider_and_seeks_when_it_is_let_go(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page, 1)
    page.evaluate("document.querySelector('video').addEventListener('seeking', () => { window.seeks = (window.seeks || 0) + 1; })")
    for _ in range(6):
        page.keyboard.down("ArrowRight")
    wait_for_sheet(page)
    chosen = slider_at(page)
    assert chosen > 30.5
    assert shown_picture(page) == int(chosen // 10)
    assert page.evaluate("window.seeks") is None
    page.keyboard.up("ArrowRight")
    page.wait_for_selector(STRIP, state="hidden")
    reach(page, chosen)
    assert position(page) < chosen + 5


def test_a_page_that_loses_the_keyboard_lets_go_of_the_slider(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    page.keyboard.down("l")
    assert page.is_visible(STRIP)
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    assert page.is_hidden(STRIP)
    play(page, 10.3)


def test_the_end_of_the_slider_shows_the_last_picture(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    for _ in range(13):
        page.keyboard.down("ArrowRight")
    wait_for_sheet(page)
    assert slider_at(page) == SECONDS
    assert shown_picture(page) == 5


def test_where_bytes_are_to_be_saved_only_the_time_is_shown(device: BrowserContext, box: Box) -> None:
    device.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
    page = opened(device, box)
    page.keyboard.down("l")
    assert page.inner_text(STRIP) == "0:10"
    page.keyboard.up("l")
    play(page, 10.3)
    assert "sheet" not in box.fetched


def test_a_lesson_without_small_pictures_shows_the_time_alone(device: BrowserContext, box: Box) -> None:
    box.package = replace(box.package, sheet=None)
    page = opened(device, box)
    page.keyboard.down("l")
    assert page.inner_text(STRIP) == "0:10"
    page.keyboard.up("l")
    assert page.is_hidden(STRIP)
    play(page, 10.3)


def test_a_sheet_that_does_not_come_is_missed_by_nothing(device: BrowserContext, box: Box) -> None:
    box.missing.add("sheet")
    page = opened(device, box)
    page.keyboard.down("l")
    assert page.inner_text(STRIP) == "0:10"
    page.keyboard.up("l")
    play(page, 10.3)
    assert box.fetched.count("sheet") == 1
