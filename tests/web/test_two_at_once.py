"""Two forms at the same moment: each page holds what it has found until it has written."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from eduhub.accounts import credentials, people
from eduhub.installation import Installation
from eduhub.schools.models import Enrolment
from tests import meeting
from tests.web.world import PASSWORD, Reader, World, hidden

pytestmark = pytest.mark.two_writers
Browser = Callable[[], Reader]
Press = Callable[[], TestResponse]


def pressing(reader: Reader, path: str, sent: dict[str, Any], page: str) -> Press:
    """The button of a page that is open already."""
    filled = {"csrf_token": reader.csrf(page), **sent}
    return lambda: reader.client.post(path, data=filled)


def test_a_sheet_of_cards_and_a_single_card_are_both_made(browser: Browser, world: World, installation: Installation) -> None:
    pema, other = browser().sign_in("pema"), browser().sign_in("pema")
    sheet, card = f"/groups/{world.group}/cards", f"/people/{world.lhamo}/card"
    with installation.database.read() as session:
        held = {uid: credentials.card_of(session, uid) for uid in (world.dolma, world.lhamo)}
    everybody = {"person_uid": list(held)} | {f"replaces-{uid}": card_uid for uid, card_uid in held.items()}
    page = f"/people/{world.lhamo}"
    answers = meeting.all_at_once(
        installation.database, pressing(pema, sheet, everybody, sheet),
        pressing(other, card, {"replaces": held[world.lhamo]}, page),
    )  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 303]
    assert answers[0].text.count('class="code"') == 2


def test_a_form_for_a_child_that_is_sent_twice_makes_one_child_with_one_card(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/children/new"
    sent = {"name": "Sonam", "group_uid": world.group, "uid": hidden(pema.get(path).text, "uid")}
    first, second = meeting.all_at_once(installation.database, *[pressing(pema, path, sent, path)] * 2)
    assert (first.status_code, second.status_code) == (200, 303)
    assert second.headers["Location"] == f"/people/{sent['uid']}"
    with installation.database.read() as session:
        assert [found.kind for found in credentials.of(session, sent["uid"])] == ["card"]


def test_a_form_for_an_adult_that_is_sent_twice_makes_one_person_and_leads_to_them(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/adults/new"
    sent = {
        "name": "Sonam", "role": "teacher", "sign_in_name": "sonam", "password": PASSWORD,
        "uid": hidden(pema.get(path).text, "uid"),
    }  # fmt: skip
    answers = meeting.all_at_once(installation.database, *[pressing(pema, path, sent, path)] * 2)
    with installation.database.read() as session:
        sonam = [person.uid for person in people.called(session, "sonam")]
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [(303, f"/people/{sonam[0]}")] * 2
    assert len(sonam) == 1


def test_two_admins_who_add_one_name_at_once_make_one_of_it(browser: Browser, world: World, installation: Installation) -> None:
    path = f"/schools/{world.school}/adults/new"
    sent = {"name": "Sonam", "role": "teacher", "sign_in_name": "sonam", "password": PASSWORD}
    readers = [browser().sign_in("pema"), browser().sign_in("tenzin")]
    presses = [pressing(reader, path, sent | {"uid": hidden(reader.get(path).text, "uid")}, path) for reader in readers]
    assert [answer.status_code for answer in meeting.all_at_once(installation.database, *presses)] == [303, 400]


def test_a_child_who_is_put_into_a_class_twice_at_once_is_there_once(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema, page = browser().sign_in("pema"), f"/people/{world.dolma}"
    press = pressing(pema, f"{page}/enrolments", {"group_uid": world.empty_group}, page)
    meeting.all_at_once(installation.database, press, press)
    with installation.database.read() as session:
        spans = select(func.count()).select_from(Enrolment).where(
            Enrolment.person_uid == world.dolma, Enrolment.group_uid == world.empty_group
        )
        assert session.scalar(spans) == 1


def test_who_knew_the_old_password_cannot_change_it_while_an_admin_takes_it_away(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema, stranger = browser().sign_in("pema"), browser().sign_in("tashi")
    with installation.database.read() as session:
        tashi = people.called(session, "tashi")[0].uid
    page = f"/people/{tashi}"
    replaces = {"replaces": hidden(pema.get(page).text, "replaces")}
    new = {"present": PASSWORD, "new": "a-password-of-mine", "again": "a-password-of-mine"}
    given, changed = meeting.all_at_once(
        installation.database, pressing(pema, f"{page}/password", replaces, page),
        pressing(stranger, "/account/password", new, "/account/password"),
    )  # fmt: skip
    assert (given.status_code, changed.status_code) == (200, 400)
    assert browser().post("/sign-in", {"sign_in_name": "tashi", "password": new["new"]}).status_code == 400
    with installation.database.read() as session:
        assert [found.kind for found in credentials.of(session, tashi)] == ["one_time"]
