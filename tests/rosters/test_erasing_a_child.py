"""A child is exported whole and without secrets, and erased whole, here and at the school's box."""

import json

from sqlalchemy import select

from eduhub import changes
from eduhub.accounts import credentials, people, sign_ins
from eduhub.accounts.models import Credential, Person, SignIn
from eduhub.changes import Change, Tombstone
from eduhub.learning import events, progress
from eduhub.learning.models import Event, Progress
from eduhub.rosters import consent, erasing, export
from eduhub.schools.models import Enrolment
from eduhub.sync.school_stream import applying
from eduhub.uids import new_uid
from tests.courses.conftest import add_lesson


def watched(house, actor: str, lesson: str, subjects: list[str] | None = None) -> dict[str, object]:
    return {
        "uid": new_uid(), "kind": "watched", "version": 1, "org": house.shuanghu, "actor": actor, "subjects": subjects or [],
        "context": "class_screen", "lesson": lesson, "timeline": new_uid(), "part": None, "from_ms": 0, "to_ms": 9000,
        "watched_ms": 9000, "made_ms": 1,
    }  # fmt: skip


def learn(session, house) -> None:
    """Dolma watches alone, and together with Lhamo before Tashi."""
    lesson = add_lesson(session, house.course)
    found = [watched(house, house.dolma, lesson), watched(house, house.tashi, lesson, [house.dolma, house.pema])]
    for event in events.append(session, found, source=changes.machine_uid(session)).accepted:
        progress.apply(session, event)


def test_everything_of_a_child_is_exported_but_no_secret_and_nobody_else(installation, house):
    with installation.database.write() as session:
        learn(session, house)
        people.change(session, house.dolma, name="Dolma Tso")
        consent.note(session, session.get_one(Person, house.dolma), on="2026-11-23", by_uid=house.pema)
        card = credentials.check_card(session, credentials.issue_card(session, house.dolma))
        sign_ins.start(session, card)
        kept = export.of_child(session, house.dolma)
        text = json.dumps(kept)
        assert kept["format"] == "eduhub-person/1"
        assert kept["person"]["name"] == "Dolma Tso"
        assert kept["record"]["consent_on"] == "2026-11-23"
        assert (len(kept["classes"]), len(kept["cards"]), len(kept["sign_ins"])) == (1, 1, 1)
        assert [row["watched_ms"] for row in kept["progress"]][:1] == [9000]
        assert sorted(event["subjects"] for event in kept["events"]) == [[], [house.dolma]]
        assert {"Dolma", "Dolma Tso"} <= {change["value"] for change in kept["changes"] if change["field"] == "name"}
        assert card.verifier not in text
        assert house.tashi not in text
        assert "Pema" not in text


def test_an_erased_child_leaves_no_name_no_row_and_nothing_learned(installation, house):
    with installation.database.write() as session:
        learn(session, house)
        sign_ins.start(session, credentials.check_card(session, credentials.issue_card(session, house.dolma)))
        erasing.erase_child(session, house.dolma)
    with installation.database.read() as session:
        assert session.get(Person, house.dolma) is None
        for model in (Enrolment, Credential, SignIn, Progress):
            assert session.scalars(select(model).where(model.person_uid == house.dolma)).all() == []
        assert not [change for change in session.scalars(select(Change)) if change.value == "Dolma"]
        [left] = session.scalars(select(Event)).all()
        assert (left.actor_uid, left.subject_uids, left.body["subjects"]) == (house.tashi, [house.pema], [house.pema])
        assert session.get(Tombstone, ("person", house.dolma)) is not None
        assert session.get(Tombstone, ("learner_record", house.dolma)) is not None
        assert session.get(Person, house.lhamo) is not None


def test_a_late_report_of_a_teacher_does_not_name_an_erased_child_again(installation, house):
    with installation.database.write() as session:
        late = watched(house, house.tashi, add_lesson(session, house.course), [house.dolma, house.pema])
        erasing.erase_child(session, house.dolma)
        for event in events.append(session, [late], source=new_uid(), hub=True).accepted:
            progress.apply(session, event)
    with installation.database.read() as session:
        [kept] = session.scalars(select(Event)).all()
        assert (kept.subject_uids, kept.body["subjects"]) == ([house.pema], [house.pema])
        assert session.scalars(select(Progress).where(Progress.person_uid == house.dolma)).all() == []


def test_a_tombstone_that_comes_to_a_box_takes_what_was_learned_there_too(installation, house):
    with installation.database.write() as session:
        learn(session, house)
        entry = {"kind": "tombstone", "table": "person", "uid": house.dolma, "fields": []}
        applying.apply_entries(session, house.shuanghu, [entry])
        assert session.get(Person, house.dolma) is None
        assert session.scalars(select(Progress).where(Progress.person_uid == house.dolma)).all() == []
        assert [event.actor_uid for event in session.scalars(select(Event))] == [house.tashi]


def test_a_consent_is_noted_and_ended(installation, house):
    with installation.database.write() as session:
        child = session.get_one(Person, house.dolma)
        assert consent.of(session, house.dolma) is None
        consent.note(session, child, on="2026-11-23", by_uid=house.pema)
        assert consent.of(session, house.dolma) == "2026-11-23"
        consent.note(session, child, on=None, by_uid=None)
        assert consent.of(session, house.dolma) is None
