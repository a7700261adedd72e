"""Pages that a device keeps know nobody, and say what the device must know."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from eduhub.courses.models import Lesson
from eduhub.delivery import holding
from eduhub.installation import Installation
from eduhub.web.learning import keep_offer
from tests.web.world import Reader, World, publish

Browser = Callable[[], Reader]


def offered(page: str) -> Any:
    found = re.search(r'id="keep-data" data-kept="">([^<]*)<', page)
    assert found, "the page says nothing of keeping"
    return json.loads(found[1])


def test_the_kept_page_is_the_same_bytes_for_two_children(browser: Browser, world: World) -> None:
    dolma, lhamo = browser().card(world.dolma_card), browser().card(world.lhamo_card)
    path = f"/lessons/{world.lesson}/kept"
    page = dolma.get(path)
    assert page.status_code == 200
    assert page.data == lhamo.get(path).data
    for secret in ("Dolma", world.dolma, "csrf_token", "eduhub-append"):
        assert secret not in page.text
    assert '"token":null' in page.text
    assert '"resume_ms":0' in page.text


def test_the_kept_page_carries_what_a_device_must_know(browser: Browser, world: World) -> None:
    data = offered(browser().card(world.dolma_card).get(f"/lessons/{world.lesson}/kept").text)
    parts = {part["name"]: part for part in data["parts"]}
    assert data["format"] == "eduhub-keep/1"
    assert set(parts) == {"v240", "aac", "poster", "download", "index"}
    assert parts["v240"]["bytes"] == 9000
    assert parts["v240"]["pieces"] is None
    assert len(parts["download"]["pieces"]) == 64


def test_parts_for_teachers_are_kept_by_nobody(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
    publish(installation, lesson, revision=2, notes=b"the answers")
    tashi = browser().sign_in("tashi")
    assert "notes" not in {part["name"] for part in offered(tashi.get(f"/lessons/{world.lesson}/kept").text)["parts"]}


def test_whoever_may_not_read_the_lesson_gets_no_page_to_keep(browser: Browser, world: World) -> None:
    path = f"/lessons/{world.lesson}/kept"
    assert browser().get(path).status_code == 401
    assert browser().card(world.stranger_card).get(path).status_code == 403


@pytest.mark.parametrize(
    ("address", "offers"),
    [("https://hub.example", True), ("http://127.0.0.1:8080", True), ("http://localhost", True), ("http://box.lan", False)],
)
def test_lessons_can_be_kept_where_a_browser_trusts_the_address(
    app: Flask, address: str, offers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eduhub.web.learning.lesson_data.built", lambda name: f"/static/built/{name}")
    with app.test_request_context("/", base_url=address):
        assert keep_offer.can_keep() is offers


def test_the_lessons_page_loads_no_script_for_keeping_until_something_is_kept(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eduhub.web.learning.lesson_data.built", lambda name: f"/static/built/{name}")
    dolma = browser().card(world.dolma_card)
    pages = ("/", f"/lessons/{world.lesson}")
    assert all("kept-here.js" not in dolma.get(path).text for path in pages)
    dolma.client.set_cookie("eduhub_kept", "1")
    assert all("kept-here.js" in dolma.get(path).text for path in pages)


def test_a_turn_ends_with_the_sign_in(browser: Browser, world: World) -> None:
    dolma = browser().card(world.dolma_card)
    turn = dolma.get("/kept/turn").get_json()
    assert turn["token"]
    assert turn["context"] == "own_device"
    dolma.client.set_cookie("eduhub_turn", "abc")
    dolma.post("/sign-out", page="/")
    assert dolma.client.get_cookie("eduhub_turn") is None
    assert dolma.get("/kept/turn").get_json()["token"] is None
    dolma.client.set_cookie("eduhub_turn", "abc")
    dolma.card(world.lhamo_card)
    assert dolma.client.get_cookie("eduhub_turn") is None


def test_only_what_was_taken_back_altogether_is_called_so(browser: Browser, world: World, installation: Installation) -> None:
    asked = f"/kept/withdrawn?lessons={world.lesson},{world.draft},nonsense"
    assert browser().get(asked).get_json() == {"withdrawn": []}
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, world.lesson)
        holding.withdraw(session, str(lesson.package_id))
    assert browser().get(asked).get_json() == {"withdrawn": [world.lesson]}
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
    publish(installation, lesson, revision=2)
    assert browser().get(asked).get_json() == {"withdrawn": []}


def test_the_app_has_a_manifest_with_icons(browser: Browser) -> None:
    answer = browser().get("/app.webmanifest", headers={"Accept-Language": "bo"})
    found = json.loads(answer.text)
    assert answer.mimetype == "application/manifest+json"
    assert found["start_url"] == "/"
    assert found["lang"] == "bo"
    assert {icon["type"] for icon in found["icons"]} >= {"image/svg+xml"}
