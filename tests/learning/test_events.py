"""Events are stored once, bounded, relayed whole, and what cannot be true counts for nothing."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from eduhub import changes
from eduhub.accounts.models import Person, RoleGrant
from eduhub.db import Database
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BadFormat
from eduhub.learning import events, parsing, progress
from eduhub.learning.models import Event
from eduhub.schools.models import Enrolment
from eduhub.uids import new_uid

SCHOOL, LESSON, TIMELINE, BOX = new_uid(), new_uid(), new_uid(), new_uid()


def watched(actor: str, from_ms: int = 0, to_ms: int = 10_000, **values) -> dict:
    return {
        "uid": new_uid(), "kind": "watched", "version": 1, "org": SCHOOL, "actor": actor, "lesson": LESSON,
        "timeline": TIMELINE, "part": "v240", "from_ms": from_ms, "to_ms": to_ms, "watched_ms": to_ms - from_ms,
        "stalls": 0, "context": "own_device", "made_ms": 1_795_000_000_000, "subjects": [],
    } | values  # fmt: skip


def record(database: Database, found: list, **how) -> events.Appended:
    with database.write() as session:
        done = events.append(session, found, source=BOX, **how)
        for row in done.accepted:
            progress.apply(session, row)
        return done


@pytest.fixture
def dolma(database: Database) -> str:
    with database.write() as session:
        person = Person(org_uid=SCHOOL, name="Dolma", sign_in_name=None, language=None, picture=None)
        session.add(person)
        return person.uid


def seen_ms(database: Database, person_uid: str) -> int:
    with database.read() as session:
        row = progress.of(session, person_uid, LESSON, TIMELINE)
        return row.seen_ms if row is not None else 0


def test_an_event_sent_three_times_is_stored_and_counted_once(database, dolma):
    event = watched(dolma)
    first, second = record(database, [event, event]), record(database, [event])
    assert ([row.uid for row in first.accepted], first.known, second.known) == (
        [event["uid"]], [event["uid"]], [event["uid"]],
    )  # fmt: skip
    assert first.new == {event["uid"]}
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 1
        row = progress.of(session, dolma, LESSON, TIMELINE)
        assert row is not None
        assert (row.seen_ms, row.watched_ms, row.position_ms) == (10_000, 10_000, 10_000)


def test_kinds_contexts_and_fields_of_a_later_release_are_kept_and_book_nothing(database, dolma):
    event = {
        "uid": new_uid(), "kind": "juggled", "version": 7, "org": SCHOOL, "actor": dolma, "context": "hologram",
        "made_ms": 5, "balls": {"red": 3},
    }  # fmt: skip
    assert [row.uid for row in record(database, [event]).accepted] == [event["uid"]]
    with database.read() as session:
        row = session.get(Event, event["uid"])
        assert row is not None
        assert row.body == event
    assert seen_ms(database, dolma) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"uid": "1"}, {"uid": None}, {"kind": "Watched!"}, {"kind": "w" * 21}, {"version": 0}, {"version": True},
        {"org": None}, {"actor": None}, {"lesson": None}, {"timeline": "x"}, {"from_ms": None}, {"to_ms": 1.5},
        {"to_ms": -1}, {"to_ms": 172_800_001}, {"stalls": "0"}, {"context": ""}, {"made_ms": -1}, {"part": "p" * 65},
        {"subjects": "all"}, {"subjects": [1]}, {"note": "x" * 5000}, {"note": "\0"}, {"note": "\ud800"},
        {"note": float("nan")},
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_by_itself_and_the_rest_is_kept(database, dolma, change):
    good, bad = watched(dolma), watched(dolma) | change
    done = record(database, [bad, good, "not even an object"])
    assert [row.uid for row in done.accepted] == [good["uid"]]
    uid = bad["uid"] if isinstance(bad["uid"], str) else None
    assert done.refused == [events.Refused(uid, "format.bad"), events.Refused(None, "format.bad")]


def test_the_hub_refuses_nothing_that_has_a_uid_because_the_box_will_delete_it(database, dolma):
    event = watched(dolma, to_ms=999_999_999)
    assert record(database, [event], hub=True).quarantined == [event["uid"]]
    with database.read() as session:
        row = session.get(Event, event["uid"])
        assert row is not None
        assert (row.quarantined, row.body) == ("unreadable", event)
    assert record(database, [{"uid": "nothing"}], hub=True).refused == [events.Refused("nothing", "format.bad")]


@pytest.mark.parametrize("change", [{"from_ms": 20_000}, {"watched_ms": 60_000}])
def test_impossible_times_are_stored_and_count_for_nothing(database, dolma, change):
    event = watched(dolma) | change
    assert record(database, [event]).quarantined == [event["uid"]]
    assert seen_ms(database, dolma) == 0


def test_half_speed_and_double_speed_are_possible(database, dolma):
    record(database, [watched(dolma, 0, 10_000, watched_ms=20_000), watched(dolma, 10_000, 20_000, watched_ms=5_000)])
    assert seen_ms(database, dolma) == 20_000


def test_the_hub_sets_events_of_unknown_people_aside_until_the_roster_knows_them(database):
    stranger = new_uid()
    event = watched(stranger)
    assert record(database, [event], hub=True).quarantined == [event["uid"]]
    with database.write() as session:
        session.add(Person(uid=stranger, org_uid=SCHOOL, name="Dolma", sign_in_name=None, language=None, picture=None))
    with database.write() as session:
        assert events.reconsider(session, [stranger]) == 1
        assert events.reconsider(session, [stranger]) == 0
    assert seen_ms(database, stranger) == 10_000


def test_the_hub_takes_events_of_whoever_was_ever_enrolled_there_and_of_nobody_else(database):
    with database.write() as session:
        moved = Person(org_uid=new_uid(), name="Dolma", sign_in_name=None, language=None, picture=None)
        visitor = Person(org_uid=new_uid(), name="Lhamo", sign_in_name=None, language=None, picture=None)
        session.add_all([moved, visitor])
        session.add(
            Enrolment(
                org_uid=SCHOOL, person_uid=moved.uid, group_uid=new_uid(), starts_on="2020-09-01",
                ended_on="2021-07-01", end_reason="transferred",
            )
        )  # fmt: skip
    done = record(database, [watched(moved.uid), watched(visitor.uid)], hub=True)
    assert [row.actor_uid for row in done.accepted] == [moved.uid]
    with database.read() as session:
        assert session.scalar(select(Event.quarantined).where(Event.actor_uid == visitor.uid)) == "never_enrolled"


def test_events_of_an_organisation_the_sender_does_not_speak_for_count_for_nothing(database, dolma):
    event = watched(dolma)
    assert record(database, [event], hub=True, orgs=[new_uid()]).quarantined == [event["uid"]]
    assert seen_ms(database, dolma) == 0


def test_an_erased_child_leaves_no_event_and_nobody_sends_it_again(database, dolma):
    with database.write() as session:
        person = session.get(Person, dolma)
        assert person is not None
        changes.erase(session, person)
    event = watched(dolma)
    assert record(database, [event]).known == [event["uid"]]
    with database.read() as session:
        assert session.get(Event, event["uid"]) is None


def test_a_class_screen_credits_every_child_that_the_teacher_names(database, dolma):
    with database.write() as session:
        tashi = Person(org_uid=SCHOOL, name="Tashi", sign_in_name="tashi", language=None, picture=None)
        session.add(tashi)
        session.add(
            RoleGrant(
                org_uid=SCHOOL, person_uid=tashi.uid, role="teacher", scope_kind="organisation", scope_uid=SCHOOL,
                starts_on="2026-01-01", ended_on=None,
            )
        )  # fmt: skip
    record(database, [watched(tashi.uid, context="class_screen", subjects=[dolma, new_uid()])])
    assert (seen_ms(database, dolma), seen_ms(database, tashi.uid)) == (10_000, 0)


def test_a_teacher_credits_no_child_of_another_school_but_a_guest_and_one_who_left(database, dolma):
    elsewhere = new_uid()
    with database.write() as session:
        tashi = Person(org_uid=SCHOOL, name="Tashi", sign_in_name="tashi", language=None, picture=None)
        stranger, guest = (
            Person(org_uid=elsewhere, name=name, sign_in_name=None, language=None, picture=None) for name in ("Lhamo", "Nima")
        )
        session.add_all([tashi, stranger, guest])
        session.flush()
        session.add(
            RoleGrant(
                org_uid=SCHOOL, person_uid=tashi.uid, role="teacher", scope_kind="organisation", scope_uid=SCHOOL,
                starts_on="2026-01-01", ended_on=None,
            )
        )  # fmt: skip
        session.add(
            Enrolment(org_uid=SCHOOL, person_uid=guest.uid, group_uid=new_uid(), starts_on="2026-01-01", ended_on="2026-02-01")
        )
    record(database, [watched(tashi.uid, context="class_screen", subjects=[dolma, stranger.uid, guest.uid])])
    assert [seen_ms(database, uid) for uid in (dolma, stranger.uid, guest.uid)] == [10_000, 0, 10_000]


def hold_package(database: Database, timeline: str, duration_ms: int) -> None:
    manifest = Manifest(
        hub=new_uid(), lesson=LESSON, course=new_uid(), org=SCHOOL, revision=1, timeline=timeline, supersedes=None,
        language="zh", titles={"zh": "水"}, texts={}, audience="own", duration_ms=duration_ms, parts=(),
    ).to_bytes()  # fmt: skip
    with database.write() as session:
        session.add(PackageRow(
            id=f"{duration_ms:064x}", lesson_uid=LESSON, course_uid=None, org_uid=SCHOOL, revision=1, timeline_uid=timeline,
            manifest=manifest, signature={}, floor_held=False, superseded_by=None, superseded_steady_s=None,
            withdrawn=False, made_ms=0,
        ))  # fmt: skip


def test_nobody_watches_beyond_the_end_of_a_lesson(database, dolma):
    hold_package(database, TIMELINE, 59_000)
    hold_package(database, TIMELINE, 61_000)  # the master is a little longer than the light copy
    beyond, at_the_end = watched(dolma, 0, 86_400_000), watched(dolma, 50_000, 61_500)
    done = record(database, [beyond, at_the_end])
    assert (done.quarantined, [row.uid for row in done.accepted]) == ([beyond["uid"]], [at_the_end["uid"]])
    assert seen_ms(database, dolma) == 11_500
    with database.read() as session:
        assert session.get_one(Event, beyond["uid"]).quarantined == "beyond_the_end"


def test_an_event_of_a_time_axis_that_is_not_known_here_counts_as_before(database, dolma):
    hold_package(database, new_uid(), 1_000)
    assert record(database, [watched(dolma)]).quarantined == []


def test_a_child_cannot_credit_a_friend(database, dolma):
    with database.write() as session:
        friend = Person(org_uid=SCHOOL, name="Lhamo", sign_in_name=None, language=None, picture=None)
        session.add(friend)
    record(database, [watched(friend.uid, subjects=[dolma])])
    assert seen_ms(database, dolma) == 0
    record(database, [watched(friend.uid, subjects=[dolma, friend.uid])])
    assert (seen_ms(database, dolma), seen_ms(database, friend.uid)) == (0, 10_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)  # fmt: skip


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys((*watched(new_uid()), "anything else"), JSON)
    ).map(lambda chaos: watched(new_uid()) | chaos)
)
def test_whatever_arrives_is_an_event_within_bounds_or_refused(found):
    try:
        row = parsing.parse(found, source=BOX)
    except BadFormat:
        return
    assert row.body == found
    json.dumps(row.body, ensure_ascii=False).encode()
    assert 0 <= row.from_ms <= parsing.LONGEST_MS
    assert len(row.kind) <= 20
    assert len(row.part or "") <= 64


def test_the_format_document_and_its_vectors_say_what_the_code_does():
    folder = Path(__file__).parents[2] / "docs" / "formats"
    vectors = json.loads((folder / "vectors" / "events.json").read_text(encoding="utf-8"))
    for vector in vectors["events"]:
        row = parsing.parse(vector["event"], source=BOX)
        for column, value in vector["columns"].items():
            assert getattr(row, column) == value
    for vector in vectors["refused"]:
        with pytest.raises(BadFormat):
            parsing.parse(vector["event"], source=BOX)
    document = (folder / "events.md").read_text(encoding="utf-8")
    written = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (events, parsing))
    reasons = set(re.findall(r'"([a-z_]+)"', written)) & {
        "impossible_times", "beyond_the_end", "unknown_actor", "never_enrolled", "foreign_organisation", "foreign_place", "unreadable",
    }  # fmt: skip
    assert len(reasons) == 7
    assert all(f"`{reason}`" in document for reason in reasons)
