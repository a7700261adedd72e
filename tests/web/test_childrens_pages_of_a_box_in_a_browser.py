"""The pages on which children come in at a school's box, in a real browser."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from playwright.sync_api import Browser, Page

from eduhub import clock
from eduhub.accounts import picture_secrets
from eduhub.accounts.models import SignIn
from eduhub.app import create_app
from eduhub.courses import editing, plan
from eduhub.courses.models import Course
from eduhub.installation import Installation
from eduhub.schools import children_sign_in
from eduhub.schools.children_sign_in import Allowed
from eduhub.web.accounts import visits
from tests import pictures
from tests.in_a_thread import served
from tests.web.test_pages_in_a_browser import LANGUAGES, look
from tests.web.world import World, as_box, publish

pytestmark = [
    pytest.mark.browser, pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
OWN = ("sun", "fish", "tent")


@pytest.fixture
def address(installation: Installation, world: World) -> Iterator[str]:
    """A box whose school allows all, with a class that has a past and a plan."""
    box = as_box(installation, world)
    today = date.fromisoformat(clock.today("Asia/Shanghai"))
    with box.database.write() as session:
        children_sign_in.choose(session, world.school, Allowed(by_pictures=True, turns_without_card=True))
        picture_secrets.choose(session, box.keys.secret, world.dolma, OWN)
        made = [
            editing.add_lesson(session, course_uid=world.course, titles={"zh": zh, "en": en}, language="zh")
            for zh, en in (("冰雹从哪里来", "Where hail comes from"), ("雪花的形状", "The shape of snow"), ("露水", "Dew"))
        ]
        made[1].state = "published"  # and not here yet
        for lesson, days in ((made[0], -2), (made[1], 1)):
            plan.add(session, group_uid=world.group, lesson_uid=lesson.uid, day=(today + timedelta(days=days)).isoformat(), period=3)
    for lesson in (made[0], made[2]):
        publish(box, lesson)
    with served(create_app(installation=box)) as port:
        yield f"http://127.0.0.1:{port}"


def come_in(page: Page, address: str, code: str) -> None:
    page.goto(f"{address}/card#{code}")
    page.wait_for_url(f"{address}/")


def test_every_page_on_which_children_come_in_fits_and_is_silent(
    chromium: Browser, address: str, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:  # Lhamo was here before
        session.add(SignIn(uid=world.lhamo, person_uid=world.lhamo, credential_uid=world.lhamo, started_ms=clock.now_ms() - 2 * visits.APART_MS, ended_ms=1))
    for language in LANGUAGES:
        context = chromium.new_context()
        context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
        page, wrong = context.new_page(), []
        page.on("console", lambda said, wrong=wrong: said.type in {"error", "warning"} and wrong.append(said.text))
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        places = {
            "box-card": "/card", "box-classes": "/classes", "box-class": f"/classes/{world.group}",
            "box-pictures": f"/children/{world.dolma}/pictures",
        }
        for name, path in places.items():
            look(page, address + path, f"{name}-{language}", wrong)
        come_in(page, address, world.dolma_card)
        come_in(page, address, world.lhamo_card)
        for name, path in {"box-turn": "/turn", "box-my-pictures": "/my-pictures", "box-today": "/"}.items():
            look(page, address + path, f"{name}-{language}", wrong)
        assert wrong == []
        context.close()


def test_pictures_are_tapped_with_and_without_scripts(chromium: Browser, address: str, world: World) -> None:
    for scripts in (True, False):
        context = chromium.new_context(java_script_enabled=scripts)
        context.add_cookies([{"name": "eduhub_language", "value": "en", "url": address}])
        page = context.new_page()
        page.goto(f"{address}/classes")
        page.click(f"a[href='/classes/{world.group}']")
        page.click(f"a[href='/children/{world.dolma}/pictures']")
        for name in OWN:
            page.click(f"button[value={name}]")
        page.wait_for_url(f"{address}/")
        assert page.locator(".who bdi").inner_text() == "Dolma"
        context.close()


def test_every_page_for_whoever_does_not_sign_in_fits_and_is_silent(
    chromium: Browser, address: str, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        session.get_one(Course, world.course).audience = "open"
    for language in LANGUAGES:
        context = chromium.new_context()
        context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
        page, wrong = context.new_page(), []
        page.on("console", lambda said, wrong=wrong: said.type in {"error", "warning"} and wrong.append(said.text))
        places = {
            "open-courses": "/open", "open-course": f"/open/{world.course}", "open-place": "/open/place",
            "open-lesson": f"/lessons/{world.lesson}", "open-card": "/card", "open-sign-in": "/sign-in",
        }
        for name, path in places.items():
            look(page, address + path, f"{name}-{language}", wrong)
        page.goto(f"{address}/open/place")
        page.click("form[action='/open/place/new'] button")
        page.set_viewport_size({"width": 360, "height": 740})
        pictures.keep(page, f"open-number-{language}-360")
        page.click("main a.primary")
        look(page, f"{address}/open/{world.course}", f"open-kept-{language}", wrong)
        assert wrong == []
        context.close()
