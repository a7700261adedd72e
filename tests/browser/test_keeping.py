"""A lesson kept on a device plays and seeks when nobody answers, and costs its bytes once."""

import pytest
from playwright.sync_api import BrowserContext, Page

from eduhub.delivery.package import PIECE_BYTES, Part
from eduhub.installation import Installation
from tests.browser.fixture_package import FixturePackage
from tests.browser.keeping_hub import KeepingHub, publish
from tests.browser.kept_device import keep, open_kept, says, sign_in, wait_until_whole
from tests.browser.playing import play, position, reach, seek, until
from tests.web.world import World

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    # The server of these tests is Werkzeug's own, which leaves a file to the garbage collector when a
    # browser goes to the next page in the middle of it. The real server is gunicorn.
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name=:pytest.PytestUnraisableExceptionWarning"),
]
IN_FLIGHT_BYTES = 64 * 1024  # what a lost connection had under way


@pytest.fixture
def address(hub: KeepingHub) -> str:
    """A secure context: this machine itself."""
    return f"http://127.0.0.1:{hub.port}"


def test_a_kept_lesson_plays_and_seeks_with_the_server_stopped(
    device: BrowserContext, address: str, hub: KeepingHub, world: World
) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    hub.stop()
    open_kept(page, address, world.lesson)
    play(page, 1)
    seek(page, 45)
    reach(page, 46)
    assert position(page) < 55


def test_any_other_page_without_the_server_is_the_list_of_what_is_kept(
    device: BrowserContext, address: str, hub: KeepingHub, world: World
) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    hub.stop()
    page.goto(f"{address}/")
    wait_until_whole(page)
    assert page.is_visible("#no-answer")
    page.click("#list a")
    page.wait_for_selector("[data-player=ready]")


def test_a_cut_and_a_closed_tab_cost_a_piece_or_two(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    video = parts["v360"]
    hub.cut_after[video.sha256] = 700_000
    hub.pause_s[video.sha256] = 0.02
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson, "v360")
    until(page, "document.querySelector('#list progress').value > 0.7")
    page.close()
    assert video.sha256 not in hub.cut_after, "the link was cut on the way"
    hub.pause_s.clear()
    page = device.new_page()
    page.goto(f"{address}/kept")
    wait_until_whole(page)
    assert hub.sent[video.sha256] <= video.bytes + 2 * PIECE_BYTES + IN_FLIGHT_BYTES
    hub.stop()
    open_kept(page, address, world.lesson)
    play(page, 1)


def test_it_stops_when_asked_and_goes_on_where_it_was(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    video = parts["v360"]
    hub.pause_s[video.sha256] = 0.02
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson, "v360")
    until(page, "document.querySelector('#list progress').value > 0.4")
    page.click("[data-act=stop]")
    says(page, "Stopped. What is here stays.")
    page.reload()
    says(page, "Stopped. What is here stays.")
    page.click("[data-act=go]")
    hub.pause_s.clear()
    wait_until_whole(page)
    assert hub.sent[video.sha256] <= video.bytes + 2 * PIECE_BYTES + IN_FLIGHT_BYTES


