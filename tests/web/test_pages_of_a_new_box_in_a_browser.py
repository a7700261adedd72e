"""The pages of a box that joins, and of one that has just joined, in a real browser: widths, languages, lights, keys.

`--pictures` keeps pictures in .build/screenshots/new-box-*.png.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import select

from eduhub.accounts import credentials
from eduhub.accounts.models import Credential
from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.sync.boxes import first_start
from tests.in_a_thread import served
from tests.web.test_pages_in_a_browser import LANGUAGES, look, sign_in
from tests.web.world import World, as_box

pytestmark = [
    pytest.mark.browser, pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
CODE = "AAAAA-AAAAA-AAAAA-AAAAA"


@pytest.fixture
def new_box(make_installation: Callable[..., Installation]) -> Installation:
    """A box that belongs to nobody."""
    return make_installation(role="node", wifi_name="双湖县措折罗玛镇小学")


@pytest.fixture
def joined(installation: Installation, world: World) -> Installation:
    """A box that has joined, at which no adult has a password and one has a word."""
    box = as_box(installation, world)
    with box.database.write() as session:
        for held in session.scalars(select(Credential).where(Credential.kind == "password")):
            credentials.revoke(session, held.uid)
    return box


def pages_of(chromium: Browser, box: Installation) -> Iterator[tuple[str, str, Page, list[str]]]:
    """The address of a box, and a page of it in each language with what went wrong there."""
    with served(create_app(installation=box)) as port:
        address = f"http://127.0.0.1:{port}"
        for language in LANGUAGES:
            context = chromium.new_context()
            context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
            page = context.new_page()
            wrong: list[str] = []
            page.on("console", lambda said, wrong=wrong: said.type in {"error", "warning"} and wrong.append(said.text))
            page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
            yield address, language, page, wrong
            # What joins is looked at again by itself: that is announced on the page, which may be closed.
            assert [text for text in wrong if "BAD REQUEST" not in text and "joining-en: meta-refresh" not in text] == []
            context.close()


def test_the_first_page_fits_before_it_is_filled_in_while_it_joins_and_after_the_link_failed(chromium: Browser, new_box: Installation) -> None:
    for address, language, page, wrong in pages_of(chromium, new_box):
        look(page, f"{address}/lessons/7", f"new-box-first-{language}", wrong)
        assert page.url == f"{address}/first-start"
    with new_box.database.write() as session:
        first_start.ask(session, new_box, "hub.example.org", CODE)
    for address, language, page, wrong in pages_of(chromium, new_box):
        look(page, f"{address}/first-start", f"new-box-joining-{language}", wrong)


def test_what_was_typed_wrongly_is_said_beside_the_field_and_fits(chromium: Browser, new_box: Installation) -> None:
    for address, _language, page, _wrong in pages_of(chromium, new_box):
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(f"{address}/first-start")
        page.fill("[name=hub]", "hub.example.org")
        page.fill("[name=code]", "12345")
        page.click("main button")
        assert page.locator(".wrong-why").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.input_value("[name=hub]") == "hub.example.org"


def test_the_poster_and_the_sign_in_page_of_a_box_that_has_just_joined_say_what_to_do_next(chromium: Browser, joined: Installation) -> None:
    for address, language, page, wrong in pages_of(chromium, joined):
        look(page, f"{address}/poster", f"new-box-poster-{language}", wrong)
        assert page.locator("main .button.primary:visible, main button.primary:visible").count() == 1
        look(page, f"{address}/sign-in", f"new-box-sign-in-{language}", wrong)


def test_the_pages_of_its_admin_fit_at_a_box(chromium: Browser, installation: Installation, world: World) -> None:
    for address, language, page, wrong in pages_of(chromium, as_box(installation, world)):
        sign_in(page, address, "pema", world)
        for name, path in (
            ("home", f"/schools/{world.school}"), ("fetching", f"/schools/{world.school}/fetching"), ("traffic", f"/schools/{world.school}/traffic"),
            ("cards", f"/schools/{world.school}/cards"), ("box", "/box"), ("poster", "/poster"),
        ):  # fmt: skip
            look(page, f"{address}{path}", f"new-box-pema-{name}-{language}", wrong)
