"""What was watched reaches the box once, whoever holds the phone next."""

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.fixture_box import Box
from tests.browser.playing import opened, play, reach, seek, until

pytestmark = [pytest.mark.browser, pytest.mark.ffmpeg]
WAITING = "Object.keys(localStorage).filter((key) => key.startsWith('eduhub.event.')).length"


def pause(page: Page) -> None:
    page.keyboard.press("k")
    until(page, "document.querySelector('video').paused")


def test_watched_seconds_arrive_once_with_the_childs_token(device: BrowserContext, box: Box) -> None:
    page = opened(device, box, token="dolma")
    play(page, 3)
    pause(page)
    box.wait_for_events(lambda events: sum(event["watched_ms"] for event in events) > 2500)
    until(page, f"{WAITING} === 0")
    event = next(iter(box.events.values()))
    assert event["kind"] == "watched"
    assert event["version"] == 1
    assert event["token"] == "dolma"
    assert event["from_ms"] < 1000
    assert event["to_ms"] - event["from_ms"] == event["watched_ms"]
    assert event["part"] in {track["sha256"] for track in box.package.tracks}
    assert event["uid"][14] == "7"
    assert set(box.cookies) == {None}, "the batch's own token says whose it is"


def test_a_jump_is_not_counted_as_watched(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page, 1)
    seek(page, 40)
    reach(page, 41)
    pause(page)
    box.wait_for_events(lambda events: any(event["from_ms"] >= 39_000 for event in events))
    spans = sorted((event["from_ms"], event["to_ms"]) for event in box.events.values())
    assert all(to - begun < 8000 for begun, to in spans)
    assert box.watched_ms("dolma") < 8000


def test_a_batch_comes_every_ten_seconds_while_it_plays(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page, 1)
    box.wait_for_events(lambda events: len(events) >= 1)
    assert page.evaluate("document.querySelector('video').paused") is False


def test_a_closed_tab_sends_what_it_knows(device: BrowserContext, box: Box) -> None:
    page = opened(device, box)
    play(page, 3)  # a busy machine's first second may be a stall
    page.close(run_before_unload=False)
    box.wait_for_events(lambda events: sum(event["watched_ms"] for event in events) > 1500)
    again = opened(device, box)
    until(again, f"{WAITING} === 0")
    assert 1500 < box.watched_ms("dolma") < 6000
    assert len(box.batches) >= 2, "no answer to the closed tab was seen, so it was offered again and counted once"


def test_events_wait_for_a_box_that_is_away_and_any_page_sends_them(device: BrowserContext, box: Box) -> None:
    box.inbox_open = False
    page = opened(device, box, token="dolma")
    play(page, 2)
    page.close()
    assert box.events == {}
    box.inbox_open = True
    box.pages["/today"] = '<!doctype html><title>Today</title><script src="/static/built/player.js" defer></script>'
    today = device.new_page()
    today.goto(box.address + "/today")
    box.wait_for_events(lambda events: sum(event["watched_ms"] for event in events) > 1500)
    until(today, f"{WAITING} === 0")


def test_the_next_child_on_the_phone_inherits_and_loses_nothing(device: BrowserContext, box: Box) -> None:
    box.inbox_open = False
    first = opened(device, box, token="dolma")
    play(first, 2)
    first.close()
    box.inbox_open = True
    second = opened(device, box, token="tashi", path="/lesson-2")
    play(second, 3)
    pause(second)
    box.wait_for_events(lambda events: {event["token"] for event in events} == {"dolma", "tashi"})
    until(second, f"{WAITING} === 0")
    assert 1000 < box.watched_ms("dolma") < 5000
    assert 2000 < box.watched_ms("tashi") < 6000
    for batch in box.batches:
        owners = {box.events[event["uid"]]["token"] for event in batch["events"]}
        assert owners == {batch["token"]}


def test_nobody_signed_in_means_nothing_is_noted(device: BrowserContext, box: Box) -> None:
    page = opened(device, box, token=None)
    play(page, 2)
    pause(page)
    assert page.evaluate(WAITING) == 0
    play(page, 3)
    page.close(run_before_unload=False)
    again = opened(device, box, token=None)
    assert again.evaluate(WAITING) == 0
    assert box.batches == []
