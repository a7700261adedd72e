"""What a page says when something is wrong, and in which language it speaks."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from eduhub.accounts.models import Person
from eduhub.installation import Installation
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


@pytest.mark.parametrize("back", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "x"])
def test_a_form_leads_to_no_other_site(browser: Browser, back: str) -> None:
    assert browser().post("/language", {"language": "en", "back": back}).headers["Location"] == "/"


def test_what_is_static_is_kept_for_ever_under_the_hash_of_its_bytes(browser: Browser) -> None:
    page = browser().get("/sign-in").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with browser().get(address) as sheet:
        assert sheet.status_code == 200
        assert "immutable" in sheet.headers["Cache-Control"]
        assert len(sheet.data) < 8192
    with browser().get("/static/eduhub.css") as bare:
        assert "immutable" not in bare.headers["Cache-Control"]


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(browser: Browser, world: World) -> None:
    pema = browser()
    answer = pema.post("/sign-in", {"sign_in_name": "pema", "password": "yak-butter-lantern"})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
