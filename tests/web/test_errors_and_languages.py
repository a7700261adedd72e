"""What a page says when something is wrong, and in which language it speaks."""

import gzip
import re
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, func, select, text
from structlog.testing import capture_logs

from eduhub.accounts import passwords
from eduhub.accounts.models import Person
from eduhub.installation import Installation
from eduhub.schools.models import Enrolment, SchoolCalendar
from eduhub.web import shown
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


def test_a_form_without_its_token_is_refused_and_gives_back_what_was_typed(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema = browser().sign_in("pema")
    with installation.database.read() as session:
        before = session.scalar(select(func.count()).select_from(Person))
    refused = pema.client.post(f"/schools/{world.school}/children/new", data={"name": "Sonam Wangmo <b>"})
    assert refused.status_code == 400
    assert "What you typed" in refused.text
    assert "Sonam Wangmo &lt;b&gt;</textarea>" in refused.text
    with installation.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Person)) == before


def test_an_error_page_never_shows_a_password_or_a_card_again(browser: Browser, world: World) -> None:
    sent = browser().client.post("/sign-in", data={"sign_in_name": "pema", "password": "hidden-words"})
    assert sent.status_code == 400
    assert "hidden-words" not in sent.text
    sent = browser().client.post("/card", data={"token": world.dolma_card})
    assert world.dolma_card not in sent.text


def test_a_wrong_name_and_a_wrong_password_read_the_same(browser: Browser, world: World) -> None:
    sent = [
        browser().post("/sign-in", {"sign_in_name": name, "password": "not-the-password"}) for name in ("pema", "nobody")
    ]
    assert [answer.status_code for answer in sent] == [400, 400]
    assert all("The name or the password is not right." in answer.text for answer in sent)
    assert 'value="pema"' in sent[0].text


def test_an_error_says_what_happened_what_was_kept_and_what_to_do(browser: Browser) -> None:
    page = browser().get("/lessons/no-such-uid", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "This page or thing is not here." in page.text
    assert "Nothing was changed." in page.text
    assert "Go back, or start again from the first page." in page.text


@pytest.mark.parametrize(
    ("sent", "tag"), [("bo", "bo"), ("zh-CN,zh;q=0.9", "zh"), ("en-GB", "en"), ("fr", "en"), ("bo-CN,zh;q=0.8", "bo")]
)
def test_a_page_speaks_the_language_that_the_browser_asks_for(browser: Browser, sent: str, tag: str) -> None:
    page = browser().get("/sign-in", headers={"Accept-Language": sent}).text
    assert f'<html lang="{tag}">' in page
    assert {"bo": "ནང་འཛུལ", "zh": "登录", "en": "Sign in"}[tag] in page


def test_a_choice_of_language_stays_and_comes_back_to_the_same_page(browser: Browser, world: World) -> None:
    dolma = browser().card(world.dolma_card)
    path = f"/courses/{world.course}"
    answer = dolma.post("/language", {"language": "bo", "back": path}, page=path)
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    page = dolma.get(path, headers={"Accept-Language": "en"}).text
    assert '<html lang="bo">' in page
    assert '<span lang="bo">ཚན་རིག</span>' in page


def test_a_text_keeps_its_own_language_on_a_page_of_another(browser: Browser, world: World) -> None:
    page = browser().card(world.dolma_card).get("/", headers={"Accept-Language": "bo"}).text
    assert '<html lang="bo">' in page
    assert '<span lang="zh">冰为什么浮起来</span>' in page


@pytest.mark.parametrize("back", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "x", "/\t/elsewhere.example",
                                  "/\n/elsewhere.example", "/x\\..//elsewhere.example", "/a\r\nSet-Cookie: a=b"])  # fmt: skip
def test_a_form_leads_to_no_other_site(browser: Browser, back: str) -> None:
    assert browser().post("/language", {"language": "en", "back": back}).headers["Location"] == "/"


def test_a_character_that_no_database_keeps_is_a_clear_refusal(browser: Browser, world: World) -> None:
    assert browser().post("/sign-in", {"sign_in_name": "pe\0ma", "password": "x"}).status_code == 400
    assert browser().card(world.dolma_card).get("/api/v1/lessons/a%00b/progress").status_code == 404
    pema = browser().sign_in("pema")
    group, new_child = f"/groups/{world.group}", f"/schools/{world.school}/children/new"
    assert pema.post(f"{group}/courses", {"course_uid": "a\0b"}, page=group).status_code == 400
    refused = pema.post(new_child, {"name": "Son\0am", "group_uid": ""}, page=new_child)
    assert refused.status_code == 400
    assert "Something that was typed or sent cannot be used." in refused.text


def test_a_database_that_does_not_answer_is_told_on_our_own_page(
    browser: Browser, world: World, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    pema = browser().sign_in("pema")
    monkeypatch.setattr(installation.database, "engine", create_engine("sqlite:////nowhere/at/all.db"))
    with capture_logs() as lines:
        page = pema.get(f"/schools/{world.school}")
    assert [line["event"] for line in lines] == ["unexpected error", "request failed"]
    assert page.status_code == 500
    assert "Something went wrong on our side." in page.text
    assert "nowhere" not in page.text


def test_a_time_zone_that_is_not_known_here_shuts_nobody_out(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        session.get_one(SchoolCalendar, world.school).time_zone = "Asia/Shuanghu"
    assert browser().sign_in("pema").get(f"/schools/{world.school}").status_code == 200


def test_a_day_that_another_machine_wrote_wrongly_is_shown_as_it_is(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        span = session.scalars(select(Enrolment).where(Enrolment.person_uid == world.dolma)).one()
        span.starts_on = "2026-1-9"
    assert "since 2026-1-9" in browser().sign_in("pema").get(f"/people/{world.dolma}").text


def test_nobody_else_waits_while_a_password_is_being_checked(
    browser: Browser, world: World, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, waited = passwords.fits, []

    def write() -> None:
        with installation.database.write() as session:
            session.execute(text("UPDATE sign_in SET started_ms = started_ms"))

    def fits_meanwhile(verifier: str | None, password: str) -> bool:
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(5)
        waited.append(writer.is_alive())
        return fits(verifier, password)

    monkeypatch.setattr(passwords, "fits", fits_meanwhile)
    browser().sign_in("pema")
    assert waited == [False]


def test_what_is_static_is_kept_for_ever_under_the_hash_of_its_bytes(browser: Browser) -> None:
    page = browser().get("/sign-in").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with browser().get(address) as sheet:
        assert sheet.status_code == 200
        assert "immutable" in sheet.headers["Cache-Control"]
        assert len(gzip.compress(sheet.data)) < 4096
    with browser().get("/static/built/eduhub.css") as bare:
        assert "immutable" not in bare.headers["Cache-Control"]


def test_no_drawing_of_ours_runs_anything_when_it_is_opened_as_a_page() -> None:
    drawings = [path.read_text(encoding="utf-8").lower() for path in shown.STATIC.rglob("*.svg")]
    assert drawings
    assert not [text for text in drawings if re.search(r"<script|\son\w+\s*=|href|<foreignobject", text)]


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(browser: Browser, world: World) -> None:
    pema = browser()
    answer = pema.post("/sign-in", {"sign_in_name": "pema", "password": "yak-butter-lantern"})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
