"""A person sees where they are signed in and ends it; a new password ends the rest; an admin helps who forgot theirs."""

import re
import time
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts import people, roles, sign_ins
from eduhub.accounts.models import AuditEntry, RoleGrant, SignIn
from eduhub.installation import Installation
from tests.web.world import PASSWORD, Reader, World, add_adult

Browser = Callable[[], Reader]
PHONE = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36"
NEW = "three-plain-yaks"


def is_in(reader: Reader) -> bool:
    return reader.get("/account").status_code == 200


def uid_of(installation: Installation, name: str) -> str:
    with installation.database.read() as session:
        return people.called(session, name)[0].uid


def actions(installation: Installation) -> list[tuple[str, str | None, str | None]]:
    with installation.database.read() as session:
        found = session.scalars(select(AuditEntry).order_by(AuditEntry.uid))
        return [(entry.action, entry.by_uid, entry.subject_uid) for entry in found]


def test_a_person_sees_each_browser_with_its_sort_and_the_day_of_its_last_use(app: Flask, browser: Browser) -> None:
    phone = Reader(app.test_client())
    phone.client.environ_base["HTTP_USER_AGENT"] = PHONE
    phone.sign_in("pema")
    page = browser().sign_in("pema").get("/account").text
    assert "Chrome · Android" in page
    assert page.count("Sign out there") == 1
    assert "last used on" in page
    assert "here" in page


def test_the_day_of_the_last_use_moves_on_and_no_finer_time_is_kept(
    browser: Browser, installation: Installation
) -> None:
    pema = browser().sign_in("pema")
    clock.freeze(clock.now_ms() + 3 * 86_400_000)
    assert is_in(pema)
    with installation.database.read() as session:
        (made,) = session.scalars(select(SignIn))
        assert made.used_on == clock.today("Asia/Shanghai")


def test_one_browser_is_signed_out_from_another(browser: Browser, installation: Installation) -> None:
    lost, pema = browser().sign_in("pema"), browser().sign_in("pema")
    address = re.search(r'action="(/account/sign-ins/[^"]+/end)"', pema.get("/account").text)
    assert address
    assert pema.post(address[1], page="/account").status_code == 303
    assert not is_in(lost)
    assert is_in(pema)
    pema_uid = uid_of(installation, "pema")
    assert ("accounts.end_sign_in", pema_uid, pema_uid) in actions(installation)


def test_all_others_are_signed_out_at_once(browser: Browser) -> None:
    others, pema = [browser().sign_in("pema") for _ in range(3)], browser().sign_in("pema")
    assert pema.post("/account/sign-ins/end-others", page="/account").status_code == 303
    assert [is_in(other) for other in others] == [False] * 3
    assert is_in(pema)


def test_somebody_elses_sign_in_is_not_there(browser: Browser, installation: Installation, world: World) -> None:
    pema, dolma = browser().sign_in("pema"), browser().card(world.dolma_card)
    with installation.database.read() as session:
        uid = sign_ins.of(session, uid_of(installation, "pema"))[0].uid
    assert dolma.post(f"/account/sign-ins/{uid}/end", page="/account").status_code == 404
    assert is_in(pema)


def test_a_changed_password_ends_every_other_browser_and_not_this_one(browser: Browser, installation: Installation) -> None:
    other, pema = browser().sign_in("pema"), browser().sign_in("pema")
    sent = {"present": PASSWORD, "new": NEW, "again": NEW}
    assert pema.post("/account/password", sent, page="/account/password").status_code == 303
    assert is_in(pema)
    assert not is_in(other)
    assert browser().sign_in("pema", NEW)
    assert browser().post("/sign-in", {"sign_in_name": "pema", "password": PASSWORD}).status_code == 400
    assert "accounts.change_password" in {action for action, _by, _subject in actions(installation)}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"present": "not-it-at-all", "new": NEW, "again": NEW}, "This is not your password."),
        ({"present": PASSWORD, "new": NEW, "again": NEW + "x"}, "not the same"),
        ({"present": PASSWORD, "new": "12345678", "again": "12345678"}, "too easy to guess"),
    ],
)
def test_a_change_that_cannot_be_made_says_why_and_changes_nothing(
    browser: Browser, sent: dict[str, str], said: str
) -> None:
    pema = browser().sign_in("pema")
    answer = pema.post("/account/password", sent, page="/account/password")
    assert answer.status_code == 400
    assert said in answer.text
    assert NEW not in answer.text
    assert browser().sign_in("pema")


def test_nobody_guesses_the_present_password_on_a_browser_that_was_left_open(browser: Browser) -> None:
    pema = browser().sign_in("pema")
    sent = {"present": "not-it-at-all", "new": NEW, "again": NEW}
    statuses = [pema.post("/account/password", sent, page="/account/password").status_code for _ in range(12)]
    assert statuses == [400] * 10 + [429] * 2


def test_a_child_with_a_card_has_no_page_for_a_password(browser: Browser, world: World) -> None:
    dolma = browser().card(world.dolma_card)
    assert "/account/password" not in dolma.get("/account").text
    assert dolma.get("/account/password").status_code == 404


