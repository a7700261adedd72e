"""The history of a school: acts with who and when, what lost is seen, and each act can be undone or says why not."""

import pytest

from eduhub import changes
from eduhub.accounts import credentials, people, roles
from eduhub.accounts.models import Person
from eduhub.changes import FieldChange
from eduhub.courses import editing, plan
from eduhub.errors import CannotUndo, NotFound
from eduhub.rosters import history, moving, undoing
from eduhub.rosters.history import Asked
from eduhub.schools import calendars, enrolment, groups
from tests.courses.conftest import ON, add_lesson

LATER = "2026-11-24"
EVERYTHING = Asked()


def newest(session, house, asked=EVERYTHING) -> history.Act:
    return history.newest(session, house.shuanghu, asked, limit=1)[0]


def again(session, house, act) -> history.Act:
    return history.by_key(session, house.shuanghu, act.key)


def asker(house, *, on=LATER, at_hub=True) -> undoing.Asker:
    return undoing.Asker(house.pema, on, at_hub)


def undo_newest(session, house, **how) -> None:
    session.flush()
    undoing.undo(session, house.shuanghu, [newest(session, house).key], asker(house, **how))
    session.flush()


def classes_of(session, person_uid, on=LATER) -> list[str]:
    return [span.group_uid for span in enrolment.current(session, person_uid=person_uid, on=on)]


def test_an_act_says_who_did_what_to_which_row_with_what_stood_there_before(installation, house):
    with installation.database.write() as session:
        session.info["by_uid"] = house.pema
        people.change(session, house.dolma, name="Dolma Tso", language="bo")
        act = newest(session, house)
        assert (act.table, act.row_uid, act.by_uid, act.is_new) == ("person", house.dolma, house.pema, False)
        assert {name: (field.before, field.after) for name, field in act.fields.items()} == {
            "name": ("Dolma", "Dolma Tso"), "language": (None, "bo"),
        }
        assert history.by_key(session, house.shuanghu, act.key) == act


def test_the_newest_comes_first_and_a_page_is_cut_out(installation, house):
    with installation.database.write() as session:
        for name in ("One", "Two", "Three"):
            people.change(session, house.dolma, name=name)
        told = [act.fields["name"].after for act in history.newest(session, house.shuanghu, EVERYTHING, limit=2)]
        assert told == ["Three", "Two"]
        assert history.newest(session, house.shuanghu, EVERYTHING, limit=1, skip=2)[0].fields["name"].after == "One"
        assert history.count(session, house.shuanghu, EVERYTHING) > 3


def test_acts_are_found_by_kind_by_person_and_by_class(installation, house):
    with installation.database.write() as session:
        session.info["by_uid"] = house.pema
        lesson = add_lesson(session, house.course)
        plan.add(session, group_uid=house.group, lesson_uid=lesson, day=ON, period=1)
        session.info["by_uid"] = house.tenzin
        people.change(session, house.dolma, name="Dolma Tso")

        def tables(asked):
            return {act.table for act in history.newest(session, house.shuanghu, asked, limit=50)}

        assert tables(Asked(kind="plan")) == {"plan_row"}
        assert tables(Asked(person_uid=house.dolma)) == {"person", "enrolment"}
        assert "plan_row" in tables(Asked(person_uid=house.pema))
        assert tables(Asked(group_uid=house.group)) == {"learner_group", "enrolment", "group_course", "plan_row"}
        assert tables(Asked(kind="people", person_uid=house.tenzin)) == {"person", "role_grant"}


def test_a_school_sees_nothing_of_another_and_cannot_name_its_acts(installation, house):
    with installation.database.write() as session:
        people.change(session, house.lhamo, name="Somebody else")
        theirs = history.newest(session, house.nyima, EVERYTHING, limit=1)[0]
        assert theirs.row_uid == house.lhamo
        ours = history.newest(session, house.shuanghu, EVERYTHING, limit=200)
        assert house.lhamo not in {act.row_uid for act in ours}
        for key in (theirs.key, "person:x:1:y", "credential", f"event:{house.dolma}:1:{house.dolma}"):
            with pytest.raises(Exception) as refused:  # noqa: PT011 - not found, or no uid at all
                history.by_key(session, house.shuanghu, key)
            assert getattr(refused.value, "status", 0) in (400, 404)


