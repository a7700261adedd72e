"""A child signs in at the school's own box from the list of its class, with three pictures."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.accounts import credentials, people, picture_secrets
from eduhub.accounts.models import PictureSecret
from eduhub.accounts.tries import Limit
from eduhub.app import create_app
from eduhub.errors import BadInput, PicturesWrong
from eduhub.installation import Installation
from eduhub.schools import children_sign_in, enrolment, groups
from eduhub.schools.children_sign_in import Allowed
from eduhub.web.accounts import class_list
from tests.web.world import BEGAN, PASSWORD, Reader, World, as_box

Browser = Callable[[], Reader]
OWN = ["sun", "fish", "sun"]


@pytest.fixture
def box(installation: Installation, world: World) -> Installation:
    """The school has allowed it, and Dolma has chosen."""
    made = as_box(installation, world)
    with made.database.write() as session:
        children_sign_in.choose(session, world.school, Allowed(by_pictures=True))
        picture_secrets.choose(session, made.keys.secret, world.dolma, OWN)
    return made


@pytest.fixture
def phone(box: Installation) -> Reader:
    return Reader(create_app(installation=box).test_client())


def tap(phone: Reader, person_uid: str, pictures: list[str]) -> int:
    """Three taps, each sent with those before it."""
    path = f"/children/{person_uid}/pictures"
    for count in range(1, len(pictures) + 1):
        answer = phone.post(path, {"picture": pictures[:count]}, page=path if person_uid else "/card")
    return answer.status_code


def tap_at_once(phone: Reader, person_uid: str, pictures: list[str]) -> int:
    """The third tap alone, as a script would send it."""
    return phone.post(f"/children/{person_uid}/pictures", {"picture": pictures}, page="/card").status_code


def test_from_the_class_to_today_with_three_taps(phone: Reader, world: World) -> None:
    assert "/classes" in phone.get("/card").text
    classes = phone.get("/classes").text
    assert f"/classes/{world.group}" in classes
    assert world.empty_group not in classes
    children = phone.get(f"/classes/{world.group}").text
    assert "Dolma" in children
    assert "Karma" not in children
    assert tap(phone, world.dolma, OWN) == 303
    assert "Dolma" in phone.get("/").text


def test_nothing_of_it_is_there_until_the_school_allows_it(phone: Reader, box: Installation, world: World) -> None:
    with box.database.write() as session:
        children_sign_in.choose(session, world.school, Allowed())
    assert "/classes" not in phone.get("/card").text
    for path in ("/classes", f"/classes/{world.group}", f"/children/{world.dolma}/pictures"):
        answer = phone.get(path)
        assert (answer.status_code, answer.location) == (303, "/card"), path


def test_a_hub_has_no_such_pages(browser: Browser, box: Installation, world: World) -> None:
    for path in ("/classes", f"/classes/{world.group}", f"/children/{world.dolma}/pictures", "/my-pictures"):
        assert browser().get(path).status_code == 404


def test_from_outside_the_schools_network_there_is_only_the_card(phone: Reader, world: World) -> None:
    outside = {"environ_base": {"REMOTE_ADDR": "8.8.8.8"}}
    for path in ("/classes", f"/classes/{world.group}", f"/children/{world.dolma}/pictures"):
        assert phone.get(path, **outside).location == "/card"


def test_wrong_pictures_say_so_and_do_not_sign_in(phone: Reader, world: World) -> None:
    assert tap(phone, world.dolma, ["sun", "sun", "fish"]) == 400
    assert phone.get("/").location == "/card"


def test_after_five_wrong_tries_that_child_waits_at_this_device_and_the_card_still_works(phone: Reader, world: World) -> None:
    statuses = [tap(phone, world.dolma, ["moon", "moon", "tree"]) for _ in range(6)]
    assert statuses == [400] * 5 + [429]
    assert tap(phone, world.dolma, OWN) == 429, "a right guess is not told from a wrong one"
    phone.card(world.dolma_card)
    assert "Dolma" in phone.get("/").text


def test_a_row_of_right_sign_ins_is_no_row_of_tries(phone: Reader, world: World) -> None:
    assert [tap(phone, world.dolma, OWN) for _ in range(8)] == [303] * 8


def test_many_devices_together_try_no_more_than_fifteen(box: Installation, world: World) -> None:
    app, wrong = create_app(installation=box), 0
    for device in range(6):
        phone = Reader(app.test_client())
        phone.client.environ_base["REMOTE_ADDR"] = f"192.168.1.{device + 10}"
        wrong += sum(tap(phone, world.dolma, ["cup", "cup", "tent"]) == 400 for _ in range(5))
    assert wrong == 15


def test_a_browser_that_guesses_on_and_on_closes_no_door_to_its_class(
    box: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a class come through one router, so they have one address."""
    stopped_s = box.steady.now_s()
    monkeypatch.setattr(box.steady, "now_s", lambda: stopped_s)  # else a slow machine gives tries back meanwhile
    app, wrong = create_app(installation=box), ["moon", "moon", "tree"]
    with box.database.write() as session:
        group = groups.add(session, org_uid=world.school, stage="primary", intake_year=2023, class_number=1)
        others = [people.add(session, org_uid=world.school, name=f"Child {number}") for number in range(9)]
        for child in others:
            enrolment.enrol(session, person_uid=child.uid, group_uid=group.uid, starts_on=BEGAN)
            credentials.issue_card(session, child.uid)
            picture_secrets.choose(session, box.keys.secret, child.uid, OWN)
    stranger = Reader(app.test_client())
    statuses = [tap_at_once(stranger, child.uid, wrong) for child in others for _ in range(5)]
    assert statuses == [400] * 40 + [429] * 5
    assert tap_at_once(Reader(app.test_client()), world.dolma, OWN) == 303


