"""A box is lost: it is shut out from a page, its school's cards are made anew, and a spare gets a code."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.accounts import credentials
from eduhub.accounts.models import AuditEntry, Credential
from eduhub.errors import CardNotKnown
from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.boxes import nodes
from eduhub.sync.models import JoinCode, Node
from eduhub.sync.school_stream import streams
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


@pytest.fixture
def box(installation: Installation, world: World) -> str:
    """The page of a box of Pema's school, which has asked for the school's stream."""
    with installation.database.write() as session:
        site = session.scalars(select(Site).where(Site.org_uid == world.school)).one()
        node = Node(
            org_uid=world.school, site_uid=site.uid, name="shuanghu-1", signing_public="", sealing_public="", certificate={},
            revoked_on=None,
        )  # fmt: skip
        session.add(node)
        session.flush()
        streams.refresh(session, world.school)
        return f"/schools/{world.school}/boxes/{node.uid}"


def cards(installation: Installation, *tokens: str) -> list[bool]:
    """Which of these cards open something."""
    found = []
    for token in tokens:
        with installation.database.read() as session:
            try:
                credentials.check_card(session, token)
                found.append(True)
            except CardNotKnown:
                found.append(False)
    return found


def is_shut_out(installation: Installation) -> bool:
    with installation.database.read() as session:
        return session.scalars(select(Node.revoked_on)).one() is not None


def test_an_admin_reports_a_box_stolen_by_typing_its_name(browser: Browser, installation: Installation, world: World, box: str) -> None:
    pema = browser().sign_in("pema")
    page = pema.get(box).text
    assert "The box is lost or stolen" in page
    assert "make every card anew" not in page
    assert "Make a code for the spare box" not in page
    answer = pema.post(f"{box}/stolen", {"name": "shuanghu-2"}, page=box, follow_redirects=True)
    assert "This is not the name of the box. Nothing was changed." in answer.text
    assert not is_shut_out(installation)
    answer = pema.post(f"{box}/stolen", {"name": " Shuanghu-1 "}, page=box, follow_redirects=True)
    assert "The box shuanghu-1 is shut out." in answer.text
    assert is_shut_out(installation)
    assert cards(installation, world.dolma_card, world.lhamo_card) == [True, True]
    with installation.database.read() as session:
        assert session.scalars(select(AuditEntry.action)).all()[-1] == "sync.report_stolen"


def test_a_lost_box_costs_every_card_of_its_school_and_no_other_and_they_are_printed_class_by_class(
    browser: Browser, installation: Installation, world: World, box: str
) -> None:
    with installation.database.write() as session:
        at_home = Credential(
            org_uid=world.school, person_uid=world.dolma, kind="home_token", verifier="v", machine_uid=world.school
        )
        session.add(at_home)
    answer = browser().sign_in("tenzin").post(f"{box}/lost", {"name": "shuanghu-1"}, page=box, follow_redirects=True)
    assert "Cards that open nothing any more: 2." in answer.text
    assert cards(installation, world.dolma_card, world.lhamo_card, world.stranger_card) == [False, False, True]
    with installation.database.read() as session:
        assert session.get_one(Credential, at_home.uid).revoked_on is None

    pema = browser().sign_in("pema")
    home = pema.get(f"/schools/{world.school}").text
    assert "2 cards must be printed anew" in home
    page = pema.get(f"/schools/{world.school}/cards").text
    assert "Print 2 cards" in page
    assert "Tashi" in page
    people = re.findall(r'name="person_uid" value="([^"]+)"', page)
    sheet = pema.post(f"/groups/{world.group}/cards", {"person_uid": people}, page=f"/schools/{world.school}/cards").text
    new = re.findall(r"#([0-9A-Z]{26})", sheet) or [code.replace(" ", "") for code in re.findall(r"(?:[0-9A-Z]{5} ){5}[0-9A-Z]", sheet)]
    assert cards(installation, *new) == [True, True]
    assert "must be printed anew" not in pema.get(f"/schools/{world.school}").text
    assert "Every child in a class has a card." in pema.get(f"/schools/{world.school}/cards").text


def test_a_child_who_left_before_the_box_read_of_it_loses_the_card_as_well(
    browser: Browser, installation: Installation, world: World, box: str
) -> None:
    with installation.database.write() as session:
        gone = session.scalars(select(Credential).where(Credential.person_uid == world.lhamo, Credential.kind == "card")).one()
        gone.org_uid = world.other_school
        session.flush()
        streams.refresh(session, world.school)
    browser().sign_in("tenzin").post(f"{box}/lost", {"name": "shuanghu-1"}, page=box)
    assert cards(installation, world.lhamo_card) == [False]


def test_the_operator_makes_a_code_for_the_spare_on_the_page_of_the_box(
    browser: Browser, installation: Installation, world: World, box: str
) -> None:
    tenzin = browser().sign_in("tenzin")
    page = tenzin.post(f"{box}/replace", page=box).text
    code = re.search(r"(?:[0-9A-Z]{5}-){3}[0-9A-Z]{5}", page)
    assert code is not None
    with installation.database.read() as session:
        made = session.scalars(select(JoinCode)).one()
        assert made.code_hash == nodes._code_hash(nodes.read_code(code[0])[0])
        assert made.replaces_uid == box.rsplit("/", 1)[1]
    with installation.database.write() as session:
        session.scalars(select(Node)).one().ended_on = "2026-11-27"
    assert "another box has its place" in tenzin.get(box).text
    assert tenzin.post(f"{box}/replace", page=box).status_code == 400
