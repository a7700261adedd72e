"""Several children at one browser: who is offered a turn, what it takes, and that nothing is mixed or lost."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.accounts import credentials
from eduhub.accounts.models import SignIn
from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.schools import children_sign_in
from eduhub.schools.children_sign_in import Allowed
from eduhub.web.accounts import turns
from tests.web.world import Reader, World, as_box

Browser = Callable[[], Reader]


@pytest.fixture
def box(installation: Installation, world: World) -> Installation:
    return as_box(installation, world)


@pytest.fixture
def phone(box: Installation) -> Reader:
    """A phone that goes from hand to hand at the school."""
    return Reader(create_app(installation=box).test_client())


def allow(box: Installation, world: World, **ways: bool) -> None:
    with box.database.write() as session:
        children_sign_in.choose(session, world.school, Allowed(**ways))


def change_to(phone: Reader, person_uid: str) -> str:
    answer = phone.post("/turn", {"person_uid": person_uid}, page="/turn")
    assert answer.status_code == 303
    return str(answer.location)


def who(phone: Reader) -> str:
    page = phone.get("/").text
    return next((name for name in ("Dolma", "ལྷ་མོ།", "Karma", "Pema") if f">{name}</bdi></a>" in page), "nobody")


def test_the_children_who_used_this_browser_are_offered_and_no_others(phone: Reader, world: World) -> None:
    assert "Whose turn" in phone.get("/turn").text
    phone.card(world.dolma_card)
    assert "Nobody else has used this device lately." in phone.get("/turn").text
    phone.card(world.lhamo_card)
    page = phone.get("/turn").text
    assert world.dolma in page
    assert "Dolma" in page
    assert world.lhamo not in page
    assert "Karma" not in page
    assert 'href="/turn"' in phone.get("/").text


def test_another_browser_is_offered_nobody(phone: Reader, box: Installation, world: World) -> None:
    phone.card(world.dolma_card).card(world.lhamo_card)
    other = Reader(create_app(installation=box).test_client()).card(world.stranger_card)
    assert "Dolma" not in other.get("/turn").text
    assert change_to(other, world.dolma) == "/card"
    assert who(other) == "Karma"


def test_a_turn_takes_the_card_unless_the_school_allows_it_without(phone: Reader, box: Installation, world: World) -> None:
    phone.card(world.dolma_card).card(world.lhamo_card)
    assert change_to(phone, world.dolma) == "/card"
    assert who(phone) == "ལྷ་མོ།", "until the card is shown it is still the same child's turn"
    allow(box, world, turns_without_card=True)
    assert change_to(phone, world.dolma) == "/"
    assert who(phone) == "Dolma"
    assert change_to(phone, world.lhamo) == "/"
    assert who(phone) == "ལྷ་མོ།"


def test_from_outside_the_schools_network_a_turn_takes_the_card(phone: Reader, box: Installation, world: World) -> None:
    allow(box, world, turns_without_card=True, by_pictures=True)
    phone.card(world.dolma_card).card(world.lhamo_card)
    phone.client.environ_base["REMOTE_ADDR"] = "8.8.8.8"
    assert change_to(phone, world.dolma) == "/card"
    assert who(phone) == "ལྷ་མོ།"
    phone.client.environ_base["REMOTE_ADDR"] = "192.168.1.20"
    assert change_to(phone, world.dolma) == "/"


def test_at_a_hub_a_turn_always_takes_the_card(browser: Browser, installation: Installation, world: World) -> None:
    allow(installation, world, turns_without_card=True, by_pictures=True)
    phone = browser().card(world.dolma_card).card(world.lhamo_card)
    assert change_to(phone, world.dolma) == "/card"
    assert who(phone) == "ལྷ་མོ།"


def test_a_child_whose_card_was_replaced_has_no_turn(phone: Reader, box: Installation, world: World) -> None:
    allow(box, world, turns_without_card=True)
    phone.card(world.dolma_card).card(world.lhamo_card)
    with box.database.write() as session:
        revoked = credentials.card_of(session, world.dolma)
        credentials.revoke(session, revoked)
    assert "Dolma" not in phone.get("/turn").text
    assert change_to(phone, world.dolma) == "/card"
    with box.database.write() as session:
        new_card = credentials.issue_card(session, world.dolma)
    assert "Dolma" not in phone.get("/turn").text, "whoever came with the lost card has no part in the new one"
    assert change_to(phone, world.dolma) == "/card"
    assert who(phone) == "ལྷ་མོ།"
    phone.card(new_card).card(world.lhamo_card)
    assert change_to(phone, world.dolma) == "/"


def test_a_child_who_was_signed_out_everywhere_has_no_turn(phone: Reader, box: Installation, world: World) -> None:
    allow(box, world, turns_without_card=True)
    phone.card(world.dolma_card).card(world.lhamo_card)
    pema = Reader(create_app(installation=box).test_client()).sign_in("pema")
    assert pema.post(f"/people/{world.dolma}/sign-ins/end", page=f"/people/{world.dolma}").status_code == 303
    assert "Dolma" not in phone.get("/turn").text
    assert change_to(phone, world.dolma) == "/card"
    assert who(phone) == "ལྷ་མོ།", "another child's turn goes on"
    phone.card(world.dolma_card).card(world.lhamo_card)
    assert change_to(phone, world.dolma) == "/", "the card itself opens the way again"


def test_turns_do_not_put_off_the_hour_at_which_the_card_is_needed_again(
    phone: Reader, box: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(box, world, turns_without_card=True)
    began_s = box.steady.now_s()
    now_s = [began_s]
    monkeypatch.setattr(box.steady, "now_s", lambda: now_s[0])
    phone.card(world.dolma_card).card(world.lhamo_card)
    for hours in (4, 8):
        now_s[0] = began_s + hours * 3600
        assert change_to(phone, world.dolma) == "/"
        assert change_to(phone, world.lhamo) == "/"
    now_s[0] = began_s + turns.LATELY_S + 60
    assert "Dolma" not in phone.get("/turn").text
    assert change_to(phone, world.dolma) == "/card"


def test_the_list_that_an_earlier_release_left_in_a_browser_offers_nobody(phone: Reader, box: Installation, world: World) -> None:
    allow(box, world, turns_without_card=True)
    phone.card(world.lhamo_card)
    with phone.client.session_transaction() as kept:
        kept["turns"] = [(world.lhamo, int(box.steady.now_s())), (world.dolma, int(box.steady.now_s()))]
    assert change_to(phone, world.dolma) == "/card"
    assert who(phone) == "ལྷ་མོ།"


def test_signing_out_forgets_the_others_and_so_does_an_adult(phone: Reader, box: Installation, world: World) -> None:
    allow(box, world, turns_without_card=True)
    phone.card(world.dolma_card).card(world.lhamo_card)
    phone.post("/sign-out", page="/turn")
    assert change_to(phone, world.dolma) == "/card"
    phone.card(world.dolma_card).sign_in("pema")
    assert change_to(phone, world.dolma) == "/card"
    page = phone.get("/turn").text
    assert "Dolma" not in page


def test_after_half_a_day_nobody_was_here_lately(phone: Reader, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    phone.card(world.dolma_card).card(world.lhamo_card)
    monkeypatch.setattr(turns, "LATELY_S", -1)
    assert "Dolma" not in phone.get("/turn").text


def test_whoever_gives_way_is_signed_out_of_this_browser_and_of_no_other(phone: Reader, box: Installation, world: World) -> None:
    elsewhere = Reader(create_app(installation=box).test_client()).card(world.dolma_card)
    phone.card(world.dolma_card)
    old = phone.client.get_cookie("eduhub")
    phone.card(world.lhamo_card)
    with box.database.read() as session:
        ended = session.scalars(select(SignIn).where(SignIn.ended_ms.is_not(None))).all()
    assert [sign_in.person_uid for sign_in in ended] == [world.dolma]
    assert who(elsewhere) == "Dolma"
    assert old is not None
    phone.client.set_cookie("eduhub", old.value)
    assert who(phone) == "nobody", "an old cookie is no way back"


def test_no_name_and_no_uid_stands_in_an_address(phone: Reader, box: Installation, world: World) -> None:
    allow(box, world, turns_without_card=True)
    phone.card(world.dolma_card).card(world.lhamo_card)
    cookie = phone.client.get_cookie("eduhub")
    assert cookie is not None
    assert "Dolma" not in cookie.decoded_value
    assert change_to(phone, world.dolma) == "/"


def test_more_children_than_fit_on_a_page_are_not_remembered(phone: Reader, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(turns, "MOST", 2)
    phone.card(world.dolma_card).card(world.lhamo_card).card(world.stranger_card)
    page = phone.get("/turn").text
    assert "ལྷ་མོ།" in page
    assert "Dolma" not in page
