"""How people prove who they are, and how that ends."""

import pytest
from sqlalchemy import select

from eduhub.accounts import cards, credentials, passwords, people, sign_ins
from eduhub.accounts.models import Credential, Person
from eduhub.changes import FieldChange, erase, merge
from eduhub.db import Database
from eduhub.errors import BadInput, CardNotKnown, NotFound, PasswordTooWeak, SignInFailed, SignInNameTaken
from eduhub.uids import make_uid, new_uid

ORG = make_uid(1, 1)
PASSWORD = "yak butter lamp"


def _tashi(database: Database) -> str:
    with database.write() as session:
        tashi = people.add(session, org_uid=ORG, name="Tashi", sign_in_name="Tashi")
        credentials.set_password(session, tashi.uid, PASSWORD)
        return tashi.uid


def _dolma(database: Database) -> tuple[str, str]:
    with database.write() as session:
        dolma = people.add(session, org_uid=ORG, name="Dolma")
        return dolma.uid, credentials.issue_card(session, dolma.uid)


def test_a_name_and_its_password_sign_in(database: Database) -> None:
    uid = _tashi(database)
    with database.write() as session:
        found = credentials.check_password(session, " TASHI ", PASSWORD)
        assert found.person_uid == uid
        started = sign_ins.start(session, found)
        assert sign_ins.find(session, started.uid) is started


@pytest.mark.parametrize(
    ("name", "password"), [("tashi", "yak butter lamps"), ("pema", PASSWORD), ("tashi", ""), ("", ""), ("tashi", "\x00")]
)
def test_a_wrong_name_or_password_does_not(database: Database, name: str, password: str) -> None:
    _tashi(database)
    with pytest.raises(SignInFailed), database.write() as session:
        credentials.check_password(session, name, password)


