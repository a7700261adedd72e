"""Two children and one device: what is kept is for both, whose progress it is, is not."""

import json

import pytest
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select

from eduhub.delivery import holding
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from eduhub.learning.models import Event
from tests.browser.keeping_hub import KeepingHub
from tests.browser.kept_device import WAITING, keep, open_kept, sign_in, wait_until_whole
from tests.browser.playing import play, position, reach, seek, until
from tests.web.world import World

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    # The server of these tests is Werkzeug's own, which leaves a file to the garbage collector when a
    # browser goes to the next page in the middle of it. The real server is gunicorn.
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name=:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def address(hub: KeepingHub) -> str:
    """A secure context: this machine itself."""
    return f"http://127.0.0.1:{hub.port}"


@pytest.fixture
def dolmas(device: BrowserContext, address: str, hub: KeepingHub, world: World) -> Page:
    """Dolma has kept the lesson, and her turn is noted."""
    page = sign_in(device, address, world.dolma_card)
    keep(page, address, world.lesson)
    wait_until_whole(page)
    page.goto(f"{address}/")
    until(page, "document.cookie.includes('eduhub_turn=')")
    return page


def watch(page: Page, seconds: float = 2) -> None:
    if page.evaluate("document.querySelector('video').paused"):
        page.click(".player-play")
    reach(page, position(page) + seconds)
    page.keyboard.press("k")
    until(page, "document.querySelector('video').paused")
    # What the pause leads to comes a moment after it: the place is stored, the stretch put by.
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))")


def actors(installation: Installation) -> set[str | None]:
    with installation.database.read() as session:
        return set(session.scalars(select(Event.actor_uid)))


def test_what_was_watched_without_a_connection_arrives_when_it_is_back(
    dolmas: Page, address: str, hub: KeepingHub, world: World, installation: Installation
) -> None:
    hub.stop()
    open_kept(dolmas, address, world.lesson)
    assert dolmas.is_visible("[data-turn=own]")
    watch(dolmas)
    until(dolmas, f"{WAITING} > 0")  # the event comes after the picture has stopped
    hub.start()
    dolmas.goto(f"{address}/")
    until(dolmas, f"{WAITING} === 0")
    assert actors(installation) == {world.dolma}


def test_a_child_goes_on_without_a_connection_where_she_was(dolmas: Page, address: str, hub: KeepingHub, world: World) -> None:
    hub.stop()
    open_kept(dolmas, address, world.lesson)
    play(dolmas, 1)
    seek(dolmas, 30)
    reach(dolmas, 30)
    watch(dolmas)
    open_kept(dolmas, address, world.lesson)
    assert float(dolmas.evaluate("Number(document.querySelector('.player-position').value)")) > 29


def test_the_next_child_sees_and_inherits_nothing_of_the_one_who_kept_it(
    dolmas: Page, address: str, hub: KeepingHub, world: World, installation: Installation
) -> None:
    hub.stop()
    open_kept(dolmas, address, world.lesson)
    play(dolmas, 1)
    seek(dolmas, 30)
    reach(dolmas, 30)
    watch(dolmas)
    hub.start()
    dolmas.goto(f"{address}/")
    dolmas.click("form[action='/sign-out'] button")
    assert "eduhub_turn" not in dolmas.evaluate("document.cookie")
    lhamos = sign_in(dolmas.context, address, world.lhamo_card)
    until(lhamos, "document.cookie.includes('eduhub_turn=')")
    until(lhamos, f"{WAITING} === 0")
    assert actors(installation) == {world.dolma}
    hub.stop()
    open_kept(lhamos, address, world.lesson)
    assert "Dolma" not in lhamos.content()
    assert float(lhamos.evaluate("Number(document.querySelector('.player-position').value)")) == 0
    watch(lhamos)
    hub.start()
    lhamos.goto(f"{address}/")
    until(lhamos, f"{WAITING} === 0")
    assert actors(installation) == {world.dolma, world.lhamo}


def test_when_nobody_is_signed_in_it_plays_and_nothing_is_noted(
    dolmas: Page, address: str, hub: KeepingHub, world: World
) -> None:
    dolmas.click("form[action='/sign-out'] button")
    dolmas.wait_for_url("**/sign-in")
    hub.stop()
    open_kept(dolmas, address, world.lesson)
    assert dolmas.is_visible("[data-turn=nobody]")
    watch(dolmas)
    assert dolmas.evaluate(WAITING) == 0


def test_what_a_device_stores_names_nobody(dolmas: Page, world: World) -> None:
    stored = dolmas.evaluate(
        "async () => { const cache = await caches.open('eduhub-kept-1'); const all = await cache.keys();"
        " return Promise.all(all.map(async (one) => one.url + ' ' + await (await cache.match(one)).text())); }"
    )
    text = json.dumps(stored)
    assert world.lesson in text
    assert all(secret not in text for secret in ("Dolma", world.dolma, "csrf_token"))


def test_a_lesson_that_was_taken_back_goes_at_the_next_contact(
    dolmas: Page, address: str, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        for row in session.scalars(select(PackageRow).where(PackageRow.lesson_uid == world.lesson)):
            holding.withdraw(session, row.id)
    # It asks once an hour; and it asked when it came here, which may still be under way.
    dolmas.evaluate(
        "async () => { const cache = await caches.open('eduhub-kept-1');"
        " while (!(await cache.delete('/kept/contact'))) await new Promise((resolve) => setTimeout(resolve, 50)); }"
    )
    dolmas.goto(f"{address}/")
    until(
        dolmas,
        "caches.keys().then((names) => { window.left = names.filter((name) => name.startsWith('eduhub-part-')).length; })"
        " && window.left === 0",
    )
