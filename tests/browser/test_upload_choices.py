"""What a teacher chooses and is told while sending: the wrong file, a ceiling, a pause, several files, a small copy first."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import select

from eduhub.app import create_app
from eduhub.courses.models import Lesson, LessonSource
from eduhub.installation import Installation
from eduhub.media.models import Source
from tests import pictures
from tests.browser.teacher import Teacher, film
from tests.in_a_thread import served
from tests.narrow_link import NarrowLink
from tests.web.world import World

pytestmark = [
    pytest.mark.browser, pytest.mark.ffmpeg,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def link(installation: Installation, world: World, built_pages: None) -> Iterator[NarrowLink]:
    """A hub behind a quick line."""
    with served(create_app(installation=installation)) as port, NarrowLink(port, up_kbits=50_000) as link:
        yield link


@pytest.fixture
def tashi(link: NarrowLink, chromium: Browser) -> Iterator[Teacher]:
    tashi = Teacher(chromium, f"http://127.0.0.1:{link.port}")
    tashi.signs_in(tashi.new_page())
    yield tashi
    tashi.leaves()


def sources(installation: Installation) -> dict[str, Source]:
    with installation.database.read() as session:
        return {row.file_name: row for row in session.scalars(select(Source))}


def until(ready: Callable[[], bool], limit_s: float = 60) -> None:
    ends = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < ends
        time.sleep(0.05)


def take_picture(page: Page, name: str) -> None:
    """At a phone's and a desk's width; nothing may have to be pushed sideways."""
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        pictures.keep(page, f"{name}-{width}")
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"), name


def test_a_file_that_is_no_video_is_refused_before_it_is_sent(
    link: NarrowLink, tashi: Teacher, world: World, tmp_path: Path, installation: Installation
) -> None:
    wrong = tmp_path / "lesson.mp4"
    wrong.write_text("a letter to the school\n" * 400_000)
    page = tashi.context.pages[0]
    tashi.opens_lesson(page, world.draft)
    take_picture(page, "uploading-nothing-yet")
    tashi.chooses(page, wrong)
    page.locator(".sending .note.bad p").first.wait_for()
    take_picture(page, "uploading-refused")
    assert page.locator(".sending .note.bad").inner_text().strip()
    assert page.locator("#upload-form").is_visible()
    assert link.bodies.get("PATCH", 0) == 0
    assert link.bodies["POST"] < 1_100_000
    assert sources(installation) == {}


def test_a_file_chosen_before_the_script_has_come_is_sent(
    tashi: Teacher, world: World, tmp_path: Path, installation: Installation
) -> None:
    clip = tmp_path / "01 Snow.mp4"
    sha256 = film(clip, 400_000)
    page = tashi.context.pages[0]
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/built/uploader.js*", hold)
    tashi.opens_lesson(page, world.draft)
    tashi.chooses(page, clip)
    until(lambda: bool(held) or page.wait_for_timeout(20))
    assert page.locator("#upload-rows").inner_text() == ""
    held[0].continue_()
    page.get_by_text("The video is being prepared").wait_for()
    assert sources(installation)["01 Snow.mp4"].sha256 == sha256


def test_a_ceiling_holds_and_a_pause_stops_everything(
    link: NarrowLink, tashi: Teacher, world: World, tmp_path: Path, installation: Installation
) -> None:
    clip = tmp_path / "01 Rain.mp4"
    sha256 = film(clip, 2_400_000)
    page = tashi.context.pages[0]
    tashi.opens_lesson(page, world.draft)
    page.select_option("[name=ceiling]", "2000")
    tashi.chooses(page, clip)
    link.wait_for(200_000, 60)
    began, before = time.monotonic(), link.up
    link.wait_for(2_000_000, 60)
    kbits = (link.up - before) * 8 / (time.monotonic() - began) / 1000
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_text("Paused. What has arrived is kept.").wait_for()
    take_picture(page, "uploading-paused")
    page.select_option("[name=until]", "23")
    page.get_by_text("Paused until 23:00").wait_for()
    still = link.bodies["PATCH"]
    page.wait_for_timeout(800)
    assert link.bodies["PATCH"] == still
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("The video is being prepared").wait_for()
    assert sources(installation)["01 Rain.mp4"].sha256 == sha256
    assert 1800 <= kbits <= 2200, f"{kbits} kbit/s under a ceiling of 2000"
    assert page.evaluate("localStorage.getItem('eduhub-upload-ceiling')") == "2000"


def test_another_file_is_not_mixed_with_the_one_that_is_half_there(
    link: NarrowLink, tashi: Teacher, world: World, tmp_path: Path, installation: Installation
) -> None:
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    film(first, 1_500_000)
    sha256 = film(second, 700_000)
    page = tashi.context.pages[0]
    tashi.opens_lesson(page, world.draft)
    page.select_option("[name=ceiling]", "1000")
    tashi.chooses(page, first)
    link.wait_for(300_000, 20)
    page.get_by_role("button", name="Do not send this file").click()
    page.get_by_text("Of 'first.mp4' (").wait_for()
    tashi.opens_lesson(page, world.draft)
    tashi.chooses(page, second)
    page.get_by_text("'second.mp4' is another file").wait_for()
    take_picture(page, "uploading-another")
    page.get_by_role("button", name="Start anew").click()
    page.locator("#upload-waiting").wait_for(state="hidden")
    page.select_option("[name=ceiling]", "0")
    tashi.chooses(page, second)
    until(lambda: "second.mp4" in sources(installation))
    found = sources(installation)
    assert list(found) == ["second.mp4"]
    assert found["second.mp4"].sha256 == sha256


def test_several_files_become_lessons_named_like_them(
    link: NarrowLink, tashi: Teacher, world: World, tmp_path: Path, installation: Installation
) -> None:
    clips = [tmp_path / "07_Snow.mp4", tmp_path / "08 Ice.mp4"]
    hashes = [film(clip, 700_000) for clip in clips]
    page = tashi.context.pages[0]
    page.goto(f"{tashi.origin}/teaching/courses/{world.course}")
    page.get_by_text("Add several videos").click()
    take_picture(page, "uploading-several")
    tashi.chooses(page, *clips)
    page.get_by_text("The whole file has arrived.").nth(1).wait_for()
    take_picture(page, "uploading-several-done")
    assert [sources(installation)[clip.name].sha256 for clip in clips] == hashes
    with installation.database.read() as session:
        titles = [lesson.titles["en"] for lesson in session.scalars(select(Lesson).order_by(Lesson.position)) if "en" in lesson.titles]
    assert titles[-2:] == ["07 Snow", "08 Ice"]
    page.get_by_role("link", name="07 Snow").first.click()
    page.get_by_text("The video is being prepared").wait_for()


@pytest.mark.parametrize(
    ("codec", "told", "kinds"),
    [
        pytest.param("libx264", "The small copy has arrived", ["audio", "video"], id="pictures and sound"),
        pytest.param("mpeg4", "The sound has arrived", ["audio"], id="sound alone", marks=pytest.mark.long),
    ],
)
def test_a_small_copy_goes_first_where_the_file_would_take_long(
    link: NarrowLink, tashi: Teacher, world: World, tmp_path: Path, installation: Installation,
    codec: str, told: str, kinds: list[str],
) -> None:  # fmt: skip
    clip = tmp_path / "09 Rivers.mp4"
    film(clip, 45_000_000, codec)
    page = tashi.context.pages[0]
    tashi.opens_lesson(page, world.draft)
    page.select_option("[name=ceiling]", "512")
    tashi.chooses(page, clip)
    page.get_by_label("Send a small copy first").check()
    page.get_by_text(told).wait_for(timeout=60_000)
    take_picture(page, "uploading-small-copy")
    page.get_by_role("button", name="Do not send this file").click()
    page.locator("#upload-form").wait_for()
    assert list(sources(installation)) == ["09 Rivers.webm"]
    copy = sources(installation)["09 Rivers.webm"]
    with installation.database.read() as session:
        attached = session.scalars(select(LessonSource).where(LessonSource.source_uid == copy.uid)).one()
        assert attached.purpose == "light"
    assert copy.sha256
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", installation.blobs.path(copy.sha256)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    facts = json.loads(probed.stdout)
    assert sorted(stream["codec_type"] for stream in facts["streams"]) == kinds
    assert 7.5 < float(facts["format"]["duration"]) < 8.6
    assert int(facts["format"]["size"]) < 8 * 20_000