def test_an_admin_gives_a_word_that_is_good_once(browser: Browser, installation: Installation) -> None:
    signed_in, pema = browser().sign_in("tashi"), browser().sign_in("pema")
    uid = uid_of(installation, "tashi")
    shown = pema.post(f"/people/{uid}/password", {"replaces": _seen(pema, uid)}, page=f"/people/{uid}")
    assert shown.status_code == 200
    assert shown.headers["Cache-Control"] == "no-store"
    word = re.search(r'class="code">([^<]+)<', shown.text)
    assert word
    assert not is_in(signed_in)
    assert word[1] not in pema.get(f"/people/{uid}").text
    assert ("accounts.reset_password", uid_of(installation, "pema"), uid) in actions(installation)

    tashi = browser().sign_in("tashi", word[1])
    for closed in ("/", "/teaching", "/account"):
        assert tashi.get(closed).headers["Location"] == "/account/password"
    assert tashi.get("/api/v1/lessons/00000000-0000-7000-8000-000000000000/progress").status_code == 403
    sent = {"present": word[1], "new": NEW, "again": NEW}
    assert tashi.post("/account/password", sent, page="/account/password").status_code == 303
    assert tashi.get("/teaching").status_code == 200
    assert browser().post("/sign-in", {"sign_in_name": "tashi", "password": word[1]}).status_code == 400


def test_a_word_that_is_good_once_ends_after_three_days(
    browser: Browser, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    pema, uid = browser().sign_in("pema"), uid_of(installation, "tashi")
    shown = pema.post(f"/people/{uid}/password", {"replaces": _seen(pema, uid)}, page=f"/people/{uid}")
    assert "It is good for three days." in shown.text
    word = re.search(r'class="code">([^<]+)<', shown.text)
    assert word
    came_in, made_s = browser().sign_in("tashi", word[1]), installation.steady.now_s()
    monkeypatch.setattr(installation.steady, "now_s", lambda: made_s + 3 * 86_400 + 1)
    late = browser().post("/sign-in", {"sign_in_name": "tashi", "password": word[1]})
    assert late.status_code == 400
    assert "they are over" in late.text
    sent = {"present": word[1], "new": NEW, "again": NEW}
    assert came_in.post("/account/password", sent, page="/account/password").status_code == 400
    assert "they are over" not in browser().post("/sign-in", {"sign_in_name": "tashi", "password": "another"}).text
    monkeypatch.setattr(installation.steady, "now_s", lambda: made_s + 3 * 86_400 - 60)
    assert came_in.post("/account/password", sent, page="/account/password").status_code == 303


def _seen(pema: Reader, uid: str) -> str:
    found = re.search(r'name="replaces" value="([^"]*)"', pema.get(f"/people/{uid}").text)
    assert found
    return found[1]


def test_a_reset_that_is_sent_twice_makes_one_word(browser: Browser, installation: Installation) -> None:
    pema, uid = browser().sign_in("pema"), uid_of(installation, "tashi")
    sent = {"replaces": _seen(pema, uid)}
    assert pema.post(f"/people/{uid}/password", sent, page=f"/people/{uid}").status_code == 200
    assert pema.post(f"/people/{uid}/password", sent, page=f"/people/{uid}").status_code == 303


def test_an_admin_signs_a_child_out_everywhere(browser: Browser, world: World, installation: Installation) -> None:
    dolma, pema = browser().card(world.dolma_card), browser().sign_in("pema")
    assert "Signed in in 1 browser now." in pema.get(f"/people/{world.dolma}").text
    assert pema.post(f"/people/{world.dolma}/sign-ins/end", page=f"/people/{world.dolma}").status_code == 303
    assert not is_in(dolma)
    assert ("accounts.end_all_sign_ins", uid_of(installation, "pema"), world.dolma) in actions(installation)


@pytest.mark.parametrize(
    ("role", "kind", "scope"),
    [("operator", "all", ""), ("region_operator", "organisation", "region"), ("school_admin", "organisation", "other_school")],
)
def test_an_admin_cannot_become_somebody_of_the_school_whose_role_reaches_further(
    browser: Browser, installation: Installation, world: World, role: str, kind: str, scope: str
) -> None:
    with installation.database.write() as session:
        uid = add_adult(session, "Sonam", world.school, role, kind, getattr(world, scope) if scope else None)
    pema = browser().sign_in("pema")
    assert "/password" not in pema.get(f"/people/{uid}").text
    assert pema.post(f"/people/{uid}/password", {"replaces": ""}, page=f"/people/{uid}").status_code == 403
    assert pema.post(f"/people/{uid}/sign-ins/end", page=f"/people/{uid}").status_code == 403
    assert browser().sign_in("sonam")


def test_the_operator_can_reset_the_password_of_whoever_it_is(
    browser: Browser, installation: Installation, world: World
) -> None:
    tenzin, uid = browser().sign_in("tenzin"), uid_of(installation, "pema")
    sent = {"replaces": _seen(tenzin, uid)}
    assert tenzin.post(f"/people/{uid}/password", sent, page=f"/people/{uid}").status_code == 200


def test_a_role_that_ends_on_a_day_to_come_still_reaches_further(
    browser: Browser, installation: Installation, world: World
) -> None:
    with installation.database.write() as session:
        uid = add_adult(session, "Sonam", world.school, "operator", "all", None)
        grant = session.scalars(select(RoleGrant).where(RoleGrant.person_uid == uid)).one()
        roles.end(session, grant.uid, "2099-01-01")
    pema = browser().sign_in("pema")
    assert pema.post(f"/people/{uid}/password", {"replaces": ""}, page=f"/people/{uid}").status_code == 403


def test_a_form_on_a_new_day_does_not_wait_for_its_own_writing(browser: Browser, installation: Installation) -> None:
    """Who reads is found before the turn to write is taken: finding out writes the day of use down."""
    pema = browser().sign_in("pema")
    token = pema.csrf("/open/place")
    clock.freeze(clock.now_ms() + 86_400_000)
    begun = time.monotonic()
    assert pema.client.post("/open/place/new", data={"csrf_token": token}).status_code == 200
    assert time.monotonic() - begun < 30
