"""Places of learners without a name: the number on their paper."""

import pytest
from sqlalchemy import select

from eduhub import changes
from eduhub.db import Database
from eduhub.errors import PlaceNotKnown
from eduhub.learning import events, places
from eduhub.learning.models import Event
from eduhub.uids import new_uid

SECRET = b"s" * 32


def test_every_wrong_digit_and_every_swap_of_neighbours_is_seen() -> None:
    for _ in range(200):
        code = places.new_code()
        assert places.read(code) == code
        for at in range(places.DIGITS):
            wrong = [code[:at] + str(digit) + code[at + 1 :] for digit in range(10) if str(digit) != code[at]]
            assert all(places.read(one) is None for one in wrong)
        for at in range(places.DIGITS - 1):
            swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
            assert swapped == code or places.read(swapped) is None


def test_it_is_read_in_the_digits_of_any_script_and_however_it_is_spaced() -> None:
    code = places.new_code()
    tibetan = "".join(chr(0x0F20 + int(digit)) for digit in code)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in code)
    for typed in (code, places.write(code), "-".join(code), tibetan, wide, f"  {code} "):
        assert places.read(typed) == code
    for typed in ("", "12", code + "0", code[:-1] + "x", "²" * 9 + "a", "9" * 4000):
        assert places.read(typed) is None


def test_a_place_is_found_by_its_number_at_its_machine_alone(database: Database) -> None:
    with database.write() as session:
        made, code = places.make(session, SECRET)
        other, _code = places.make(session, SECRET)
        assert other.uid != made.uid
        assert places.find(session, SECRET, places.write(code)).uid == made.uid
        for secret, typed in ((b"t" * 32, code), (SECRET, "000000000"), (SECRET, "nonsense")):
            with pytest.raises(PlaceNotKnown):
                places.find(session, secret, typed)
        assert code not in made.code_key


WATCHED = {
    "kind": "watched", "version": 1, "lesson": new_uid(), "timeline": new_uid(), "from_ms": 0, "to_ms": 4000,
    "watched_ms": 4000, "made_ms": 1, "subjects": [], "context": "station",
}  # fmt: skip


def say(database: Database, place: str, org: str, source: str) -> str | None:
    """One event of a place comes to the hub; why it does not count."""
    uid = new_uid()
    with database.write() as session:
        events.append(session, [WATCHED | {"uid": uid, "actor": place, "org": org}], source=source, hub=True)
    with database.read() as session:
        return session.get_one(Event, uid).quarantined


def test_a_place_is_of_the_school_that_was_the_first_to_know_it(database: Database) -> None:
    place, own, other = new_uid(), new_uid(), new_uid()
    assert say(database, place, own, new_uid()) is None
    assert say(database, place, other, new_uid()) == "foreign_place"
    assert say(database, place, own, new_uid()) is None
    with database.read() as session:
        assert session.scalars(select(Event.org_uid).where(Event.actor_uid == place, Event.quarantined.is_(None))).all() == [own, own]


def test_no_box_says_what_was_watched_at_a_place_that_was_made_at_the_hub(database: Database) -> None:
    with database.write() as session:
        place, _code = places.make(session, SECRET)
        here = changes.machine_uid(session)
    assert say(database, place.uid, new_uid(), new_uid()) == "foreign_place"
    assert say(database, place.uid, new_uid(), here) is None


def test_a_hub_counts_what_a_place_has_watched_and_no_unknown_child(database: Database) -> None:
    watched = {
        "kind": "watched", "version": 1, "org": new_uid(), "lesson": new_uid(), "timeline": new_uid(), "from_ms": 0,
        "to_ms": 4000, "watched_ms": 4000, "made_ms": 1, "subjects": [],
    }  # fmt: skip
    sent = [watched | {"uid": new_uid(), "actor": new_uid(), "context": context} for context in ("station", "own_device")]
    with database.write() as session:
        done = events.append(session, sent, source=new_uid(), hub=True)
    assert [row.uid for row in done.accepted] == [sent[0]["uid"]]
    assert done.quarantined == [sent[1]["uid"]]
