"""Who guesses at passwords is slowed; a class behind one address and the owner of a name are not."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from eduhub.accounts import credentials, passwords, people
from eduhub.installation import Installation
from tests.web.world import PASSWORD, Reader, World

Browser = Callable[[], Reader]
SCHOOL = {"REMOTE_ADDR": "10.0.0.7"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of guesses need no slow hash: only whether it is the right one is asked."""
    monkeypatch.setattr(passwords, "make_verifier", lambda password: f"quick {password}")
    monkeypatch.setattr(passwords, "is_outdated", lambda _verifier: False)
    monkeypatch.setattr(passwords, "fits", lambda verifier, password: verifier is not None and password == PASSWORD)


WRONG = "no-such-word"


def guess(reader: Reader, name: str, password: str = WRONG, address: str = "10.0.0.7") -> TestResponse:
    return reader.post("/sign-in", {"sign_in_name": name, "password": password}, environ_overrides={"REMOTE_ADDR": address})


def test_who_guesses_at_one_name_from_many_addresses_has_to_wait(browser: Browser, quick: None) -> None:
    statuses = [guess(browser(), "pema", address=f"10.1.{number}.1").status_code for number in range(14)]
    assert statuses == [400] * 10 + [429] * 4
    refused = guess(browser(), "pema", PASSWORD, address="10.9.9.9")
    assert refused.status_code == 429  # also the right word says nothing now
    assert 0 < int(refused.headers["Retry-After"]) <= 120
    assert "Wait" in refused.text
    assert guess(browser(), "tashi", PASSWORD).status_code == 303


def test_an_unknown_name_reads_the_same_as_a_known_one(browser: Browser, quick: None) -> None:
    answers = {
        name: [guess(browser(), name, address=f"10.2.{number}.1").status_code for number in range(12)]
        for name in ("pema", "nobody-here")
    }
    assert answers["pema"] == answers["nobody-here"]


def test_the_owner_signs_in_on_a_known_browser_while_a_stranger_guesses(browser: Browser, quick: None) -> None:
    own = browser().sign_in("pema")
    own.post("/sign-out", page="/account")
    for number in range(12):
        guess(browser(), "pema", address=f"10.3.{number}.1")
    assert guess(browser(), "pema", PASSWORD).status_code == 429
    assert guess(own, "pema", PASSWORD).status_code == 303


def test_a_known_browser_cannot_guess_for_ever_either(browser: Browser, quick: None) -> None:
    own = browser().sign_in("pema")
    own.post("/sign-out", page="/account")
    assert [guess(own, "pema").status_code for _ in range(12)] == [400] * 10 + [429] * 2


def test_a_browser_that_is_known_for_one_name_is_a_stranger_to_another(browser: Browser, quick: None) -> None:
    own = browser().sign_in("pema")
    own.post("/sign-out", page="/account")
    for number in range(12):
        guess(browser(), "tashi", address=f"10.4.{number}.1")
    assert guess(own, "tashi", PASSWORD).status_code == 429


def test_who_tries_many_names_in_one_browser_has_to_wait(browser: Browser, quick: None) -> None:
    thief = browser()
    statuses = [guess(thief, f"name-{number}").status_code for number in range(25)]
    assert statuses == [400] * 20 + [429] * 5


def test_who_throws_the_cookies_away_has_to_wait_in_the_end(
    browser: Browser, installation: Installation, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_s = installation.steady.now_s()
    monkeypatch.setattr(installation.steady, "now_s", lambda: stopped_s)  # else a slow machine gives tries back meanwhile
    statuses = [guess(browser(), f"name-{number}").status_code for number in range(305)]
    assert statuses == [400] * 300 + [429] * 5
    assert guess(browser(), "another-name", address="10.0.0.8").status_code == 400


def test_an_account_of_ones_own_buys_no_tries_at_other_names(
    browser: Browser, installation: Installation, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_s = installation.steady.now_s()
    monkeypatch.setattr(installation.steady, "now_s", lambda: stopped_s)
    known = [browser() for _ in range(16)]
    for one in known:
        assert guess(one, "pema", PASSWORD).status_code == 303
        one.post("/sign-out", page="/account")
    statuses = [guess(one, f"name-{number}-{other}").status_code for number, one in enumerate(known) for other in range(20)]
    assert statuses == [400] * 300 + [429] * 20


def test_sixty_adults_behind_one_address_who_mistype_three_times_all_sign_in(
    browser: Browser, installation: Installation, world: World, quick: None
) -> None:
    with installation.database.write() as session:
        for number in range(60):
            person = people.add(session, org_uid=world.school, name=f"Teacher {number}", sign_in_name=f"teacher-{number}")
            credentials.set_password(session, person.uid, "another-word-entirely")
    for number in range(60):
        teacher = browser()
        assert [guess(teacher, f"teacher-{number}").status_code for _ in range(3)] == [400] * 3
        assert guess(teacher, f"teacher-{number}", PASSWORD).status_code == 303


def test_sixty_children_with_cards_are_never_counted(browser: Browser, world: World) -> None:
    for _ in range(60):
        child = browser()
        for _again in range(3):
            assert child.post("/card", {"token": "0" * 26}, page="/card", environ_overrides=SCHOOL).status_code == 400
        child.card(world.dolma_card)


@pytest.mark.parametrize("sent", ["", "x", "0" * 32 + "." + "0" * 24, "0" * 32 + "." + "0" * 24 + "." + "0" * 24])
def test_an_invented_cookie_makes_no_browser_known(browser: Browser, quick: None, sent: str) -> None:
    for number in range(12):
        guess(browser(), "pema", address=f"10.5.{number}.1")
    liar = browser()
    liar.client.set_cookie("eduhub_browser", sent, path="/sign-in")
    assert guess(liar, "pema", PASSWORD).status_code == 429


def test_the_cookie_that_knows_a_browser_holds_no_name_and_goes_only_to_the_sign_in(app: Flask, world: World) -> None:
    reader = Reader(app.test_client())
    answer = guess(reader, "pema", PASSWORD)
    (cookie,) = (text for text in answer.headers.getlist("Set-Cookie") if text.startswith("eduhub_browser="))
    assert "pema" not in cookie
    for flag in ("HttpOnly", "Path=/sign-in", "SameSite=Lax"):
        assert flag in cookie


def test_no_name_that_was_tried_is_in_a_log_line(
    browser: Browser, quick: None, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(14):
        guess(browser(), "unusual-name", address=f"10.6.{number}.1")
    assert "unusual-name" not in caplog.text + "".join(capfd.readouterr())
