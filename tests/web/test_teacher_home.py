"""The teacher's first page says what needs them, and a published lesson is few taps away."""

import re
from collections.abc import Callable

from sqlalchemy import select

from eduhub.courses import editing, publishing
from eduhub.courses.models import Lesson
from eduhub.errors import EncodeFailed
from eduhub.installation import Installation, JobContext
from eduhub.media import ladders
from eduhub.media.models import LadderStep, Source
from eduhub.media.recipes import WHOLE
from eduhub.uids import new_uid
from tests.courses.conftest import arrive, prepare
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


class Taps:
    """Somebody who opens what a page shows: a link by its words, a form by its button. Counts."""

    def __init__(self, reader: Reader, start: str) -> None:
        self.reader, self.count = reader, 0
        self.page = reader.get(start, follow_redirects=True)

    def link(self, words: str) -> None:
        found = re.search(rf'<a[^>]*href="([^"]+)"[^>]*>(?:<svg(?:(?!</svg>).)*</svg>)?\s*{re.escape(words)}', self.page.text, re.S)
        assert found, f"no link {words!r}"
        self.count += 1
        self.page = self.reader.get(found[1])

    def button(self, words: str, **typed: str) -> None:
        forms = re.findall(r"<form.*?</form>", self.page.text, re.S)
        form = next((form for form in forms if words in form), None)
        assert form is not None, f"no form with {words!r}: {self.page.text}"
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form)) | typed
        named = re.search(rf'<button name="(\w+)" value="(\w+)"[^>]*>{re.escape(words)}', form)
        fields |= {named[1]: named[2]} if named else {}
        action = re.search(r'action="([^"]+)"', form)
        self.count += 1
        self.page = self.reader.client.post(action[1] if action else self.page.request.path, data=fields, follow_redirects=True)
        assert self.page.status_code == 200


def test_three_taps_lead_from_signing_in_to_a_lesson_that_is_published_when_its_video_is_ready(
    browser: Browser, world: World, installation: Installation
) -> None:
    taps = Taps(browser().sign_in("tashi"), "/")
    taps.link("Add a lesson")
    taps.button("Go on, and publish it when it is ready", title="Hail", language="en")
    assert 'type="file"' in taps.page.text
    taps.count += 1  # the file is chosen; the page sends it by itself
    with installation.database.write() as session:
        lesson = session.scalars(select(Lesson).order_by(Lesson.position.desc())).first()
        prepare(session, installation, lesson.uid)
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), lesson.uid)
    with installation.database.read() as session:
        assert session.get_one(Lesson, lesson.uid).state == "published"
    assert taps.count == 3


def test_one_tap_publishes_a_draft_that_is_ready(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.write() as session:
        prepare(session, installation, world.draft)
    taps = Taps(browser().sign_in("tashi"), "/")
    assert "ready to publish" in taps.page.text
    assert "1 needs you" in taps.page.text
    taps.button("Publish")
    assert taps.count == 1
    assert "ready to publish" not in taps.page.text
    with installation.database.read() as session:
        assert session.get_one(Lesson, world.draft).state == "published"


def test_a_recording_that_could_not_be_prepared_needs_the_teacher(browser: Browser, world: World, installation: Installation) -> None:
    tashi = browser().sign_in("tashi")
    assert "This needs you" not in tashi.get("/teaching").text
    first = tashi.get("/teaching")
    with installation.database.write() as session:
        source_uid = arrive(session, world.draft)
        ladders.want(session, session.get_one(Source, source_uid), WHOLE, then=None)
        step = session.get_one(LadderStep, (source_uid, WHOLE.id, "floor"))
        step.state, step.error = "failed", {"code": EncodeFailed.code, "facts": {}}
    again = tashi.get("/teaching", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200
    assert "could not be prepared" in again.text
    assert tashi.get("/teaching", headers={"If-None-Match": again.headers["ETag"]}).status_code == 304


def test_another_schools_teacher_is_not_told(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.write() as session:
        prepare(session, installation, world.draft)
    assert "Steam" not in browser().sign_in("norbu").get("/teaching").text


def test_a_long_course_folds_the_units_that_are_out_and_offers_a_lesson_above_them(
    browser: Browser, world: World, installation: Installation
) -> None:
    path = f"/teaching/courses/{world.course}"
    tashi = browser().sign_in("tashi")
    assert "<summary><h2>" not in tashi.get(path).text
    with installation.database.write() as session:
        unit = editing.add_unit(session, course_uid=world.course, titles={"en": "Weather"})
        for number in range(20):
            editing.add_lesson(session, course_uid=world.course, unit_uid=unit.uid, titles={"en": f"Cloud {number}"}, language="en")
    page = tashi.get(path).text
    assert re.findall(r"<details><summary><h2>(?:<[^>]*>)*(\w+)", page) == ["Water"]  # its one lesson is published
    assert page.index("Add a lesson") < page.index("Water") < page.index("Cloud 0")
