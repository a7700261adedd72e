"""After a far seek the voice plays at once, under a still, while the picture is on its way."""

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.fixture_box import Box
from tests.browser.playing import opened, play, position, reach, seek, until

pytestmark = [pytest.mark.browser, pytest.mark.ffmpeg]
TRACKS = ("v240", "aac")
SLOW_KBITS = 120  # of each connection: 6 s of picture take 3 s and more
STILL = "!document.querySelector('.player-still').hidden"


def is_late_picture(page: Page) -> bool:
    """Whether what the video element shows is from beyond the 30th second."""
    corner: list[int] = page.evaluate(
        "(() => { const c = document.createElement('canvas').getContext('2d');"
        " c.drawImage(document.querySelector('video'), 0, 0, 40, 40); return Array.from(c.getImageData(3, 3, 1, 1).data); })()"
    )
    return min(corner[:3]) > 200


def seek_slowly(device: BrowserContext, box: Box, to: float) -> Page:
    """A player that plays from the start, then is sent far ahead over a slow link."""
    box.kbit_per_s = SLOW_KBITS
    page = opened(device, box, names=TRACKS)
    play(page)
    seek(page, to)
    return page


def test_the_voice_plays_under_the_still_until_the_picture_has_come(device: BrowserContext, box: Box) -> None:
    page = seek_slowly(device, box, 46.5)
    page.wait_for_selector(".player-still[src^=blob]", state="visible")
    reach(page, 46.8)
    assert page.evaluate(STILL), "the voice is ahead of the picture"
    page.wait_for_selector(".player-still", state="hidden")
    assert is_late_picture(page), "what is shown is the picture of that moment"
    shown = position(page)
    reach(page, shown + 2)
    assert not page.evaluate(STILL)
    assert is_late_picture(page)


def test_the_voice_is_asked_for_before_the_picture(device: BrowserContext, box: Box) -> None:
    box.kbit_per_s = SLOW_KBITS
    page = opened(device, box, names=TRACKS)
    play(page)
    before = len(box.requests)
    seek(page, 46.5)
    reach(page, 47)
    tracks = [name for name, _, _ in box.requests[before:] if name != "stills"]
    assert tracks.index("aac") < tracks.index("v240")


def test_a_second_seek_while_the_picture_is_on_its_way_leaves_no_wrong_picture(device: BrowserContext, box: Box) -> None:
    page = seek_slowly(device, box, 46.5)
    reach(page, 46.8)
    seek(page, 34)
    reach(page, 34.3)
    page.wait_for_selector(".player-still", state="hidden")
    assert is_late_picture(page)
    box.kbit_per_s = None
    seek(page, 44)  # played over to where the first seek went
    page.wait_for_selector(".player-still", state="hidden")
    for second in (45, 46, 47, 48):
        reach(page, second)
        assert is_late_picture(page), f"at {second} s"


def test_a_seek_while_paused_waits_for_the_picture_and_plays_none(device: BrowserContext, box: Box) -> None:
    box.kbit_per_s = SLOW_KBITS
    page = opened(device, box, names=TRACKS)
    play(page)
    page.keyboard.press("k")
    seek(page, 40)
    page.wait_for_selector(".player-still", state="hidden")
    assert position(page) < 40.1
    assert is_late_picture(page)


def test_a_seek_to_the_last_second_ends_the_lesson(device: BrowserContext, box: Box) -> None:
    page = seek_slowly(device, box, 59.2)
    until(page, "document.querySelector('video').ended")
