"""Children at one phone, with a lesson that really plays: two taps to it, and nothing mixed or lost when it is another's turn."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import abort, request
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select

from eduhub.app import create_app
from eduhub.courses.models import Lesson
from eduhub.delivery import holding, package
from eduhub.delivery.package import Manifest
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.learning.models import Event, Progress
from eduhub.schools import children_sign_in
from eduhub.schools.children_sign_in import Allowed
from tests.browser.fixture_package import FixturePackage
from tests.browser.playing import until
from tests.in_a_thread import served
from tests.web import world as worlds
from tests.web.world import World, as_box

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
WAITING = "Object.keys(localStorage).filter((key) => key.startsWith('eduhub.event.')).length"
PLAYED = "document.querySelector('video').currentTime"


@pytest.fixture
def box(installation: Installation, world: World, package: FixturePackage) -> Installation:
    """A box of a school that lets children change over without a card, with a lesson of counting pictures."""
    made = as_box(installation, world)
    with made.database.write() as session:
        children_sign_in.choose(session, world.school, Allowed(turns_without_card=True))
    publish_real(made, world, package)
    return made


@dataclass
class Line:
    """Whether the box takes events at the moment."""

    is_down: bool = False


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def address(box: Installation, line: Line, built_player: None) -> Iterator[str]:
    app = create_app(installation=box)
    app.before_request(lambda: abort(503) if line.is_down and request.path == "/api/v1/events" else None)
    with served(app) as port:
        yield f"http://box.lan:{port}"


@pytest.fixture
def page(device: BrowserContext, address: str) -> Page:
    device.add_cookies([{"name": "eduhub_language", "value": "en", "url": address}])
    return device.new_page()


def publish_real(here: Installation, world: World, found: FixturePackage) -> None:
    """The next revision of the world's lesson, of tracks that a browser plays."""
    tracks = [found.track(name) for name in ("v240", "aac")]
    index = {"format": "eduhub-index/1", "duration_ms": found.seconds * 1000, "tracks": tracks, "stills": None}
    parts = [
        worlds._part(here, track["name"], track["kind"], f"{track['kind']}/mp4", found.blobs[track["sha256"]], True)
        for track in tracks
    ]
    parts.append(worlds._part(here, "index", "index", "application/json", json.dumps(index).encode(), True))
    with here.database.write() as session:
        lesson = session.get_one(Lesson, world.lesson)
        payload = Manifest(
            hub=keyring(session).hub_uid, lesson=lesson.uid, course=lesson.course_uid, org=lesson.org_uid, revision=2,
            timeline=lesson.timeline_uid, supersedes=None, language="en", titles=lesson.titles, texts={}, audience="own",
            duration_ms=found.seconds * 1000, parts=tuple(parts),
        ).to_bytes()
        row = holding.hold(
            session, here.blobs, payload, package.sign(payload, here.keys.publishing), course_uid=lesson.course_uid
        )
        holding.reveal_present(session, here.blobs, row.id)
        lesson.package_id, lesson.revision = row.id, 2


def come_in(page: Page, address: str, code: str) -> None:
    page.goto("about:blank")  # or only the fragment of the address would change
    page.goto(f"{address}/card#{code}")
    page.wait_for_url(f"{address}/")


def watch_for(page: Page, seconds: int) -> None:
    """From the first page: two taps, and so many seconds of the lesson."""
    page.click("main a.primary")
    page.click(".player-big")
    until(page, f"{PLAYED} > {seconds}")


def watched_by(box: Installation) -> dict[str, int]:
    with box.database.read() as session:
        rows = session.scalars(select(Event).where(Event.kind == "watched")).all()
    by: dict[str, int] = {}
    for row in rows:
        assert row.actor_uid is not None
        assert row.quarantined is None
        by[row.actor_uid] = by.get(row.actor_uid, 0) + (row.watched_ms or 0)
    return by


def test_from_sign_in_to_a_playing_lesson_it_takes_two_taps(page: Page, address: str, world: World) -> None:
    come_in(page, address, world.dolma_card)
    taps = 0
    for target in ("main a.primary", ".player-big"):
        page.click(target)
        taps += 1
    until(page, f"{PLAYED} > 0.5")
    assert taps == 2


def test_two_children_change_over_in_the_middle_of_a_lesson_and_each_has_its_own(
    page: Page, address: str, world: World, box: Installation
) -> None:
    come_in(page, address, world.lhamo_card)
    come_in(page, address, world.dolma_card)
    watch_for(page, 4)
    page.click("text=Whose turn?")  # one tap away from the lesson that still plays
    page.click(f"button[value='{world.lhamo}']")
    page.wait_for_url(f"{address}/")
    assert "watched" not in page.locator("main").inner_text(), "Lhamo has seen nothing yet"
    watch_for(page, 2)
    page.click("text=Whose turn?")
    until(page, f"{WAITING} === 0")
    by = watched_by(box)
    assert set(by) == {world.dolma, world.lhamo}
    assert by[world.dolma] >= 3000
    assert 1000 <= by[world.lhamo] < by[world.dolma]
    with box.database.read() as session:
        contexts = set(session.scalars(select(Event.context).where(Event.kind == "watched")))
        places = {row.person_uid: row.position_ms for row in session.scalars(select(Progress))}
    assert contexts == {"shared_device"}
    assert places[world.dolma] > places[world.lhamo], "each goes on where it was"


def test_what_could_not_be_sent_before_the_change_is_sent_by_the_next_child_and_booked_to_the_first(
    page: Page, address: str, world: World, box: Installation, line: Line
) -> None:
    come_in(page, address, world.lhamo_card)
    come_in(page, address, world.dolma_card)
    line.is_down = True
    watch_for(page, 3)
    page.click("text=Whose turn?")
    page.click(f"button[value='{world.lhamo}']")
    page.wait_for_url(f"{address}/")
    assert page.evaluate(WAITING) > 0, "they wait in the browser"
    assert watched_by(box) == {}
    line.is_down = False
    page.goto(f"{address}/courses/{world.course}")
    until(page, f"{WAITING} === 0")
    by = watched_by(box)
    assert set(by) == {world.dolma}
    assert by[world.dolma] >= 2000
