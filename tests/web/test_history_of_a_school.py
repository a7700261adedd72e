"""The history page: who changed what, 'Undo' there and right after an act, and nothing of another school."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub import changes
from eduhub.accounts import people, roles
from eduhub.accounts.models import AuditEntry, Credential, Person, RoleGrant
from eduhub.changes import FieldChange
from eduhub.installation import Installation
from eduhub.schools import enrolment
from eduhub.schools.models import Enrolment
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


def undo_buttons(page: str) -> list[str]:
    return re.findall(r'name="act" value="([^"]+)"', page)


def renamed(installation: Installation, uid: str, name: str) -> None:
    with installation.database.write() as session:
        people.change(session, uid, name=name)


def test_the_newest_act_stands_first_with_who_did_it_and_can_be_undone(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema = browser().sign_in("pema")
    edit = f"/people/{world.dolma}/edit"
    assert pema.post(edit, {"name": "Dolma Tso", "language": "bo", "picture": "sun"}, page=edit).status_code == 303
    path = f"/schools/{world.school}/history"
    page = pema.get(path).text
    first = page.split('<ul class="list">')[1].split("</li>")[0]
    assert "Dolma Tso was changed." in first
    assert "Name: Dolma → Dolma Tso" in first
    assert "Pema ·" in first
    done = pema.post(f"{path}/undo", {"act": undo_buttons(first)[0]}, page=path, follow_redirects=True)
    assert "1 thing is undone." in done.text
    assert "Name: Dolma Tso → Dolma" in done.text  # the undoing is in the history
    with installation.database.read() as session:
        dolma = session.get_one(Person, world.dolma)
        assert (dolma.name, dolma.language, dolma.picture) == ("Dolma", None, None)
        assert session.scalars(select(AuditEntry).where(AuditEntry.action == "history.undo")).one().subject_uid == world.dolma


def test_the_page_after_an_act_offers_to_undo_it(browser: Browser, world: World, installation: Installation) -> None:
    pema = browser().sign_in("pema")
    path = f"/people/{world.dolma}"
    done = pema.post(f"{path}/move", {"group_uid": world.empty_group}, page=path, follow_redirects=True)
    assert "Dolma is in Primary 2, class 1 now." in done.text
    back = pema.post(f"/schools/{world.school}/history/undo", {"act": undo_buttons(done.text)}, page=path)
    assert back.status_code == 303
    with installation.database.read() as session:
        [span] = enrolment.current(session, person_uid=world.dolma, on="2030-01-01")
        assert span.group_uid == world.group
    stale = pema.post(f"/schools/{world.school}/history/undo", {"act": undo_buttons(done.text)}, page=path, follow_redirects=True)
    assert "This cannot be undone: it is over already." in stale.text


def test_what_cannot_be_undone_says_why_and_shows_no_secret(browser: Browser, world: World, installation: Installation) -> None:
    page = browser().sign_in("pema").get(f"/schools/{world.school}/history?kind=cards").text
    assert "Dolma has a new card." in page
    assert "a card stays useless once it was replaced; make a new one" in page
    assert undo_buttons(page) == []
    with installation.database.read() as session:
        verifiers = session.scalars(select(Credential.verifier)).all()
    assert not any(verifier in page for verifier in verifiers)


def test_the_value_that_lost_is_shown_beside_the_one_that_holds(browser: Browser, world: World, installation: Installation) -> None:
    renamed(installation, world.dolma, "Dolma of the hub")
    with installation.database.write() as session:
        mine = next(c for c in changes.history(session, "person", world.dolma) if c.value == "Dolma of the hub")
        changes.merge(session, [FieldChange(
            "person", world.dolma, "name", mine.counter - 1, "01a20986-0000-7000-8000-00000000000a", world.school,
            "Dolma of the box", 1, None,
        )])  # fmt: skip
    page = browser().sign_in("pema").get(f"/schools/{world.school}/history").text
    first = page.split('<ul class="list">')[1].split("</li>")[0]
    assert "gave way to another change" in first
    assert "<s>Dolma of the box</s>" in first
    assert "Another change at the same time holds: Dolma of the hub" in first
    assert "at the school&#39;s box" in first
    assert "another change at the same time took its place" in first


def test_a_long_history_has_pages_that_keep_what_was_asked_for(browser: Browser, world: World, installation: Installation) -> None:
    for number in range(60):
        renamed(installation, world.dolma, f"Dolma {number}")
    pema = browser().sign_in("pema")
    path = f"/schools/{world.school}/history?kind=people&person={world.dolma}"
    page = pema.get(path).text
    assert "Page 1 of 2" in page
    assert f"kind=people&amp;person={world.dolma}&amp;page=2" in page
    assert page.count("was changed.") == 50
    assert "Dolma was added." not in page
    assert "was added." in pema.get(f"{path}&page=2").text
    assert pema.get(f"{path}&page=999").status_code == 200


@pytest.mark.parametrize("reader", ["norbu", "tashi"])
def test_nobody_of_another_school_reads_or_undoes(browser: Browser, world: World, installation: Installation, reader: str) -> None:
    renamed(installation, world.dolma, "Dolma Tso")
    act = undo_buttons(browser().sign_in("pema").get(f"/schools/{world.school}/history").text)[0]
    other = browser().sign_in(reader)
    assert other.get(f"/schools/{world.school}/history").status_code == 403
    assert other.post(f"/schools/{world.school}/history/undo", {"act": act}).status_code == 403
    if reader == "norbu":  # nor by naming it under the own school
        assert other.post(f"/schools/{world.other_school}/history/undo", {"act": act}).status_code == 404
        assert other.get(f"/schools/{world.other_school}/history?person={world.dolma}").status_code == 404
        assert "Dolma" not in other.get(f"/schools/{world.other_school}/history").text
    with installation.database.read() as session:
        assert session.get_one(Person, world.dolma).name == "Dolma Tso"


def test_a_school_admin_cannot_make_an_operator_by_undoing(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.write() as session:
        pema = people.called(session, "pema")[0]
        grant = roles.grant(
            session, person_uid=pema.uid, role="operator", scope_kind="all", scope_uid=None, org_uid=world.school,
            starts_on="2026-01-01",
        )
        roles.end(session, grant.uid, "2026-01-02")
        ended = next(c for c in changes.history(session, "role_grant", grant.uid) if c.value == "2026-01-02")
    reader = browser().sign_in("pema")
    key = f"role_grant:{grant.uid}:{ended.counter}:{ended.machine_uid}"
    path = f"/schools/{world.school}/history"
    said = reader.post(f"{path}/undo", {"act": key}, page=path, follow_redirects=True)
    assert "only the operator gives or takes this task" in said.text
    with installation.database.read() as session:
        grants = session.scalars(select(RoleGrant).where(RoleGrant.person_uid == pema.uid, RoleGrant.role == "operator"))
        assert [found.ended_on for found in grants] == ["2026-01-02"]


def test_a_withdrawn_child_is_put_back_by_the_button_of_the_next_page(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema = browser().sign_in("pema")
    with installation.database.read() as session:
        span = session.scalars(select(Enrolment).where(Enrolment.person_uid == world.dolma)).one().uid
    path = f"/enrolments/{span}/withdraw"
    done = pema.post(path, {"reason": "withdrawn", "on": "2026-11-23"}, page=path, follow_redirects=True)
    pema.post(f"/schools/{world.school}/history/undo", {"act": undo_buttons(done.text)}, page=f"/people/{world.dolma}")
    assert "Dolma" in pema.get(f"/groups/{world.group}").text.split("Courses of this class")[0]
    with installation.database.read() as session:
        assert session.get_one(Enrolment, span).ended_on == "2026-11-23"
