"""The whole way once, in real processes and a real browser: a teacher's file becomes a lesson at
the hub, a box fetches it, the hub is switched off, a child watches, and what the child watched
comes home when the hub is back."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlalchemy import func, select

from eduhub.config import Settings
from eduhub.learning.models import Event, Progress
from eduhub.media import program
from tests.flows.machines import Machine, corpus_clip
from tests.flows.people import Person
from tests.flows.steps import course_is_taken, lesson_is_published, school_is_set_up

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.ffmpeg]
WATCHED_FOR_S = 4


@pytest.fixture(params=["a clip made here", pytest.param("c1_hall_mit.webm", marks=pytest.mark.thorough)])
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What the teacher has on the phone."""
    if request.param != "a clip made here":
        found = corpus_clip(request.param)
        if found is None:
            pytest.skip("the lecture clips to measure with are not beside the project")
        return found
    made = tmp_path / "lesson.mp4"
    subprocess.run(
        [program.find(Settings()).path, "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=20",
         "-f", "lavfi", "-i", "sine=frequency=440:duration=20", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", made],
        check=True,
    )  # fmt: skip
    return made


def test_a_lesson_goes_from_the_teachers_file_to_a_child_and_the_watched_seconds_come_home_once(
    make_machine: Callable[..., Machine], chromium: Browser, pictures: Path, clip: Path
) -> None:
    hub = make_machine("hub.lan", web_processes=2, log_format="json")
    hub.run("user", "add", "--name", "Tenzin", "--sign-in-name", "tenzin", "--new-region", "Nagqu", "--password", "snow-lion-73")
    hub.start()

    card = school_is_set_up(hub, chromium, pictures)
    lesson = lesson_is_published(hub, chromium, pictures, clip)
    course_is_taken(hub, chromium, pictures)
    box = box_joins(hub, chromium, pictures, make_machine)
    box.run("sync", "now")

    hub.stop()
    assert not hub.is_well()
    child_watches(box, chromium, pictures, card, lesson)
    with box.reading() as session:
        at_box = session.scalars(select(Event.uid).where(Event.kind == "watched")).all()
        watched_ms = session.scalar(select(func.sum(Event.watched_ms)))
    assert at_box
    assert watched_ms >= 1000 * (WATCHED_FOR_S - 1)

    hub.start()
    for _ in range(2):  # the second round must bring nothing twice
        box.run("sync", "now")
    with hub.reading() as session:
        home = session.scalars(select(Event).where(Event.kind == "watched")).all()
        assert sorted(event.uid for event in home) == sorted(at_box)
        assert [event.quarantined for event in home] == [None] * len(home)
        assert sum(event.watched_ms or 0 for event in home) == watched_ms
        assert session.scalar(select(Progress.watched_ms)) == watched_ms


def box_joins(hub: Machine, browser: Browser, pictures: Path, make_machine: Callable[..., Machine]) -> Machine:
    """The operator makes a code; on the box the command that the page shows is typed."""
    tenzin = Person(browser, pictures, hub.origin)
    tenzin.signs_in("tenzin", "snow-lion-73")
    tenzin.goes_to("/operator/boxes/code")
    tenzin.fills(site_uid="Shuanghu", node_name="shuanghu-3")
    tenzin.presses("Make the code")
    tenzin.takes_picture("operator-code")
    shown: list[Any] = tenzin.page.locator(".code").all_inner_texts()
    tenzin.leaves()
    # The timer of the box must not sync behind the back of this test, which looks at single rounds.
    box = make_machine("shuanghu-3.lan", role="node", secure_cookies=True, sync_every_s=86_400, log_format="json")
    box.run("node", "join", hub.address, shown[0])
    box.start()
    return box


def child_watches(box: Machine, browser: Browser, pictures: Path, card: str, lesson: str) -> None:
    """Dolma signs in with her card at the box, over plain HTTP, and plays the lesson."""
    dolma = Person(browser, pictures, box.origin)
    dolma.goes_to("/card")
    assert dolma.page.evaluate("window.isSecureContext") is False
    dolma.takes_picture("box-card")
    dolma.fills(token=card)
    dolma.presses("Sign in")
    dolma.takes_picture("child-today")
    dolma.page.locator(f"main a[href='{lesson}']").first.click()
    dolma.page.locator("#player button").first.wait_for()
    dolma.takes_picture("child-lesson")
    dolma.page.locator("#player button").first.click()
    dolma.watches_for(WATCHED_FOR_S)
    dolma.takes_picture("child-lesson-playing")
    with dolma.page.expect_response(lambda answer: answer.url.endswith("/api/v1/events") and answer.status == 200):
        dolma.page.evaluate("document.querySelector('video').pause()")
    dolma.leaves()
