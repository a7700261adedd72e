"""Browsers that run no script, as on an old phone or behind a careful office: every step is a form, a link or a plain video."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from eduhub import clock
from eduhub.config import Settings
from eduhub.media import program
from tests.flows.machines import Machine
from tests.flows.people import Person
from tests.flows.steps import course_is_taken, school_is_set_up

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.ffmpeg]


def test_a_school_is_set_up_a_lesson_sent_and_published_and_a_child_has_its_plain_video(
    make_machine: Callable[..., Machine], chromium: Browser, pictures: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "lesson.mp4"
    subprocess.run(
        [program.find(Settings()).path, "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=6",
         "-f", "lavfi", "-i", "sine=frequency=440:duration=6", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", clip],
        check=True,
    )  # fmt: skip
    hub = make_machine("hub.lan")
    hub.run("user", "add", "--name", "Tenzin", "--sign-in-name", "tenzin", "--new-region", "Nagqu", "--password", "snow-lion-73")
    hub.start()

    code = school_is_set_up(hub, chromium, pictures / "without-script", java_script_enabled=False)
    _lesson_is_sent_and_published(hub, chromium, pictures / "without-script", clip)
    course_is_taken(hub, chromium, pictures / "without-script", java_script_enabled=False)

    dolma = Person(chromium, pictures / "without-script", hub.origin, java_script_enabled=False)
    dolma.goes_to("/card")
    dolma.fills(token=code)
    dolma.presses("Sign in")
    dolma.follows("Play")
    link = dolma.page.locator("main noscript a.primary.big")
    until_s = clock.monotonic_s() + 150
    while not link.is_visible():  # sound and pictures are published first, the plain video when it is made
        assert clock.monotonic_s() < until_s
        dolma.page.wait_for_timeout(500)
        dolma.page.reload()
    assert dolma.page.locator("video[controls]").is_visible()
    dolma.takes_picture("child-lesson")
    with dolma.page.expect_response(lambda answer: "/p/" in answer.url) as plain_video:
        link.click()
    assert plain_video.value.status in {200, 206}
    assert plain_video.value.headers["content-type"] == "video/mp4"
    dolma.leaves()


def _lesson_is_sent_and_published(hub: Machine, browser: Browser, pictures: Path, clip: Path) -> None:
    tashi = Person(browser, pictures, hub.origin, java_script_enabled=False)
    tashi.signs_in("tashi", "river-stone-58")
    tashi.goes_to("/teaching/courses/new")
    tashi.fills(title="Physics", language="English")
    tashi.page.locator("main button.primary").click()
    tashi.follows("Add a lesson")
    tashi.fills(title="Ships that float", language="English")
    tashi.page.locator("main button.primary").click()
    tashi.sees("Choose the file")
    tashi.page.set_input_files("input[type=file]", clip)
    tashi.takes_picture("teacher-lesson-empty")
    tashi.presses("Send the file")
    tashi.presses("Publish this lesson")
    tashi.page.get_by_role("link", name="See it as a child does").wait_for(timeout=150_000)  # the page says itself when to ask again
    tashi.takes_picture("teacher-lesson-published")
    tashi.leaves()
