"""What Kolibri's pages weigh and how many clicks its people need, in the browser that measures ours.

    python3 -m venv /tmp/kolibri && /tmp/kolibri/bin/pip install kolibri==0.19.5
    python benchmarks/kolibri.py /tmp/kolibri/bin/kolibri

In an empty folder, with Kolibri's own commands and models, stands a school with one class, a coach, a child who signs in with a name
alone (Kolibri's default for schools) and a channel of one folder with two videos. The coach signs in, makes a lesson of one video and
shows it to the class; the child signs in and plays it. Counted is every click or tap, not what is typed, and of pages what comes
over the line with an empty cache (`data:` addresses came inside other files). 'Continue' of the first visit's welcome is not counted.

Prints one JSON object: {signin_kb, child_home_kb, lesson_kb, child_path_kb, child_clicks, teacher_clicks}; 1 KB is
1024 bytes. The path is the child's from the first page to the playing video in one cache, without the video; clicks are counted with signing in.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, Page

from benchmarks import serving
from benchmarks.bench_page import Weight, count, weigh
from tests import chromium

WAIT_MS = 120_000
SETTLE_MS = 8_000  # its fonts are asked for by scripts, seconds after the network was quiet
SCHOOL = """
import hashlib, os, shutil, uuid
from kolibri.core.auth.models import Classroom, Facility, FacilityUser
from kolibri.core.content.models import ChannelMetadata, ContentNode, File, Language, LocalFile
from kolibri.core.content.utils import annotation, paths
video = os.environ["VIDEO"]
checksum = hashlib.md5(open(video, "rb").read()).hexdigest()
kept = paths.get_content_storage_file_path(checksum + ".mp4")
os.makedirs(os.path.dirname(kept), exist_ok=True)
shutil.copy(video, kept)
local = LocalFile.objects.create(id=checksum, extension="mp4", available=True, file_size=os.path.getsize(video))
english, _ = Language.objects.get_or_create(id="en", defaults=dict(lang_code="en", lang_name="English"))
channel = uuid.uuid4().hex  # Kolibri expects the root of a channel to have its id
def node(title, kind, parent=None, **more):
    own = uuid.uuid4().hex if parent else channel
    return ContentNode.objects.create(id=own, parent=parent, title=title, kind=kind, content_id=uuid.uuid4().hex,
        channel_id=channel, available=True, admin_imported=True, lang=english, license_name="CC BY", **more)
root = node("Science", "topic")
folder = node("Water", "topic", root)
for title in ("Why ice floats", "Where rivers begin"):
    lesson = node(title, "video", folder, duration=60, learning_activities="UD5UGM0z")
    File.objects.create(id=uuid.uuid4().hex, local_file=local, contentnode=lesson, preset="low_res_video", lang=english)
ChannelMetadata.objects.create(id=channel, name="Science", version=1, root=root, min_schema_version="5")
annotation.update_content_metadata(channel)
school = Facility.objects.get()
grade = Classroom.objects.create(name="Grade 5", parent=school)
for name, joins in (("dolma", grade.add_member), ("tashi", grade.add_coach)):
    person = FacilityUser(username=name, full_name=name.title(), facility=school)
    person.set_password("yak-butter-lantern")
    person.save()
    joins(person)
