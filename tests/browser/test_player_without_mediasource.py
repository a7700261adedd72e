"""A browser without MediaSource, as an iPhone's: it plays the lesson by itself, and the page does the rest."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import select

from eduhub.app import create_app
from eduhub.courses.models import Lesson
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest, Part
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.media import binding
from tests.browser.fixture_package import FixturePackage
from tests.browser.keeping_hub import publish
from tests.browser.kept_device import WAITING, sign_in
from tests.browser.playing import position, reach, until
from tests.in_a_thread import served
from tests.web.world import World, watch

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name=:pytest.PytestUnraisableExceptionWarning"),
]
TRACKS = ("v240", "v360", "aac")
SAID = b"WEBVTT\n\n00:00.000 --> 00:59.000\nIce floats.\n"
SOURCE = "document.querySelector('video').currentSrc"


def playlists(here: Installation, made: FixturePackage) -> list[Part]:
    """The lesson's playlists, as the packager makes them."""
    bound = binding.bind([made.track(name) for name in TRACKS], None, made.seconds * 1000)
    for one in bound:
        here.blobs.put_bytes(one.payload)
    return [Part.from_json(one.facts) for one in bound if one.facts["kind"] == "playlist"]


def captions(here: Installation) -> Part:
    facts = binding.part_facts(
        "captions-en", "captions", "text/vtt", size=len(SAID), sha256=here.blobs.put_bytes(SAID).sha256, pieces=None, language="en"
    )
    return Part.from_json(facts)


@pytest.fixture
def address(installation: Installation, world: World, package: FixturePackage, built_player: None) -> Iterator[str]:
    """A hub with a lesson of tracks, playlists and captions, half of which Dolma has seen."""
    publish(installation, world.lesson, package, more=[*playlists(installation, package), captions(installation)])
    with installation.database.write() as session:
        watch(session, world.lesson, world.dolma, world.school, 0, 30)
    with served(create_app(installation=installation)) as port:
        yield f"http://box.lan:{port}"


@pytest.fixture
def plain(chromium: Browser) -> Iterator[BrowserContext]:
    """A phone whose browser has no MediaSource of any name."""
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    context.add_init_script("for (const name of ['MediaSource', 'ManagedMediaSource', 'WebKitMediaSource']) delete window[name]")
    yield context
    context.close()


def lesson_of(plain: BrowserContext, address: str, world: World) -> tuple[Page, list[str]]:
    """Dolma's page of the lesson, and what the browser asks for from now on."""
    page = sign_in(plain, address, world.dolma_card)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
    page.goto(f"{address}/lessons/{world.lesson}")
    assert page.evaluate("typeof MediaSource") == "undefined"
    return page, asked


def told(page: Page) -> dict[str, Any]:
    data: dict[str, Any] = page.evaluate("JSON.parse(document.getElementById('lesson-data').textContent)")
    return data


def play(page: Page) -> None:
    page.evaluate("document.querySelector('video').play()")


def test_the_page_names_the_playlist_and_the_browser_plays_by_it(plain: BrowserContext, address: str, world: World) -> None:
    page, asked = lesson_of(plain, address, world)
    data = told(page)
    assert data["master"]
    knows_playlists = page.evaluate("document.createElement('video').canPlayType('application/vnd.apple.mpegurl')") != ""
    source = data["master"] if knows_playlists else data["download"]["sha256"]
    play(page)
    reach(page, 31)
    assert page.evaluate(SOURCE).endswith(source)
    if knows_playlists:
        assert data["download"]["sha256"] not in asked
    assert page.get_attribute("video", "controls") is not None


def test_it_goes_on_where_the_child_was(plain: BrowserContext, address: str, world: World) -> None:
    page, _ = lesson_of(plain, address, world)
    play(page)
    reach(page, 30.5)
    assert position(page) < 40


def test_captions_can_be_chosen_in_the_browsers_own_way(plain: BrowserContext, address: str, world: World) -> None:
    page, _ = lesson_of(plain, address, world)
    play(page)
    page.evaluate("document.querySelector('video').textTracks[0].mode = 'showing'")
    until(page, "(document.querySelector('video').textTracks[0].activeCues || []).length === 1")
    assert page.evaluate("document.querySelector('video').textTracks[0].activeCues[0].text") == "Ice floats."


def test_what_is_watched_is_counted(plain: BrowserContext, address: str, world: World, installation: Installation) -> None:
    page, _ = lesson_of(plain, address, world)
    play(page)
    reach(page, 33)
    page.evaluate("document.querySelector('video').pause()")
    until(page, f"{WAITING} === 0")
    with installation.database.read() as session:
        rows = session.scalars(select(Event).where(Event.kind == "watched", Event.actor_uid == world.dolma, Event.from_ms > 29_000)).all()
    assert {row.part for row in rows} == {None}, "which track it was the browser does not say"
    assert sum(row.watched_ms or 0 for row in rows) > 1500
    assert all(row.quarantined is None for row in rows)


@pytest.mark.parametrize("lacking", ["v360", "v360.m3u8"])
def test_a_machine_that_lacks_something_of_the_playlist_gives_the_plain_file(
    plain: BrowserContext, address: str, world: World, installation: Installation, package: FixturePackage, lacking: str
) -> None:
    with installation.database.write() as session:
        package_id = session.get_one(Lesson, world.lesson).package_id
        assert package_id is not None
        parts = Manifest.from_bytes(session.get_one(PackageRow, package_id).manifest).parts
        sha256 = next(part.sha256 for part in parts if part.name == lacking)
        session.get_one(PartRow, (package_id, sha256)).held = False
    page, _ = lesson_of(plain, address, world)
    assert told(page)["master"] is None
    play(page)
    reach(page, 31)
    assert page.evaluate(SOURCE).endswith(str(package.download))
