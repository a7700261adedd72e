"""A page that is loaded again, or a button that is pressed twice, does nothing a second time."""

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from eduhub.accounts.models import Person
from eduhub.installation import Installation
from tests.web.world import Reader, World, hidden

Browser = Callable[[], Reader]


def code_on(page: str) -> str:
    found = re.search(r'class="code">([^<]+)<', page)
    assert found, "no card on this page"
    return found[1]


def test_a_card_page_that_is_loaded_again_leaves_the_printed_card_good(browser: Browser, world: World) -> None:
    pema = browser().sign_in("pema")
    path = f"/people/{world.dolma}"
    sent = {"replaces": hidden(pema.get(path).text, "replaces")}
    card = code_on(pema.post(f"{path}/card", sent, page=path).text)
    again = pema.post(f"{path}/card", sent, page=path)
    assert (again.status_code, again.headers["Location"]) == (303, path)
    assert "Dolma has a new card already." in pema.get(path).text
    browser().card(card)
    asked_for = {"replaces": hidden(pema.get(path).text, "replaces")}
    assert pema.post(f"{path}/card", asked_for, page=path).status_code == 200


def test_a_child_whose_form_was_sent_twice_is_there_once(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema = browser().sign_in("pema")
    path = f"/schools/{world.school}/children/new"
    sent: dict[str, Any] = {"name": "Sonam", "group_uid": world.group, "uid": hidden(pema.get(path).text, "uid")}
    card = code_on(pema.post(path, sent, page=path).text)
    again = pema.post(path, sent, page=path)
    assert (again.status_code, again.headers["Location"]) == (303, f"/people/{sent['uid']}")
    browser().card(card)
    with installation.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Person).where(Person.name == "Sonam")) == 1


def test_the_form_for_a_new_child_does_not_reach_another_schools_child(browser: Browser, world: World) -> None:
    pema = browser().sign_in("pema")
    path = f"/schools/{world.school}/children/new"
    refused = pema.post(path, {"name": "Sonam", "group_uid": "", "uid": world.stranger}, page=path)
    assert refused.status_code == 404
    assert "Karma" not in refused.text
    browser().card(world.stranger_card)