def test_who_throws_the_cookies_away_has_to_wait_in_the_end(
    box: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_s = box.steady.now_s()
    monkeypatch.setattr(box.steady, "now_s", lambda: stopped_s)
    monkeypatch.setattr(class_list, "_ADDRESS", Limit("pictures-address", 3, 10))
    app = create_app(installation=box)
    statuses = [tap_at_once(Reader(app.test_client()), world.dolma, ["moon", "moon", "tree"]) for _ in range(4)]
    assert statuses == [400] * 3 + [429]


def test_an_adult_is_not_in_the_list_and_has_no_pictures(phone: Reader, box: Installation, world: World) -> None:
    pema = phone.sign_in("pema", PASSWORD)
    assert pema.get("/my-pictures").status_code == 303
    page = phone.get("/classes").text + phone.get(f"/classes/{world.group}").text
    assert "Tashi" not in page


def test_a_child_of_another_school_cannot_come_in(phone: Reader, box: Installation, world: World) -> None:
    with box.database.write() as session:
        picture_secrets.choose(session, box.keys.secret, world.stranger, OWN)
    assert phone.get(f"/children/{world.stranger}/pictures").location == "/card"


def test_a_new_card_ends_the_pictures_and_the_sign_in_made_with_them(phone: Reader, box: Installation, world: World) -> None:
    assert tap(phone, world.dolma, OWN) == 303
    with box.database.write() as session:
        credentials.issue_card(session, world.dolma)
    assert phone.get("/").location == "/card"
    assert phone.get(f"/children/{world.dolma}/pictures").location == "/card"


def test_a_child_chooses_its_pictures_after_signing_in_with_the_card(phone: Reader, box: Installation, world: World) -> None:
    phone.card(world.lhamo_card)
    assert "/my-pictures" in phone.get("/").text
    same = {"picture": ["cup"] * 3, "save": "1"}
    assert phone.post("/my-pictures", same, page="/my-pictures").status_code == 400
    chosen = {"picture": ["cup", "bird", "star"], "save": "1"}
    assert phone.post("/my-pictures", chosen, page="/my-pictures").status_code == 303
    assert "/my-pictures" not in phone.get("/").text
    phone.post("/sign-out", page="/turn")
    assert tap(phone, world.lhamo, ["cup", "bird", "star"]) == 303


def test_the_admin_takes_pictures_away_at_the_box(phone: Reader, box: Installation, world: World) -> None:
    pema = phone.sign_in("pema")
    path = f"/people/{world.dolma}"
    assert "Take the pictures away" in pema.get(path).text
    assert pema.post(f"{path}/pictures/forget", page=path).status_code == 303
    with box.database.read() as session:
        assert not picture_secrets.has(session, world.dolma)


def test_the_admin_chooses_what_is_allowed(browser: Browser, installation: Installation, world: World) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/children-sign-in"
    assert path in pema.get(f"/schools/{world.school}").text
    assert pema.post(path, {"by_pictures": "y"}, page=path).status_code == 303
    with installation.database.read() as session:
        assert children_sign_in.of_school(session, world.school) == Allowed(by_pictures=True)
    pema.post(path, {}, page=path)
    with installation.database.read() as session:
        assert children_sign_in.of_school(session, world.school) == Allowed()
    assert browser().sign_in("norbu").get(path).status_code == 403


def test_what_is_kept_of_pictures_is_worth_nothing_without_the_machines_secret(box: Installation, world: World) -> None:
    with box.database.write() as session:
        row = session.scalars(select(PictureSecret)).one()
        assert not any(name in row.verifier for name in picture_secrets.PICTURES)
        with pytest.raises(PicturesWrong):
            picture_secrets.check(session, b"x" * 32, world.dolma, OWN)
        for wrong in (["sun"], ["sun", "sun", "sun"], ["sun", "fish", "yak"], []):
            with pytest.raises(BadInput):
                picture_secrets.choose(session, box.keys.secret, world.dolma, wrong)
        assert picture_secrets.check(session, box.keys.secret, world.dolma, OWN).kind == "card"


def test_who_has_a_turn_without_the_card_cannot_choose_that_childs_pictures(phone: Reader, box: Installation, world: World) -> None:
    """Else one tap on a shared device would open the other child's pages from every device from then on."""
    with box.database.write() as session:
        children_sign_in.choose(session, world.school, Allowed(by_pictures=True, turns_without_card=True))
    phone.card(world.lhamo_card).card(world.dolma_card)
    assert phone.post("/turn", {"person_uid": world.lhamo}, page="/turn").location == "/"
    assert "/my-pictures" not in phone.get("/").text
    chosen = {"picture": ["cup", "bird", "star"], "save": "1"}
    assert phone.post("/my-pictures", chosen, page="/turn").location == "/"
    with box.database.read() as session:
        assert not picture_secrets.has(session, world.lhamo)
