"""What the change log promises, case by case."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts.models import Person
from eduhub.changes import Change, FieldChange, FieldVersion, Travelling
from eduhub.changes.log import as_field_change
from eduhub.courses.models import Lesson
from eduhub.db import Base, Database
from eduhub.errors import BadFormat, BadInput
from eduhub.schools.models import Enrolment, Group, LearnerRecord, Organisation, SchoolCalendar
from eduhub.uids import make_uid, new_uid

ORG = make_uid(1, 1)
VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"


def _log(database: Database) -> list[FieldChange]:
    with database.read() as session:
        return [as_field_change(row) for row in session.scalars(select(Change).order_by(Change.seq))]


def _dolma(database: Database, **values: Any) -> str:
    with database.write() as session:
        session.add(dolma := Person(org_uid=ORG, name="Dolma", **values))
        return dolma.uid


def test_a_new_row_is_logged_field_by_field_in_the_same_transaction(database: Database) -> None:
    uid = _dolma(database, language="bo")
    log = _log(database)
    assert {change.field: change.value for change in log if change.row_uid == uid} == {
        "org_uid": ORG, "name": "Dolma", "sign_in_name": None, "language": "bo", "picture": None,
    }  # fmt: skip
    assert {change.counter for change in log} == {1}


def test_a_transaction_that_fails_leaves_no_change_behind(database: Database) -> None:
    def fail(session: Session) -> None:
        session.add(Person(org_uid=ORG, name="Dolma"))
        session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.write() as session:
        fail(session)
    assert _log(database) == []


def test_a_write_is_booked_to_the_person_who_made_it(database: Database) -> None:
    tashi = new_uid()
    with database.write() as session:
        session.info["by_uid"] = tashi
        session.add(Person(org_uid=ORG, name="Dolma"))
    assert {change.by_uid for change in _log(database)} == {tashi}


def test_a_wrong_clock_decides_nothing(database: Database, second_database: Callable[[], Database]) -> None:
    uid, other = _dolma(database), second_database()
    with other.write() as session:
        changes.merge(session, _log(database))
    clock.freeze(4_070_908_800_000)  # a box that believes it is 2099
    with other.write() as session:
        session.get_one(Person, uid).name = "Dolma of 2099"
    clock.freeze(None)
    with database.write() as session:
        changes.merge(session, _log(other))
        session.get_one(Person, uid).name = "Dolma again"
    with other.write() as session:
        changes.merge(session, _log(database))
        assert session.get_one(Person, uid).name == "Dolma again"


def test_what_lost_stays_in_the_history(database: Database, second_database: Callable[[], Database]) -> None:
    uid, other = _dolma(database), second_database()
    with other.write() as session:
        changes.merge(session, _log(database))
    for place, name in ((database, "Drolma"), (other, "Dolkar")):
        with place.write() as session:
            session.get_one(Person, uid).name = name
    with database.write() as session:
        changes.merge(session, _log(other))
        names = [change.value for change in changes.history(session, "person", uid) if change.field == "name"]
        assert names[0] == "Dolma"
        assert sorted(names[1:]) == ["Dolkar", "Drolma"]
        assert session.get_one(Person, uid).name == names[-1]


def test_a_withdrawal_beats_a_later_version_without_an_end(database: Database) -> None:
    with database.write() as session:
        session.add(span := Enrolment(org_uid=ORG, person_uid="p", group_uid="g", starts_on="2026-09-01"))
        session.flush()
        span.ended_on = "2026-11-20"
        uid = span.uid
    with database.write() as session:
        late = FieldChange("enrolment", uid, "ended_on", 900, new_uid(), ORG, None, 0)
        assert changes.merge(session, [late]) == set()
        assert session.get_one(Enrolment, uid).ended_on == "2026-11-20"


def test_of_two_withdrawals_the_later_version_holds_everywhere(database: Database) -> None:
    with database.write() as session:
        session.add(span := Enrolment(org_uid=ORG, person_uid="p", group_uid="g", starts_on="2026-09-01"))
        session.flush()
        span.ended_on = "2026-11-20"
        uid = span.uid
    with database.write() as session:
        changes.merge(session, [FieldChange("enrolment", uid, "ended_on", 900, new_uid(), ORG, "2026-10-01", 0)])
        assert session.get_one(Enrolment, uid).ended_on == "2026-10-01"


def test_an_end_cannot_be_taken_back_here(database: Database) -> None:
    with database.write() as session:
        session.add(span := Enrolment(org_uid=ORG, person_uid="p", group_uid="g", starts_on="2026-09-01"))
        session.flush()
        span.ended_on = "2026-11-20"
        uid = span.uid
    with pytest.raises(BadInput), database.write() as session:
        session.get_one(Enrolment, uid).ended_on = None

    def take_back_unseen(session: Session) -> None:
        span = session.get_one(Enrolment, uid)
        session.expire(span)  # an assignment that does not load what was there is no way round
        span.ended_on = None

    with pytest.raises(BadInput), database.write() as session:
        take_back_unseen(session)


def test_two_clones_of_one_name_agree_on_a_version_that_both_gave_out(second_database: Callable[[], Database]) -> None:
    uid, machine = new_uid(), new_uid()
    ours = [FieldChange("person", uid, field, 1, machine, ORG, value, 0) for field, value in (("org_uid", ORG), ("name", "Dolma"))]
    theirs = [ours[0], dataclasses.replace(ours[1], value="Dolkar")]
    found = []
    for order in (ours + theirs, theirs + ours):
        database = second_database()
        with database.write() as session:
            changes.merge(session, order)
            changes.merge(session, order)
            found.append((session.get_one(Person, uid).name, len(changes.history(session, "person", uid))))
    assert found == [("Dolma", 3), ("Dolma", 3)]


def test_a_row_shows_up_when_its_last_needed_field_has_arrived(
    database: Database, second_database: Callable[[], Database]
) -> None:
    uid = _dolma(database)
    name, rest = [[c for c in _log(database) if (c.field == "name") is is_name] for is_name in (True, False)]
    with second_database().write() as session:
        changes.merge(session, rest)
        assert session.get(Person, uid) is None
        changes.merge(session, name)
        assert session.get_one(Person, uid).name == "Dolma"


def test_a_row_that_is_open_in_the_session_shows_what_was_merged(database: Database) -> None:
    uid = _dolma(database)
    with database.write() as session:
        dolma = session.get_one(Person, uid)
        changes.merge(session, [FieldChange("person", uid, "name", 7, new_uid(), ORG, "Dolkar", 0)])
        assert dolma.name == "Dolkar"


def test_tables_and_fields_of_a_later_release_are_kept_and_relayed(database: Database) -> None:
    uid = _dolma(database)
    later = [
        FieldChange("person", uid, "blood_group", 5, new_uid(), ORG, {"type": "0"}, 0),
        FieldChange("telescope", new_uid(), "mirror_mm", 6, new_uid(), ORG, 200, 0),
    ]
    with database.write() as session:
        assert changes.merge(session, later) == {(change.table_name, change.row_uid) for change in later}
    with database.read() as session:
        assert later[0] in changes.versions(session, "person", uid)
        assert later[1] in changes.versions(session, "telescope", later[1].row_uid)
        relayed = {(table, row) for table, row, _seq in changes.rows_changed_after(session, 0)}
        assert ("telescope", later[1].row_uid) in relayed


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("person", "name", 7), ("person", "name", "x" * 201), ("learner_record", "grade", "3"),
        ("learner_record", "grade", True), ("organisation", "names", ["zh"]), ("organisation", "names", {"zh": 1}),
        ("course", "listed_org_uids", {"a": "b"}), ("person", "name", "a\x00b"), ("person", "name", "\ud800"),
        ("telescope", "mirror_m", 0.2), ("telescope", "mirror_mm", 2**53), ("telescope", "deep", json.loads("[" * 40 + "]" * 40)),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_its_column_is_refused_with_its_batch(
    database: Database, table: str, field: str, value: Any
) -> None:
    good = FieldChange("person", new_uid(), "name", 1, new_uid(), ORG, "Dolma", 0)
    bad = FieldChange(table, new_uid(), field, 1, new_uid(), ORG, value, 0)
    with pytest.raises(BadFormat), database.write() as session:
        changes.merge(session, [good, bad])
    assert _log(database) == []


@pytest.mark.parametrize("name", ["x" * 201, "a\x00b", "\ud800"])
def test_a_value_that_others_could_not_hold_is_refused_where_it_is_written(database: Database, name: str) -> None:
    with pytest.raises(BadInput), database.write() as session:
        session.add(Person(org_uid=ORG, name=name))
    assert _log(database) == []


@pytest.mark.parametrize("counter", [0, -1, changes.MAX_LEAD + 1, changes.MAX_COUNTER, changes.MAX_COUNTER + 1])
def test_a_counter_out_of_all_reason_is_refused_and_moves_nothing(database: Database, counter: int) -> None:
    with pytest.raises(BadFormat), database.write() as session:
        changes.merge(session, [FieldChange("person", new_uid(), "name", counter, new_uid(), ORG, "Dolma", 0)])
    _dolma(database)
    assert {change.counter for change in _log(database)} == {1}


def test_the_next_version_is_above_everything_seen(database: Database) -> None:
    with database.write() as session:
        changes.merge(session, [FieldChange("telescope", new_uid(), "mirror_mm", 41, new_uid(), ORG, 200, 0)])
    _dolma(database)
    assert _log(database)[-1].counter == 42


def test_an_erased_row_does_not_come_back(database: Database, second_database: Callable[[], Database]) -> None:
    uid, other = _dolma(database), second_database()
    before = _log(database)
    with other.write() as session:
        changes.merge(session, before)
        session.get_one(Person, uid).name = "Dolkar"
    with database.write() as session:
        changes.erase(session, session.get_one(Person, uid))
        assert session.get(Person, uid) is None
    with database.write() as session:
        assert changes.merge(session, _log(other)) == set()
        assert session.get(Person, uid) is None
        assert changes.history(session, "person", uid) == []
    with pytest.raises(BadInput), database.write() as session:
        session.add(Person(uid=uid, org_uid=ORG, name="Dolma"))


def test_a_tombstone_that_comes_first_refuses_the_row_and_one_that_comes_last_removes_it(
    database: Database, second_database: Callable[[], Database]
) -> None:
    uid = _dolma(database)
    for grave_first in (True, False):
        with second_database().write() as session:
            for step in (0, 1) if grave_first else (1, 0):
                if step == 0:
                    changes.bury(session, "person", uid, ORG)
                else:
                    changes.merge(session, _log(database))
            changes.bury(session, "person", uid, ORG)
            assert session.get(Person, uid) is None
            assert session.scalar(select(func.count()).select_from(Change)) == 0
            assert session.scalar(select(func.count()).select_from(FieldVersion)) == 0


def test_erasing_a_record_leaves_the_person_of_the_same_uid(database: Database) -> None:
    uid = _dolma(database)
    with database.write() as session:
        session.add(record := LearnerRecord(uid=uid, org_uid=ORG, grade=3))
        session.flush()
        changes.erase(session, record)
    with database.write() as session:
        session.get_one(Person, uid).name = "Dolkar"
        assert session.get(LearnerRecord, uid) is None


def test_a_travelling_row_is_never_deleted_and_never_written_in_bulk(database: Database) -> None:
    uid = _dolma(database)
    with pytest.raises(TypeError), database.write() as session:
        session.delete(session.get_one(Person, uid))
    for statement in (update(Person).values(name="x"), insert(Person).values(uid="x", org_uid=ORG, name="x")):
        with pytest.raises(TypeError), database.write() as session:
            session.execute(statement)


def test_what_was_made_here_before_a_new_name_still_goes_home(database: Database) -> None:
    _dolma(database)
    with database.write() as session:
        before = changes.machine_uid(session)
        assert changes.renew_machine(session) != before
    _dolma(database)
    with database.write() as session:
        changes.merge(session, [FieldChange("telescope", new_uid(), "mirror_mm", 9, new_uid(), ORG, 200, 0)])
    with database.read() as session:
        made = changes.made_here(session, after_seq=0, limit=100)
        assert len({change.machine_uid for change in made}) == 2
        assert {change.table_name for change in made} == {"person"}
        assert changes.latest_seq(session) > made[-1].seq


def test_a_change_reads_back_as_it_was_written() -> None:
    change = FieldChange("person", new_uid(), "name", 5, new_uid(), ORG, {"zh": ["卓玛", None, True]}, 7, new_uid())
    assert FieldChange.from_json(json.loads(json.dumps(change.as_json()))) == change


@pytest.mark.parametrize(
    "place_and_value",
    [(0, "Person"), (0, ""), (0, 7), (1, "x"), (1, None), (2, "a b"), (3, 0), (3, True), (3, 2**53), (3, 1.0), (4, 5),
     (5, "0000000a" + ORG[8:].upper().replace("8", "A")), (6, 1.5), (6, float("nan")), (7, -1), (7, "now"), (7, 2**64), (8, "Tashi"), (8, 3)],
)  # fmt: skip
def test_a_change_of_another_form_is_refused(place_and_value: tuple[int, Any]) -> None:
    found = FieldChange("person", new_uid(), "name", 5, new_uid(), ORG, "Dolma", 7, None).as_json()
    found[place_and_value[0]] = place_and_value[1]
    with pytest.raises(BadFormat):
        FieldChange.from_json(found)


def test_a_change_with_a_field_missing_is_refused() -> None:
    for found in (None, {}, [], ["person"] * 8):
        with pytest.raises(BadFormat):
            FieldChange.from_json(found)


def test_every_class_says_which_of_its_fields_stick() -> None:
    for mapper in Base.registry.mappers:
        if issubclass(mapper.class_, Travelling):
            by_name = frozenset(column.key for column in mapper.columns) & changes.STICKY_FIELDS
            assert mapper.class_.sticky == by_name, mapper.class_.__name__


def test_the_vectors_of_the_format_hold(second_database: Callable[[], Database]) -> None:
    for case in json.loads((VECTORS / "changes.json").read_text(encoding="utf-8"))["cases"]:
        arrived = [FieldChange.from_json(found) for found in case["changes"]]
        for order in (arrived, arrived[::-1]):
            with second_database().write() as session:
                changes.merge(session, order)
                held = {
                    change.field: change.value
                    for change in changes.versions(session, arrived[0].table_name, arrived[0].row_uid)
                }
                assert held == case["values"], case["name"]


def test_rows_of_every_kind_of_column_travel(database: Database, second_database: Callable[[], Database]) -> None:
    with database.write() as session:
        session.add_all([
            Organisation(uid=ORG, org_uid=ORG, kind="school", names={"zh": "双湖县小学", "bo": "མཚོ་གཉིས།"}),
            SchoolCalendar(uid=ORG, org_uid=ORG, current_school_year=2026, terms=[], class_hours=[{"period": 1}]),
            Group(org_uid=ORG, kind="cohort", stage="primary", intake_year=2024, class_number=2),
            Lesson(
                org_uid=ORG, course_uid=new_uid(), position=1, titles={"zh": "分数"}, texts={}, language="zh",
                state="draft", timeline_uid=new_uid(), edit_list=[[0, 60_000]],
            ),
        ])  # fmt: skip
    other = second_database()
    with other.write() as session:
        changes.merge(session, _log(database))
    for model in (Organisation, SchoolCalendar, Group, Lesson):
        rows = []
        for place in (database, other):
            with place.read() as session:
                rows.append([tuple(row) for row in session.execute(select(model.__table__))])
        assert rows[0] == rows[1] != []
