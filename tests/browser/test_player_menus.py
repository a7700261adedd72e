"""What a child chooses beside the picture: captions, voice, sound alone, a moment; and what is remembered of it."""

import pytest
from playwright.sync_api import BrowserContext, Page

from eduhub.web.learning.lesson_data import Controls
from tests.browser.fixture_box import Box
from tests.browser.playing import opened, play, position, reach, until

pytestmark = [pytest.mark.browser, pytest.mark.ffmpeg]
SPOKEN = ("v240", "v360", "aac", "aac-bo")
SAID = "document.querySelector('.player-caption').textContent"


def asked(box: Box) -> set[str]:
    """The tracks of which something was asked."""
    return {name for name, _, _ in box.requests}


def test_captions_are_shown_as_chosen_and_stay_chosen(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page)
    assert page.evaluate(SAID) == ""
    page.select_option(".player-captions", "bo")
    until(page, f"{SAID} === 'འཁྱགས་པ།'")
    assert page.get_attribute(".player-caption", "lang") == "bo"
    page.close()
    again = opened(device, box, path="/lesson-2")
    assert again.input_value(".player-captions") == "bo"
    play(again)
    until(again, f"{SAID} === 'འཁྱགས་པ།'")


def test_the_key_c_goes_through_the_captions(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page)
    page.keyboard.press("c")
    until(page, f"{SAID} === 'Ice floats.'")
    page.keyboard.press("c")
    until(page, f"{SAID} === 'འཁྱགས་པ།'")
    page.keyboard.press("c")
    until(page, f"{SAID} === ''")


def test_captions_stand_over_the_stills_too(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    page.select_option(".player-quality", "stills")
    page.select_option(".player-captions", "en")
    play(page)
    until(page, f"{SAID} === 'Ice floats.'")
    assert page.evaluate(
        "(() => { const still = document.querySelector('.player-still'), line = document.querySelector('.player-caption');"
        " return Boolean(still.compareDocumentPosition(line) & 4) && getComputedStyle(line).position === 'absolute'; })()"
    )


def test_sound_alone_asks_for_no_picture_and_no_still(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    page.select_option(".player-quality", "sound")
    play(page, 2)
    assert asked(box) == {"aac"}
    page.wait_for_selector(".player-still", state="visible")


def test_another_language_is_heard_from_the_same_moment_and_next_time(device: BrowserContext, box: Box) -> None:
    page = opened(device, box, names=SPOKEN)
    play(page, 3)
    assert "aac-bo" not in asked(box)
    page.select_option(".player-voice", "bo")
    until(page, "document.querySelector('video').currentTime >= 3.5")
    assert "aac-bo" in asked(box)
    page.close()
    box.requests.clear()
    again = opened(device, box, names=SPOKEN, path="/lesson-2")
    play(again)
    assert "aac-bo" in asked(box)
    assert "aac" not in asked(box)


def test_a_menu_without_a_choice_is_not_shown(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    assert page.is_hidden(".player-voice")
    assert page.is_visible(".player-captions")


def test_a_moment_of_the_page_plays_from_there(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    page.click("#moment")
    reach(page, 40.3)
    assert position(page) < 46


def test_an_address_with_a_moment_starts_there(device: BrowserContext, box: Box) -> None:
    opened(device, box).close()
    page: Page = device.new_page()
    page.goto(box.address + "/lesson#t=31.5")
    page.wait_for_selector("[data-player=ready]")
    assert page.text_content(".player-time") == "0:31 / 1:00"
    play(page, 31.8)
    assert position(page) < 40


def test_the_lock_screen_knows_the_lesson(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    assert page.evaluate("navigator.mediaSession.metadata.title") == "Lesson"
    assert page.evaluate("navigator.mediaSession.metadata.artwork.length") == 1


def test_a_quick_network_is_remembered_and_starts_higher(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page, 2)
    page.keyboard.press("k")
    until(page, "Object.keys(localStorage).some((key) => key.startsWith('eduhub.rate.'))")
    page.close()
    box.requests.clear()
    again = opened(device, box, path="/lesson-2")
    play(again)
    assert next(name for name, _, _ in box.requests if name.startswith("v")) == "v360"


@pytest.mark.parametrize(("opus", "cost"), [(False, "240p · 28 MB"), (True, "240p · 23 MB")])
def test_the_costs_are_those_of_the_voice_that_plays_here(
    device: BrowserContext, box: Box, monkeypatch: pytest.MonkeyPatch, opus: bool, cost: str
) -> None:
    menus = Controls(
        60, 23_000_000, (("v240", "240p · 23 MB"), ("sound", "Sound alone · 5 MB")), (("en", "en"),),
        without_opus={"v240": "240p · 28 MB", "sound": "Sound alone · 10 MB"}, play_bytes_without_opus=28_000_000,
    )  # fmt: skip
    monkeypatch.setattr(box.package, "controls", lambda _names: menus)
    voice = {**box.package.track("aac"), "name": "opus", "type": 'audio/mp4; codecs="opus"'}
    monkeypatch.setattr(box.package, "tracks", [*box.package.tracks, voice])
    if not opus:  # Safari before 17
        device.add_init_script(
            "const plays = MediaSource.isTypeSupported; MediaSource.isTypeSupported = (type) => !/opus/.test(type) && plays.call(MediaSource, type)"
        )
    page = opened(device, box, names=("v240", "aac", "opus"))
    assert page.text_content(".player-quality option[value=v240]") == cost
    assert page.text_content(".player-big") == f"Play · {cost[7:9]}.0 MB"