def test_a_piece_that_arrives_damaged_is_fetched_anew(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    video = parts["v240"]
    hub.spoil[video.sha256] = 2
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    assert hub.spoil[video.sha256] == 0
    hub.stop()
    open_kept(page, address, world.lesson)
    play(page, 1)


def test_what_arrives_damaged_again_and_again_is_given_up_in_words(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    hub.spoil[parts["v240"].sha256] = 100
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    says(page, "damaged again and again")
    hub.spoil.clear()
    page.click("[data-act=go]")
    wait_until_whole(page)


def test_a_piece_that_is_spoiled_on_the_device_is_fetched_anew(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    sha256 = parts["v240"].sha256
    spoil = "async (name) => (await caches.open(name)).put('/piece/0', new Response('nonsense'))"
    page.evaluate(spoil, f"eduhub-part-1-{sha256}")
    page.goto(f"{address}/lessons/{world.lesson}")
    page.wait_for_selector("[data-player=ready]")
    play(page, 2)
    size = "async (name) => (await (await (await caches.open(name)).match('/piece/0')).arrayBuffer()).byteLength"
    assert page.evaluate(size, f"eduhub-part-1-{sha256}") == PIECE_BYTES
    hub.stop()
    open_kept(page, address, world.lesson)
    play(page, 1)


def test_while_the_server_answers_a_kept_lesson_plays_what_is_here(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    before = dict(hub.sent)
    page.goto(f"{address}/lessons/{world.lesson}")
    page.wait_for_selector("[data-player=ready]")
    play(page, 2)
    tracks = {parts[name].sha256 for name in ("v240", "v360", "aac")}
    assert {blob: count for blob, count in hub.sent.items() if blob in tracks and count != before.get(blob)} == {}


def test_a_full_device_says_so_and_keeps_what_is_whole(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    page = sign_in(device, address, world.dolma_card)
    quota = device.new_cdp_session(page)
    quota.send("Storage.overrideQuotaForOrigin", {"origin": address, "quotaSize": 1_200_000})
    keep(page, address, world.lesson, "v360")
    says(page, "no more room on this device")
    held = page.evaluate("(name) => caches.open(name).then((c) => c.keys()).then((k) => k.length)", f"eduhub-part-1-{parts['aac'].sha256}")
    assert held >= 2, "the voice is here, with the list of its pieces"
    quota.send("Storage.overrideQuotaForOrigin", {"origin": address})
    page.click("[data-act=go]")
    wait_until_whole(page)
    assert hub.sent[parts["aac"].sha256] <= parts["aac"].bytes + IN_FLIGHT_BYTES


def test_what_is_removed_can_be_taken_back_and_then_is_gone(
    device: BrowserContext, address: str, hub: KeepingHub, world: World
) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    page.click("[data-act=remove]")
    page.click("#gone-back button")
    assert page.is_visible("#list li")
    page.click("[data-act=remove]")
    page.wait_for_selector("#empty")
    assert page.evaluate("caches.keys()") == []
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    page.goto(f"{address}/")
    assert not page.is_visible("text=Kept on this device")


def test_a_newer_version_is_fetched_on_request_and_the_old_one_plays_until_then(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, package: FixturePackage,
    installation: Installation, parts: dict[str, Part],
) -> None:  # fmt: skip
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    publish(installation, world.lesson, package, revision=3, title="Ice again")
    before = hub.sent[parts["v240"].sha256]
    page.reload()
    page.click("[data-act=newer]")
    until(page, "document.querySelectorAll('#list li').length === 1")
    wait_until_whole(page)
    assert hub.sent[parts["v240"].sha256] == before, "the same blobs are not fetched again"
    hub.stop()
    open_kept(page, address, world.lesson)
    play(page, 1)


def test_at_a_plain_address_there_is_the_file_and_no_button(device: BrowserContext, hub: KeepingHub, world: World) -> None:
    address = f"http://box.lan:{hub.port}"
    page: Page = sign_in(device, address, world.dolma_card)
    page.goto(f"{address}/lessons/{world.lesson}")
    assert page.evaluate("isSecureContext") is False
    assert page.query_selector("[data-keep]") is None
    assert page.is_visible("a[download]")
    page.goto(f"{address}/kept")
    assert page.is_visible("text=needs a secure connection")


def test_another_release_of_the_worker_leaves_kept_lessons_whole(
    device: BrowserContext, address: str, hub: KeepingHub, world: World
) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    hub.release = "release 2"
    page.evaluate(
        "async () => { const found = await navigator.serviceWorker.getRegistration('/'); const old = found.active;"
        " await found.update(); while (found.active === old || found.active.state !== 'activated')"
        " await new Promise((resolve) => setTimeout(resolve, 50)); }"
    )
    hub.stop()
    open_kept(page, address, world.lesson)
    play(page, 1)


def test_a_browser_that_plays_no_tracks_keeps_the_whole_video(
    device: BrowserContext, address: str, hub: KeepingHub, world: World
) -> None:
    device.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource;")
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson, "file")
    wait_until_whole(page)
    hub.stop()
    page.goto(f"{address}/lessons/{world.lesson}")
    page.evaluate("document.querySelector('video').play()")
    reach(page, 1)
    page.evaluate("document.querySelector('video').currentTime = 45")
    reach(page, 46)


def test_what_the_browser_cleared_away_is_told(device: BrowserContext, address: str, hub: KeepingHub, world: World) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    page.evaluate("async () => { for (const name of await caches.keys()) await caches.delete(name); }")
    page.reload()
    page.wait_for_selector("#lost")
    assert "Cleared away by the browser" in page.inner_text("#lost")
    assert page.is_visible("#empty")


def test_what_is_attached_is_kept_too_and_is_saved_and_never_run(
    device: BrowserContext, address: str, hub: KeepingHub, world: World, parts: dict[str, Part]
) -> None:
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    hub.stop()
    open_kept(page, address, world.lesson)
    paper = f"/p/{'0' * 64}/{parts['paper'].sha256}"
    with page.expect_download() as saved:
        page.evaluate("(address) => { location.href = address; }", paper)
    assert "somebody attached" in saved.value.path().read_text()
    assert page.is_hidden("a[download]"), "the file was not chosen, so it is not offered"
