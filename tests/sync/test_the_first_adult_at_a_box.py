"""An adult comes to a box that knows no password of theirs, with a word that was made at the hub for that school's boxes."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts import credentials, roles
from eduhub.accounts.models import AuditEntry, Credential, Person, RoleGrant
from eduhub.app import create_app
from eduhub.errors import LinkDown, SignInFailed, WordEnded
from eduhub.installation import Installation
from eduhub.sync.models import OutboxRow, StreamRow
from tests.sync.world import WEDNESDAY_MS, Hub, School
from tests.web.world import Reader

DAY_MS = 86_400_000
TODAY = "2026-11-25"
CHOSEN = "yak butter lamp"


@pytest.fixture
def schools(hub: Hub, box: Installation, make_box: Callable[[], Installation]) -> tuple[School, School, Installation]:
    """Two schools with a teacher each, and a box at each of them."""
    here, there = hub.school("Shuanghu", children=1), hub.school("Nyima")
    hub.adult(here.org, "Tashi", "teacher")
    hub.adult(there.org, "Yangzom", "teacher")
    other = make_box()
    hub.join(box, here)
    hub.join(other, there, "nyima-1")
    return here, there, other


def word_for(hub: Hub, school: School, name: str = "tashi") -> str:
    """A word, made at the hub."""
    word = credentials.new_box_word()
    with hub.here.database.write() as session:
        person = session.scalars(select(Person).where(Person.sign_in_name == name)).one()
        held = credentials.box_word_of(session, person.uid, school.org, TODAY)
        assert credentials.give_box_word_after(session, person.uid, school.org, word, held.uid if held else "", TODAY)
    return word.told


def words_at(box: Installation) -> list[str]:
    """The uids of the words for boxes that a machine holds."""
    with box.database.read() as session:
        return list(session.scalars(select(Credential.uid).where(Credential.kind == "box_word")))


def come(box: Installation, word: str, name: str = "tashi") -> tuple[Reader, int]:
    """Somebody signs in at the page of a machine: their browser, and how it was answered."""
    reader = Reader(create_app(installation=box).test_client())
    return reader, reader.post("/sign-in", {"sign_in_name": name, "password": word}, page="/sign-in").status_code


def gets_in(box: Installation, word: str, name: str = "tashi") -> bool:
    return come(box, word, name)[1] == 303


def test_a_word_of_the_hub_opens_the_box_once_and_a_password_is_chosen_there_while_the_link_is_down(
    hub: Hub, box: Installation, schools: tuple[School, School, Installation]
) -> None:
    here, _there, _other = schools
    word = word_for(hub, here)
    assert not gets_in(box, word)  # it has not come yet
    hub.sync(box)
    hub.wire.cut_after = 0
    tashi, _status = come(box, word)
    assert tashi.get("/account").headers["Location"] == "/account/password"
    form = {"present": word, "new": CHOSEN, "again": CHOSEN}
    assert tashi.post("/account/password", form, page="/account/password").headers["Location"] == "/account"
    assert tashi.get("/account").status_code == 200
    assert not gets_in(box, word)
    assert gets_in(box, CHOSEN)
    with pytest.raises(LinkDown):
        hub.sync(box)

    hub.wire.cut_after = None
    hub.sync(box)
    with hub.here.database.read() as session:
        held = session.scalars(select(Credential).where(Credential.kind == "box_word")).one()
        assert held.revoked_on is not None
        put_aside = AuditEntry.action.startswith("sync.put_aside")
        assert session.scalars(select(AuditEntry.action).where(put_aside)).all() == []
    with box.database.read() as session:
        rows = [str(row.body) for row in session.scalars(select(OutboxRow))]
        kept = session.scalars(select(Credential.verifier).where(Credential.kind != "box_word")).all()
    assert len(kept) == 2  # the word as one that is good once here, and the password: neither leaves the box
    assert not any("argon2" in row for row in rows)
    hub.sync(box)
    assert words_at(box) == []
    assert gets_in(box, CHOSEN)


def test_a_browser_that_is_closed_before_a_password_was_chosen_costs_no_second_word(
    hub: Hub, box: Installation, schools: tuple[School, School, Installation]
) -> None:
    word = word_for(hub, schools[0])
    hub.sync(box)
    assert gets_in(box, word)
    hub.sync(box)  # which takes the word itself away from the box
    hub.sync(box)
    assert words_at(box) == []
    again, _status = come(box, word)
    assert again.get("/account").headers["Location"] == "/account/password"


def test_a_word_goes_to_the_boxes_of_its_school_only_and_opens_no_other_and_nothing_at_the_hub(
    hub: Hub, box: Installation, schools: tuple[School, School, Installation]
) -> None:
    here, there, other = schools
    # Somebody who works at both schools: whatever opens this school's box opens this school's box.
    hub.adult(here.org, "Both", "teacher")
    with hub.here.database.write() as session:
        both = session.scalars(select(Person).where(Person.sign_in_name == "both")).one()
        session.add(RoleGrant(
            org_uid=there.org, person_uid=both.uid, role="teacher", scope_kind="organisation", scope_uid=there.org, starts_on="2026-09-01"
        ))  # fmt: skip
    word = word_for(hub, here, "both")
    hub.sync(box)
    hub.sync(other)
    assert len(words_at(box)) == 1
    assert words_at(other) == []
    assert not gets_in(other, word, "both")
    assert not gets_in(hub.here, word, "both")
    assert gets_in(box, word, "both")


def test_a_word_ends_after_three_days_of_the_schools_time_whatever_the_clock_of_the_box_says(
    hub: Hub, box: Installation, schools: tuple[School, School, Installation]
) -> None:
    word = word_for(hub, schools[0])
    hub.sync(box)
    clock.freeze(WEDNESDAY_MS + 40 * DAY_MS)  # the box's wall clock is wrong: it has run for no day
    with box.database.read() as session:
        assert credentials.check_password(session, "tashi", word, box.steady.now_s(), "2026-11-28").kind == "box_word"
        with pytest.raises(WordEnded):
            credentials.check_password(session, "tashi", word, box.steady.now_s(), "2026-11-29")
        with pytest.raises(SignInFailed):
            credentials.check_password(session, "tashi", word, box.steady.now_s(), None)
    assert gets_in(box, word)


def test_an_old_word_leaves_the_box_with_the_day_and_an_ended_one_with_the_next_contact(
    hub: Hub, box: Installation, schools: tuple[School, School, Installation]
) -> None:
    here = schools[0]
    first = word_for(hub, here)
    hub.sync(box)
    second = word_for(hub, here)
    hub.sync(box)
    assert len(words_at(box)) == 1
    assert not gets_in(box, first)
    clock.freeze(WEDNESDAY_MS + 4 * DAY_MS)
    hub.sync(box)
    assert words_at(box) == []
    assert not gets_in(box, second)
    with hub.here.database.read() as session:
        row = session.scalars(select(StreamRow).where(StreamRow.table_name == "credential").order_by(StreamRow.sequence.desc())).first()
        assert row is not None
        assert row.kind == "removal"


def test_what_a_thief_finds_in_the_box_is_a_slow_hash_of_57_bits_that_opens_nothing_at_the_hub(
    hub: Hub, box: Installation, schools: tuple[School, School, Installation]
) -> None:
    word = word_for(hub, schools[0])
    hub.sync(box)
    with box.database.read() as session:
        held = session.scalars(select(Credential).where(Credential.kind == "box_word")).one().verifier
        assert session.scalars(select(Credential.kind).distinct()).all() == ["box_word"]
    assert word not in held
    assert "$argon2id$" in held
    syllables = len(word.replace("-", "")) // 2 - 1
    assert (16 * 5) ** syllables * 90 > 2**57
    for stolen in (held, held.partition(" ")[2]):
        assert not gets_in(hub.here, stolen[:200])
        assert not gets_in(box, stolen[:200])


def test_who_left_the_school_has_no_word_at_its_box_any_more(
    hub: Hub, box: Installation, schools: tuple[School, School, Installation]
) -> None:
    word = word_for(hub, schools[0])
    hub.sync(box)
    with hub.here.database.write() as session:
        tashi = session.scalars(select(Person).where(Person.sign_in_name == "tashi")).one()
        roles.end(session, session.scalars(select(RoleGrant.uid).where(RoleGrant.person_uid == tashi.uid)).one(), TODAY)
    hub.sync(box)
    assert words_at(box) == []
    assert not gets_in(box, word)
