"""What a closed tab had still to send goes out from the child's other pages, at a hub as it is."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select

from eduhub.app import create_app
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.learning import tokens
from eduhub.learning.models import Event
from eduhub.uids import new_uid
from tests.browser.playing import until
from tests.in_a_thread import served
from tests.web.world import World

pytestmark = [
    pytest.mark.browser,
    # The server of these tests is Werkzeug's own, which leaves a file to the garbage collector when a
    # browser goes to the next page in the middle of it. The real server is gunicorn.
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
WAITING = "Object.keys(localStorage).filter((key) => key.startsWith('eduhub.event.')).length"


@pytest.fixture
def address(installation: Installation, world: World, built_player: None) -> Iterator[str]:
    """The hub's pages, on an address without a secure context."""
    with served(create_app(installation=installation)) as port:
        yield f"http://box.lan:{port}"


def leave_event(page: Page, installation: Installation, world: World) -> str:
    """Puts an event where a tab that was closed too early leaves it; returns its uid."""
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
        event = {
            "uid": new_uid(), "kind": "watched", "version": 1, "lesson": lesson.uid, "timeline": lesson.timeline_uid,
            "part": None, "from_ms": 0, "to_ms": 4000, "watched_ms": 4000, "stalls": 0, "context": "own_device",
            "made_ms": 1_790_000_000_000, "subjects": [],
        }  # fmt: skip
    token = tokens.issue(installation.keys.secret, world.dolma, world.school)
    letter = {"url": "/api/v1/events", "token": token, "event": event, "refusals": 0}
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [f"eduhub.event.{event['uid']}", json.dumps(letter)])
    return str(event["uid"])


def test_today_and_the_course_send_what_a_closed_tab_left(
    device: BrowserContext, address: str, installation: Installation, world: World
) -> None:
    page = device.new_page()
    page.goto(f"{address}/card#{world.dolma_card}")
    page.wait_for_url(f"{address}/")
    left = []
    for path in ("/", f"/courses/{world.course}"):
        left.append(leave_event(page, installation, world))
        page.goto(address + path)
        until(page, f"{WAITING} === 0")
    with installation.database.read() as session:
        rows = session.scalars(select(Event).where(Event.uid.in_(left))).all()
    assert {row.actor_uid for row in rows} == {world.dolma}
    assert sorted(row.uid for row in rows) == sorted(left)
