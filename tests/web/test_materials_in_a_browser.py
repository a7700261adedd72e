"""What a child's browser makes of captions and attachments: the words stand in the picture, the worksheet opens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from eduhub.courses import attaching, materials
from eduhub.courses.models import Lesson
from eduhub.delivery import blobs
from eduhub.installation import Installation, JobContext
from eduhub.media import attachments
from eduhub.media.models import Source
from eduhub.uids import new_uid
from tests import pictures
from tests.in_a_thread import served
from tests.media import clips
from tests.media.test_attachments import PDF, with_camera
from tests.web.test_pages_in_a_browser import sign_in
from tests.web.world import World, publish

pytestmark = [pytest.mark.browser, pytest.mark.ffmpeg]
TIBETAN = "འཁྱགས་པ་ཆུའི་སྟེང་དུ་གཡེང་།"
VTT = f"1\n00:00:00,200 --> 00:00:09,000\n{TIBETAN}\n"
# The plain film of a browser in which the player does not run: captions must not need it.
ON = "() => { const t = document.querySelector('video').textTracks[0]; t.mode = 'showing'; document.querySelector('video').play(); }"
SHOWN = "() => { const c = document.querySelector('video').textTracks[0].activeCues; return c && c.length ? c[0].text : ''; }"


@pytest.fixture
def page(app: Flask, chromium: Browser, installation: Installation, world: World, tmp_path: Path) -> Iterator[Page]:
    """Dolma at a lesson with a film, Tibetan captions, a worksheet and a picture."""
    film = clips.make(
        tmp_path / "film.mp4", *clips._sources("testsrc2=s=320x180:r=10:d=9", "sine=f=300:d=9"), "-c:v", "libx264",
        "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart",
    )  # fmt: skip
    with installation.database.write() as session:
        materials.set_captions(session, installation.blobs, world.lesson, "bo", VTT.encode())
    for title, payload in (("Worksheet", PDF), ("Glass", with_camera())):
        attach(installation, world.lesson, title, payload)
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
    publish(installation, lesson, revision=2, materials=True, saved=film.read_bytes())
    with served(app) as port:
        context = chromium.new_context(locale="bo-CN", accept_downloads=True)
        opened = context.new_page()
        opened.route("**/player.js*", lambda route: route.abort())
        address = f"http://127.0.0.1:{port}"
        sign_in(opened, address, "dolma", world)
        opened.goto(f"{address}/lessons/{world.lesson}")
        yield opened
        context.close()


def attach(installation: Installation, lesson_uid: str, title: str, payload: bytes) -> None:
    blob = installation.blobs.put_bytes(payload)
    with installation.database.write() as session:
        blobs.remember(session, blob)
        row = attaching.announce(session, lesson_uid, title=title, language="en", audience="learner")
        session.add(Source(
            uid=row.source_uid, org_uid=row.org_uid, file_name=title, language="en", state="arrived", sha256=blob.sha256,
            bytes=blob.bytes, made_ms=0,
        ))  # fmt: skip
        uid = row.source_uid
    attachments.run(JobContext(installation, new_uid(), lambda done: None), uid)


def test_a_tibetan_caption_stands_in_the_picture(page: Page) -> None:
    assert page.evaluate("document.querySelector('video').textTracks[0].label") == "བོད་ཡིག"
    page.evaluate(ON)
    for _try in range(300):
        if page.evaluate(SHOWN):
            break
        page.wait_for_timeout(100)
    assert page.evaluate(SHOWN) == TIBETAN
    pictures.keep(page, "child-caption-in-the-picture", full_page=False)


def test_the_worksheet_is_saved_under_its_title_and_the_picture_opens(page: Page) -> None:
    with page.expect_download() as saving:
        page.get_by_text("Worksheet").click()
    assert saving.value.suggested_filename == "Worksheet.pdf"
    assert saving.value.path().read_bytes() == PDF
    with page.expect_popup() as opening:
        page.get_by_text("Glass ·").click()
    picture = opening.value
    picture.wait_for_load_state()
    assert picture.evaluate("document.images[0].naturalWidth") == 300


def test_a_line_of_the_transcript_leads_to_its_place(page: Page) -> None:
    page.click("a[href$='/transcript']")
    page.get_by_text("0:00").click()
    page.wait_for_url("**#t=0.2")
    assert page.locator("#player").is_visible()
