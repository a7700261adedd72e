"""What is kept of a child: consent, everything as a file, and erasure, for which the name is typed."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.accounts import people
from eduhub.accounts.models import AuditEntry, Person
from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.schools.models import LearnerRecord
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


def actions(installation: Installation) -> list[str]:
    with installation.database.read() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.uid)))


def test_an_admin_downloads_everything_of_a_child_and_it_is_noted(
    browser: Browser, world: World, installation: Installation
) -> None:
    path = f"/people/{world.dolma}"
    answer = browser().sign_in("pema").post(f"{path}/export", page=path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "Dolma" not in answer.headers["Content-Disposition"]  # names stay out of what is logged
    assert answer.headers["Cache-Control"] == "no-store"
    kept = json.loads(answer.text)
    assert kept["person"]["name"] == "Dolma"
    assert "verifier" not in answer.text.replace('"field": "verifier"', "")
    assert "accounts.export_child" in actions(installation)


def test_a_consent_is_noted_with_who_took_it_down_and_can_end(browser: Browser, world: World, installation: Installation) -> None:
    pema, path = browser().sign_in("pema"), f"/people/{world.dolma}"
    assert "No guardian&#39;s consent is noted." in pema.get(path).text.replace("'", "&#39;")
    pema.post(f"{path}/consent", {"agreed": "yes"}, page=path)
    assert "A guardian agreed on" in pema.get(path).text
    with installation.database.read() as session:
        record = session.get_one(LearnerRecord, world.dolma)
        assert record.consent_by_uid == people.called(session, "pema")[0].uid
    pema.post(f"{path}/consent", {"agreed": "no"}, page=path)
    assert "A guardian agreed on" not in pema.get(path).text


def test_a_child_is_erased_when_the_name_is_typed_and_gone_from_the_history(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema, path = browser().sign_in("pema"), f"/people/{world.dolma}/erase"
    wrong = pema.post(path, {"name": "Lhamo"}, page=path)
    assert wrong.status_code == 400
    assert "This is another name." in wrong.text
    done = pema.post(path, {"name": "dolma"}, page=path, follow_redirects=True)
    assert "The child is erased here." in done.text
    with installation.database.read() as session:
        assert session.get(Person, world.dolma) is None
    assert pema.get(f"/people/{world.dolma}").status_code == 404
    assert "Dolma" not in pema.get(f"/schools/{world.school}/history").text
    assert browser().post("/card", {"token": world.dolma_card}, page="/card").status_code == 400
    assert "accounts.erase_child" in actions(installation)


def test_an_adult_is_neither_exported_nor_erased_here(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.read() as session:
        tashi = people.called(session, "tashi")[0].uid
    pema = browser().sign_in("pema")
    assert pema.post(f"/people/{tashi}/erase", {"name": "Tashi"}, page=f"/people/{tashi}").status_code == 400
    assert pema.post(f"/people/{tashi}/export", page=f"/people/{tashi}").status_code == 400


@pytest.mark.parametrize("act", ["export", "consent", "erase"])
def test_another_schools_admin_is_refused(browser: Browser, world: World, installation: Installation, act: str) -> None:
    refused = browser().sign_in("norbu").post(f"/people/{world.dolma}/{act}", {"name": "x", "agreed": "yes"})
    assert refused.status_code == 403
    assert "Dolma" not in refused.text
    with installation.database.read() as session:
        assert session.get(Person, world.dolma) is not None
        assert session.get(LearnerRecord, world.dolma) is None


def test_a_box_does_not_erase(make_installation: Callable[..., Installation]) -> None:
    box = create_app(installation=make_installation(role="node"))
    assert "erasing_a_child.erase" not in box.view_functions
    assert "childs_data.everything" in box.view_functions
