"""A lesson that was begun on one device goes on where it was on any other, at a hub in processes of its own."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from eduhub.installation import Installation
from tests.browser.fixture_package import FixturePackage
from tests.browser.hub_process import HubProcess
from tests.browser.keeping_hub import publish
from tests.browser.kept_device import WAITING, sign_in
from tests.browser.playing import play, position, reach, seek, until
from tests.web.world import World

pytestmark = [pytest.mark.browser, pytest.mark.ffmpeg]


@pytest.fixture
def hub(installation: Installation, world: World, package: FixturePackage, built_player: None) -> Iterator[HubProcess]:
    """A hub with a lesson that really plays."""
    publish(installation, world.lesson, package)
    hub = HubProcess(installation)
    hub.start()
    yield hub
    hub.kill()


@pytest.fixture
def new_device(chromium: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Phones with nothing on them yet."""
    contexts = []

    def made() -> BrowserContext:
        contexts.append(chromium.new_context(viewport={"width": 360, "height": 740}))
        return contexts[-1]

    yield made
    for context in contexts:
        context.close()


class Phone:
    """One device of Dolma's, at the hub."""

    def __init__(self, device: BrowserContext, hub: HubProcess, card: str) -> None:
        self._address = f"http://hub.lan:{hub.port}"
        self.page: Page = sign_in(device, self._address, card)

    def opens(self, lesson: str) -> int:
        """The second that the player shows."""
        self.page.goto(f"{self._address}/lessons/{lesson}")
        self.page.wait_for_selector("[data-player=ready]")
        minutes, seconds = self.page.inner_text(".player-time").partition(" ")[0].split(":")
        return 60 * int(minutes) + int(seconds)

    def leaves_the_lesson(self) -> None:
        """What was watched last goes out with the page, and again from the next one."""
        self.page.goto(f"{self._address}/")
        until(self.page, f"{WAITING} === 0")


def test_watched_to_second_40_on_one_phone_it_begins_there_on_the_other(
    hub: HubProcess, new_device: Callable[[], BrowserContext], world: World
) -> None:
    first = Phone(new_device(), hub, world.dolma_card)
    assert first.opens(world.lesson) == 0
    play(first.page, 2)
    seek(first.page, 37)
    reach(first.page, 40.2)
    first.leaves_the_lesson()

    second = Phone(new_device(), hub, world.dolma_card)
    found = second.opens(world.lesson)
    assert 39 <= found <= 43  # the player counts in steps of a quarter of a second, and a busy machine leaves late
    play(second.page, found + 0.5)
    assert position(second.page) < found + 5
    until(second.page, "!document.querySelector('video').paused")
    reach(second.page, 46)
    second.leaves_the_lesson()

    assert 45 <= first.opens(world.lesson) < 57, "and back on the first it goes on from the second"


def test_another_child_on_the_second_phone_begins_at_the_start(
    hub: HubProcess, new_device: Callable[[], BrowserContext], world: World
) -> None:
    first = Phone(new_device(), hub, world.dolma_card)
    first.opens(world.lesson)
    play(first.page)
    seek(first.page, 30)
    reach(first.page, 32)
    first.leaves_the_lesson()
    assert Phone(new_device(), hub, world.lhamo_card).opens(world.lesson) == 0


def test_whoever_saw_it_to_the_end_begins_anew(
    hub: HubProcess, new_device: Callable[[], BrowserContext], world: World
) -> None:
    first = Phone(new_device(), hub, world.dolma_card)
    first.opens(world.lesson)
    play(first.page)
    seek(first.page, 57)
    until(first.page, "document.querySelector('video').ended")
    first.leaves_the_lesson()
    assert Phone(new_device(), hub, world.dolma_card).opens(world.lesson) == 0