def test_the_value_that_lost_against_another_machine_is_seen_with_the_one_that_holds(installation, house):
    with installation.database.write() as session:
        people.change(session, house.dolma, name="At the hub")
        mine = next(found for found in changes.history(session, "person", house.dolma) if found.value == "At the hub")
        late = FieldChange(
            "person", house.dolma, "name", mine.counter - 1, "01a20986-0000-7000-8000-00000000000a", house.shuanghu,
            "At the box", 1, house.pema,
        )
        changes.merge(session, [late])
        act = newest(session, house)
        field = act.fields["name"]
        assert (field.after, field.lost, field.holds, act.row["name"], act.made_here) == (
            "At the box", True, False, "At the hub", False,
        )
        assert undoing.why_not(session, act, asker(house)) == undoing.LOST
        assert not newest(session, house, Asked(person_uid=house.tashi)).lost


def test_a_renamed_child_gets_the_old_name_back_unless_it_was_renamed_again(installation, house):
    with installation.database.write() as session:
        people.change(session, house.dolma, name="One")
        first = newest(session, house)
        people.change(session, house.dolma, name="Two")
        assert undoing.why_not(session, again(session, house, first), asker(house)) == undoing.CHANGED
        undo_newest(session, house)
        assert session.get_one(Person, house.dolma).name == "One"
        assert newest(session, house).fields["name"].before == "Two"  # the undoing is in the history


def test_a_withdrawn_child_gets_a_new_span_and_a_moved_one_goes_back(installation, house):
    with installation.database.write() as session:
        other = groups.add(session, org_uid=house.shuanghu, stage="primary", intake_year=2024, class_number=1).uid
        [span] = enrolment.current(session, person_uid=house.dolma, on=ON)
        enrolment.withdraw(session, span.uid, ON, "withdrawn")
        undo_newest(session, house)
        [back] = enrolment.current(session, person_uid=house.dolma, on=LATER)
        assert (back.group_uid, back.starts_on, span.ended_on) == (house.group, LATER, ON)
        moving.to_group(session, session.get_one(Person, house.dolma), other, LATER)
        assert classes_of(session, house.dolma) == [other]
        ended = next(act for act in history.newest(session, house.shuanghu, EVERYTHING, limit=5) if "ended_on" in act.fields and not act.is_new)
        undoing.undo(session, house.shuanghu, [ended.key], asker(house))
        assert classes_of(session, house.dolma) == [house.group]
        assert undoing.why_not(session, again(session, house, ended), asker(house)) == undoing.THERE


def test_a_child_who_was_put_into_a_class_by_mistake_is_taken_out(installation, house):
    with installation.database.write() as session:
        other = groups.add(session, org_uid=house.shuanghu, stage="primary", intake_year=2024, class_number=1).uid
        enrolment.enrol(session, person_uid=house.dolma, group_uid=other, starts_on=LATER)
        act = newest(session, house)
        undo_newest(session, house)
        assert classes_of(session, house.dolma) == [house.group]
        assert undoing.why_not(session, again(session, house, act), asker(house)) == undoing.OVER


def test_a_plan_row_that_was_added_moved_or_dropped_is_as_before(installation, house):
    with installation.database.write() as session:
        lesson = add_lesson(session, house.course)
        row = plan.add(session, group_uid=house.group, lesson_uid=lesson, day=ON, period=1)
        plan.move(session, row.uid, day=LATER, period=3)
        undo_newest(session, house)
        assert (row.day, row.period) == (ON, 1)
        plan.drop(session, row.uid, ON)
        undo_newest(session, house)
        [back] = plan.for_group(session, house.group, ON, LATER)
        assert (back.uid != row.uid, back.day, back.period) == (True, ON, 1)
        undo_newest(session, house)
        assert plan.for_group(session, house.group, ON, LATER) == []