"""


@dataclass
class Hand:
    """Somebody at a page; counts their clicks."""

    page: Page
    clicks: int = 0

    def click(self, role: Any, name: str) -> None:
        self.page.get_by_role(role, name=name).first.click(timeout=WAIT_MS)
        self.clicks += 1

    def type(self, kind: str, text: str) -> None:
        self.page.locator(f"input[type={kind}]:visible").first.fill(text, timeout=WAIT_MS)


def main(program: str) -> None:
    """Make the school, serve it, measure."""
    with tempfile.TemporaryDirectory() as folder, served(program, Path(folder)) as address, chromium.started() as browser:
        teacher_clicks = teacher(browser, address)
        figures = {"signin_kb": weigh(browser.new_context(), address, SETTLE_MS).kb(), **child(browser, address)}
    rounded = {name: round(value) for name, value in figures.items()}
    print(json.dumps({**rounded, "teacher_clicks": teacher_clicks, "loadavg": os.getloadavg()}))


@contextmanager
def served(program: str, folder: Path) -> Iterator[str]:
    """Kolibri over a new school in `folder`; gives its address."""
    port = serving.free_port()
    environment = {**os.environ, "KOLIBRI_HOME": str(folder), "VIDEO": str(video(folder))}
    made = ("--facility", "School", "--superusername", "admin", "--superuserpassword", "yak-butter-lantern")
    setting = ("--preset", "formal", "--language_id", "en", "--no-input")
    for arguments, text in ((("provisiondevice", *made, *setting), ""), (("shell",), SCHOOL)):
        subprocess.run([program, "manage", *arguments], input=text, text=True, env=environment, check=True, capture_output=True)
    ports = ("--port", str(port), "--zip-port", str(serving.free_port()))
    process = subprocess.Popen([program, "start", "--foreground", *ports], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/"
        wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def video(folder: Path) -> Path:
    """A minute of a drawn picture and a tone."""
    made = folder / "lesson.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=15:d=60", "-f", "lavfi", "-i", "sine=d=60"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart", str(made)], check=True)
    return made


def wait_for(address: str) -> None:
    """Until it answers, two minutes at most."""
    for _try in range(240):
        try:
            urllib.request.urlopen(address, timeout=10).close()  # noqa: S310 - our own loopback
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    sys.exit("Kolibri did not start.")


def teacher(browser: Browser, address: str) -> int:
    """Clicks of a coach from signing in to a lesson that the class sees."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    hand = Hand(page)
    page.goto(address)
    hand.type("text", "tashi")
    hand.click("button", "Next")
    hand.type("password", "yak-butter-lantern")
    hand.click("button", "Sign in")
    hand.click("link", "Lessons")
    hand.click("link", "New lesson")
    hand.type("text", "Monday")
    hand.click("button", "Save changes")
    hand.click("link", "Manage resources")
    for name in ("Science", "Water"):
        hand.click("link", name)
    # What stands before these two boxes is clicked by a person, and seen as being in the way by the browser's driver.
    page.get_by_role("checkbox", name="Why ice floats").check(force=True, timeout=WAIT_MS)
    hand.click("button", "Save & finish")
    page.get_by_text("1 resource added").wait_for(timeout=WAIT_MS)
    page.locator("input[name=toggle-lesson-visibility]").click(force=True, timeout=WAIT_MS)
    page.get_by_text("is now visible").or_(page.get_by_text("Lesson is visible")).first.wait_for(timeout=WAIT_MS)
    page.close()
    return hand.clicks + 2  # the box and the switch


def child(browser: Browser, address: str) -> dict[str, float]:
    """A child's clicks from signing in to the playing lesson, and what the pages on the way weigh."""
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page, way = context.new_page(), Weight()
    count(context, page, way)
    hand = Hand(page)
    page.goto(address)
    hand.type("text", "dolma")
    hand.click("button", "Next")
    page.get_by_role("button", name="Continue").click(timeout=WAIT_MS)
    hand.click("link", "Monday")
    hand.click("link", "Why ice floats")
    plays(page)
    page.wait_for_timeout(SETTLE_MS)
    lesson, given, given_kb = page.url, hand.clicks, way.kb()
    page.close()
    return {
        "child_home_kb": weigh(context, f"{address}en/learn/#/home", SETTLE_MS).kb(),
        "lesson_kb": weigh(context, lesson, SETTLE_MS).kb(),
        "child_path_kb": given_kb, "child_clicks": given,
    }  # fmt: skip


def plays(page: Page) -> None:
    """Until a second of the video has gone by."""
    while not page.evaluate("(document.querySelector('video') || {}).currentTime > 1"):
        page.wait_for_timeout(200)


if __name__ == "__main__":
    main(sys.argv[1])