def test_an_unknown_name_costs_one_slow_hash_like_a_known_one(
    database: Database, passwords_as_shipped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tashi(database)
    hashed: list[str] = []
    verify = passwords._hasher.verify
    monkeypatch.setattr(
        type(passwords._hasher), "verify", lambda _self, kept, given: (hashed.append(kept), verify(kept, given))[1]
    )
    for name in ("tashi", "nobody.here"):
        with pytest.raises(SignInFailed), database.write() as session:
            credentials.check_password(session, name, "wrong password")
    assert len(hashed) == 2
    costs = {kept.split("$")[3] for kept in hashed}
    assert costs == {"m=19456,t=2,p=1"}


def test_the_password_itself_is_kept_nowhere(database: Database, passwords_as_shipped: None) -> None:
    _tashi(database)
    with database.read() as session:
        kept = session.scalars(select(Credential.verifier)).all()
    assert len(kept) == 1
    assert kept[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    "password",
    ["", "short", "1234567", "12345678", "87654321", "aaaaaaaa", "abababab", "Password", "QWERTY123", "abcdefghij",
     "tashi", "tashi2026", "woaini1314", "x" * 201],
)  # fmt: skip
def test_a_weak_password_is_refused_and_the_old_one_stays(database: Database, password: str) -> None:
    uid = _tashi(database)
    with pytest.raises(PasswordTooWeak), database.write() as session:
        credentials.set_password(session, uid, password)
    with database.write() as session:
        credentials.check_password(session, "tashi", PASSWORD)


def test_a_password_may_be_written_in_any_script(database: Database) -> None:
    uid = _tashi(database)
    with database.write() as session:
        credentials.set_password(session, uid, "གངས་ལྗོངས་བདེ་སྐྱིད་")
        assert credentials.check_password(session, "tashi", "གངས་ལྗོངས་བདེ་སྐྱིད་").person_uid == uid


def test_a_new_password_ends_the_old_one_and_what_was_signed_in_with_it(database: Database) -> None:
    uid = _tashi(database)
    with database.write() as session:
        started = sign_ins.start(session, credentials.check_password(session, "tashi", PASSWORD))
        credentials.set_password(session, uid, "another yak lamp")
        assert sign_ins.find(session, started.uid) is None
        with pytest.raises(SignInFailed):
            credentials.check_password(session, "tashi", PASSWORD)
        credentials.check_password(session, "tashi", "another yak lamp")


def test_a_verifier_made_at_older_costs_is_made_again(database: Database, passwords_as_shipped: None) -> None:
    from argon2 import PasswordHasher

    uid = _tashi(database)
    with database.write() as session:
        credential = credentials.of(session, uid)[0]
        credential.verifier = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    with database.write() as session:
        found = credentials.check_password(session, "tashi", PASSWORD)
        credentials.keep_renewed(session, found.uid, credentials.renewed(found, PASSWORD) or "")
        assert "m=19456,t=2" in credentials.of(session, uid)[0].verifier


def test_two_people_do_not_get_one_sign_in_name_here(database: Database) -> None:
    _tashi(database)
    with pytest.raises(SignInNameTaken), database.write() as session:
        people.add(session, org_uid=ORG, name="Another Tashi", sign_in_name="ＴＡＳＨＩ")


def test_two_people_who_got_one_name_on_two_machines_both_sign_in(database: Database) -> None:
    first = _tashi(database)
    with database.write() as session:
        session.add(second := Person(org_uid=ORG, name="Tashi of the hub", sign_in_name="tashi"))
        session.flush()
        credentials.set_password(session, second.uid, "barley and tea")
        assert credentials.check_password(session, "tashi", PASSWORD).person_uid == first
        assert credentials.check_password(session, "tashi", "barley and tea").person_uid == second.uid


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\x00b", "a\x1bb"])
def test_a_person_has_a_name_that_can_be_shown(database: Database, name: str) -> None:
    with pytest.raises(BadInput), database.write() as session:
        people.add(session, org_uid=ORG, name=name)


@pytest.mark.parametrize("name", ["", "t", "two words", "x" * 101, "a\u200bb", "\ue000ab"])
def test_a_sign_in_name_is_one_plain_word(database: Database, name: str) -> None:
    with pytest.raises(BadInput), database.write() as session:
        people.add(session, org_uid=ORG, name="Tashi", sign_in_name=name)


def test_a_card_signs_in_however_its_code_is_typed(database: Database) -> None:
    uid, code = _dolma(database)
    typed = " - ".join(code[start : start + 4] for start in range(0, 26, 4)).lower().replace("0", "o").replace("1", "l")
    with database.write() as session:
        assert credentials.check_card(session, code).person_uid == uid
        assert credentials.check_card(session, typed).person_uid == uid


@pytest.mark.parametrize("typed", ["", "0" * 26, "0" * 25, "0" * 27, "U" * 26, "དོལ་མ", "'; drop table person"])
def test_a_code_that_was_never_given_out_signs_nobody_in(database: Database, typed: str) -> None:
    _dolma(database)
    with pytest.raises(CardNotKnown), database.write() as session:
        credentials.check_card(session, typed)


def test_a_new_card_ends_the_old_one(database: Database) -> None:
    uid, old = _dolma(database)
    with database.write() as session:
        started = sign_ins.start(session, credentials.check_card(session, old))
        new = credentials.issue_card(session, uid)
        assert sign_ins.find(session, started.uid) is None
        assert credentials.check_card(session, new).person_uid == uid
        with pytest.raises(CardNotKnown):
            credentials.check_card(session, old)


def test_a_card_revoked_elsewhere_ends_what_was_signed_in_here(database: Database) -> None:
    _uid, code = _dolma(database)
    with database.write() as session:
        credential = credentials.check_card(session, code)
        started = sign_ins.start(session, credential)
        merge(session, [FieldChange("credential", credential.uid, "revoked_on", 99, new_uid(), ORG, "2026-11-23", 0)])
        assert sign_ins.find(session, started.uid) is None
        with pytest.raises(CardNotKnown):
            credentials.check_card(session, code)


def test_an_erased_person_is_signed_out(database: Database) -> None:
    uid, code = _dolma(database)
    with database.write() as session:
        started = sign_ins.start(session, credentials.check_card(session, code))
        erase(session, session.get_one(Person, uid))
        assert sign_ins.find(session, started.uid) is None
        with pytest.raises(CardNotKnown):
            credentials.check_card(session, code)


def test_signing_out_here_leaves_another_browser_signed_in(database: Database) -> None:
    uid = _tashi(database)
    with database.write() as session:
        credential = credentials.check_password(session, "tashi", PASSWORD)
        phone, screen = sign_ins.start(session, credential), sign_ins.start(session, credential)
        sign_ins.end(session, phone.uid)
        sign_ins.end(session, phone.uid)
        assert sign_ins.find(session, phone.uid) is None
        assert sign_ins.find(session, screen.uid) is not None
        sign_ins.end_all(session, uid)
        assert sign_ins.find(session, screen.uid) is None


def test_nobody_gets_a_credential_who_is_not_here(database: Database) -> None:
    with database.write() as session:
        for give in (lambda: credentials.issue_card(session, new_uid()),
                     lambda: credentials.set_password(session, new_uid(), PASSWORD),
                     lambda: credentials.revoke(session, new_uid())):  # fmt: skip
            with pytest.raises(NotFound):
                give()


def test_a_code_has_130_bits() -> None:
    assert cards.write(0) == "0" * 26
    assert cards.write(2**130 - 1) == "Z" * 26
    assert len({cards.new_code() for _ in range(200)}) == 200
