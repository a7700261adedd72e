"""A school's admin gives an adult a word for the school's box, once, and takes it back."""

import re

import pytest
from sqlalchemy import select

from eduhub.accounts import credentials, people, roles
from eduhub.accounts.models import AuditEntry, Credential
from eduhub.app import create_app
from eduhub.installation import Installation
from tests.web.test_lost_boxes import Browser, box
from tests.web.world import Reader, World, add_adult, as_box

__all__ = ["box"]
WORD = re.compile(r'<p class="code">([a-z]{4}(?:-[a-z]{4}){3}-\d\d)</p>')


def uid_of(installation: Installation, name: str) -> str:
    with installation.database.read() as session:
        return people.called(session, name)[0].uid


def give(reader: Reader, world: World, person_uid: str, replaces: str = "") -> str:
    page = f"/schools/{world.school}/box-words"
    return reader.post(page, {"person_uid": person_uid, "replaces": replaces}, page=page, follow_redirects=True).text


def test_the_word_is_shown_once_and_stands_beside_the_password_of_the_hub(
    browser: Browser, installation: Installation, world: World, box: str
) -> None:
    pema, tashi = browser().sign_in("pema"), uid_of(installation, "tashi")
    page = f"/schools/{world.school}/box-words"
    assert f'href="{page}"' in pema.get(box).text
    assert f'href="{page}"' in pema.get(f"/people/{tashi}").text
    assert "has no box yet" not in pema.get(page).text
    answer = give(pema, world, tashi)
    word = WORD.search(answer)
    assert word is not None
    assert "no-store" in pema.get(page).headers["Cache-Control"]
    assert word[1] not in pema.get(page).text
    assert "has a word, good until" in pema.get(page).text
    assert browser().sign_in("tashi").get("/").status_code in {200, 303}
    refused = browser()
    assert refused.post("/sign-in", {"sign_in_name": "tashi", "password": word[1]}, page="/sign-in").status_code == 400
    with installation.database.read() as session:
        assert session.scalars(select(AuditEntry.action)).all()[-1] == "accounts.make_box_word"
        assert not session.scalars(select(Credential.uid).where(Credential.verifier.contains(word[1]))).all()


def test_a_form_that_is_sent_twice_makes_no_second_word(browser: Browser, installation: Installation, world: World, box: str) -> None:
    pema, tashi = browser().sign_in("pema"), uid_of(installation, "tashi")
    assert WORD.search(give(pema, world, tashi))
    again = give(pema, world, tashi)
    assert WORD.search(again) is None
    assert "Tashi has a word for the box already." in again
    with installation.database.read() as session:
        held = session.scalars(select(Credential).where(Credential.kind == "box_word")).one()
    assert WORD.search(give(pema, world, tashi, held.uid))
    with installation.database.read() as session:
        assert session.get_one(Credential, held.uid).revoked_on is not None


def test_an_admin_ends_a_word(browser: Browser, installation: Installation, world: World, box: str) -> None:
    pema, tashi = browser().sign_in("pema"), uid_of(installation, "tashi")
    give(pema, world, tashi)
    page = f"/schools/{world.school}/box-words"
    answer = pema.post(f"{page}/end", {"person_uid": tashi}, page=page, follow_redirects=True).text
    assert "The word of Tashi opens nothing any more" in answer
    assert "has a word, good until" not in answer


@pytest.mark.parametrize("who", ["other school", "child", "operator", "nobody", "not a uid"])
def test_nobody_else_gets_a_word(browser: Browser, installation: Installation, world: World, box: str, who: str) -> None:
    with installation.database.write() as session:
        other = add_adult(session, "Yangzom", world.other_school, "teacher", "organisation", world.other_school)
    uid = {
        "other school": other, "child": world.dolma, "operator": uid_of(installation, "tenzin"),
        "nobody": world.school, "not a uid": "x",
    }[who]  # fmt: skip
    page = f"/schools/{world.school}/box-words"
    answer = browser().sign_in("pema").post(page, {"person_uid": uid}, page=page)
    assert answer.status_code == 404
    with installation.database.read() as session:
        assert session.scalars(select(Credential).where(Credential.kind == "box_word")).first() is None


def test_who_has_a_task_beyond_the_school_gets_the_word_of_the_operator(
    browser: Browser, installation: Installation, world: World, box: str
) -> None:
    with installation.database.write() as session:
        roles.grant(
            session, person_uid=people.called(session, "tashi")[0].uid, role="school_admin", scope_kind="organisation",
            scope_uid=world.other_school, org_uid=world.other_school, starts_on="2026-09-01",
        )  # fmt: skip
    tashi, page = uid_of(installation, "tashi"), f"/schools/{world.school}/box-words"
    pema = browser().sign_in("pema")
    assert "They have a task beyond this school" in pema.get(page).text
    assert pema.post(page, {"person_uid": tashi}, page=page).status_code == 403
    assert WORD.search(give(browser().sign_in("tenzin"), world, tashi))


def test_a_box_says_that_a_word_is_needed_and_has_no_page_that_makes_one(
    installation: Installation, world: World
) -> None:
    reader = Reader(create_app(installation=as_box(installation, world)).test_client())
    assert "The box does not know the password that you have at the county." in reader.get("/sign-in").text
    assert reader.get(f"/schools/{world.school}/box-words").status_code == 404
    assert "What to do next" not in reader.get("/poster").text  # adults have passwords here
    with installation.database.write() as session:
        for held in session.scalars(select(Credential).where(Credential.kind == "password")):
            credentials.revoke(session, held.uid)
    page = reader.get("/poster").text
    assert "What to do next" in page
    assert "No adult has a password here yet" in page