def test_a_course_that_was_taken_away_is_taken_again_and_a_class_made_by_mistake_is_closed(installation, house):
    with installation.database.write() as session:
        span = editing.give_course(session, group_uid=house.group, course_uid=house.course, starts_on=ON)
        editing.end_course(session, span.uid, ON)
        undo_newest(session, house)
        assert newest(session, house).table == "group_course"
        assert newest(session, house).is_new
        made = groups.add(session, org_uid=house.shuanghu, stage="primary", intake_year=2020, class_number=9)
        undo_newest(session, house)
        assert made.closed_on == LATER
        undo_newest(session, house)
        assert made.closed_on is None


def test_a_role_ends_and_is_given_again_but_not_ones_own_nor_the_operators_nor_from_a_box(installation, house):
    with installation.database.write() as session:
        given = {"scope_kind": "organisation", "scope_uid": house.shuanghu, "org_uid": house.shuanghu, "starts_on": ON}
        grant = roles.grant(session, person_uid=house.tashi, role="teacher", **given)
        act = newest(session, house)
        assert undoing.why_not(session, act, asker(house, at_hub=False)) == undoing.AT_THE_HUB
        undo_newest(session, house)
        assert grant.ended_on == LATER
        undo_newest(session, house)
        assert any(role.role == "teacher" and role.scope_uid == house.shuanghu for role in roles.of(session, house.tashi, LATER))
        acts = history.newest(session, house.shuanghu, Asked(kind="people"), limit=50)
        own = next(act for act in acts if act.table == "role_grant" and act.row["person_uid"] == house.pema)
        operators = next(act for act in acts if act.table == "role_grant" and act.row["role"] == "operator")
        assert undoing.why_not(session, own, asker(house)) == undoing.OWN_ROLE
        assert undoing.why_not(session, operators, asker(house)) == undoing.OPERATORS


def test_a_card_says_why_it_cannot_be_undone_and_then_nothing_of_the_batch_is(installation, house):
    with installation.database.write() as session:
        credentials.issue_card(session, house.dolma)
        card = newest(session, house)
        people.change(session, house.dolma, name="One")
        renamed = newest(session, house)
        assert undoing.why_not(session, card, asker(house)) == undoing.CARD
        with pytest.raises(CannotUndo):
            undoing.undo(session, house.shuanghu, [card.key, renamed.key], asker(house))
        assert session.get_one(Person, house.dolma).name == "One"
        assert "verifier" in card.fields  # known to the log; a page names the fields that it shows


def test_the_calendar_goes_back_to_what_it_was(installation, house):
    with installation.database.write() as session:
        calendar = calendars.get(session, house.shuanghu)
        before = calendar.terms
        calendars.set_terms(calendar, [{"name": "1", "starts_on": "2026-09-01", "ends_on": "2026-11-24"}])
        undo_newest(session, house)
        assert calendar.terms == before


def test_a_child_leaves_the_school_and_comes_back_by_undo(installation, house):
    with installation.database.write() as session:
        credentials.issue_card(session, house.dolma)
        place = changes.latest_seq(session)
        moving.leave(session, house.dolma, LATER, "transferred")
        assert moving.who_left(session, [house.dolma, house.tashi], LATER) == {house.dolma}
        assert credentials.card_of(session, house.dolma) == ""
        keys = history.made_since(session, house.shuanghu, place, None)
        undoing.undo(session, house.shuanghu, [key for key in keys if key.startswith("enrolment:")], asker(house))
        assert classes_of(session, house.dolma) == [house.group]
        assert moving.who_left(session, [house.dolma], LATER) == set()
    with pytest.raises(NotFound), installation.database.write() as session:
        moving.leave(session, house.group, ON, "withdrawn")
