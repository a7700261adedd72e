"""Classes, what they are called, and who is in them."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts import people
from eduhub.changes import Change, history, merge
from eduhub.changes.log import as_field_change
from eduhub.db import Database
from eduhub.errors import BadInput, NotFound
from eduhub.schools import calendars, enrolment, groups, organisations
from eduhub.schools.models import Enrolment, Group, SchoolCalendar
from eduhub.uids import new_uid


def _school(session: Session) -> str:
    return organisations.add(session, kind="school", names={"zh": "双湖县小学"}).uid


def _class(session: Session, org_uid: str, intake: int = 2024, number: int = 2) -> Group:
    return groups.add(session, org_uid=org_uid, stage="primary", intake_year=intake, class_number=number)


@pytest.mark.parametrize(
    ("stage", "intake", "number", "names"),
    [
        ("primary", 2024, 2, ("Primary 3, class 2", "三年级2班", "ལོ་རིམ་གསུམ་པའི་འཛིན་གྲྭ་གཉིས་པ")),
        ("primary", 2026, 1, ("Primary 1, class 1", "一年级1班", "ལོ་རིམ་དང་པོའི་འཛིན་གྲྭ་དང་པོ")),
        ("junior", 2025, 1, ("Junior 2, class 1", "八年级1班", "ལོ་རིམ་བརྒྱད་པའི་འཛིན་གྲྭ་དང་པོ")),
        ("senior", 2024, 3, ("Senior 3, class 3", "高三3班", "མཐོ་འབྲིང་ལོ་རིམ་གསུམ་པའི་འཛིན་གྲྭ་གསུམ་པ")),
        ("primary", 2019, 1, ("Primary intake 2019, class 1", "小学2019级1班", "སློབ་ཆུང་༢༠༡༩ལོའི་འཛིན་གྲྭ་དང་པོ")),
        ("primary", 2027, 13, ("Primary intake 2027, class 13", "小学2027级13班", "སློབ་ཆུང་༢༠༢༧ལོའི་འཛིན་གྲྭ་༡༣པ")),
    ],
)
def test_a_class_is_called_by_its_school_year(
    stage: str, intake: int, number: int, names: tuple[str, str, str]
) -> None:
    group = Group(org_uid=new_uid(), kind="cohort", stage=stage, intake_year=intake, class_number=number)
    calendar = SchoolCalendar(uid=group.org_uid, org_uid=group.org_uid, current_school_year=2026)
    assert tuple(groups.display_name(group, calendar, language) for language in ("en", "zh", "bo")) == names
    assert groups.display_name(group, calendar, "fr") == names[0]


def test_a_class_moves_up_when_a_person_says_that_the_year_has_begun(database: Database) -> None:
    with database.write() as session:
        org = _school(session)
        group, calendar = _class(session, org), calendars.get(session, org)
        calendars.move_to_year(calendar, 2026)
        assert groups.display_name(group, calendar, "en") == "Primary 3, class 2"
        calendars.move_to_year(calendar, 2027)
        assert groups.display_name(group, calendar, "en") == "Primary 4, class 2"


def test_classes_stand_in_the_order_of_their_years(database: Database) -> None:
    with database.write() as session:
        org = _school(session)
        wanted = [_class(session, org, 2026, 1), _class(session, org, 2026, 2), _class(session, org, 2024, 1)]
        closed = _class(session, org, 2018, 1)
        groups.close(session, closed.uid, "2024-09-01")
        assert groups.of_school(session, org, "2026-11-23") == wanted
        assert groups.of_school(session, org, "2024-08-31")[-1] is closed


@pytest.mark.parametrize(("stage", "year", "number"), [("nursery", 2024, 1), ("primary", 24, 1), ("primary", 2024, 0)])
def test_a_class_that_cannot_be_is_refused(database: Database, stage: str, year: int, number: int) -> None:
    with database.write() as session:
        org = _school(session)
        with pytest.raises(BadInput):
            groups.add(session, org_uid=org, stage=stage, intake_year=year, class_number=number)


def test_a_class_that_is_made_twice_is_there_once(database: Database) -> None:
    with database.write() as session:
        school = _school(session)
        first = _class(session, school)
        assert _class(session, school).uid == first.uid
        assert _class(session, school, number=3).uid != first.uid
        assert _class(session, _school(session)).uid != first.uid
        groups.close(session, first.uid, "2026-11-01")
        assert _class(session, school).uid != first.uid


def test_a_region_has_no_classes(database: Database) -> None:
    with database.write() as session:
        region = organisations.add(session, kind="region", names={"en": "Nagqu"})
        with pytest.raises(BadInput):
            _class(session, region.uid)


def test_an_enrolment_is_a_span_of_days(database: Database) -> None:
    with database.write() as session:
        group = _class(session, _school(session))
        dolma = people.add(session, org_uid=group.org_uid, name="Dolma")
        span = enrolment.enrol(session, person_uid=dolma.uid, group_uid=group.uid, starts_on="2026-09-01")
        enrolment.withdraw(session, span.uid, "2026-11-20", "withdrawn")
        days = ["2026-08-31", "2026-09-01", "2026-11-19", "2026-11-20"]
        found = [enrolment.current(session, group_uid=group.uid, on=day) for day in days]
        assert found == [[], [span], [span], []]


def test_coming_back_is_a_new_span_and_the_old_one_stays_ended(database: Database) -> None:
    with database.write() as session:
        group = _class(session, _school(session))
        dolma = people.add(session, org_uid=group.org_uid, name="Dolma").uid
        first = enrolment.enrol(session, person_uid=dolma, group_uid=group.uid, starts_on="2025-09-01")
        same = enrolment.enrol(session, person_uid=dolma, group_uid=group.uid, starts_on="2025-09-02")
        assert same is first
        enrolment.withdraw(session, first.uid, "2026-03-01", "withdrawn")
        second = enrolment.enrol(session, person_uid=dolma, group_uid=group.uid, starts_on="2026-09-01")
        assert second.uid != first.uid
        assert (first.ended_on, second.ended_on) == ("2026-03-01", None)
        assert enrolment.current(session, person_uid=dolma, on="2026-10-01") == [second]
        with pytest.raises(BadInput):
            enrolment.withdraw(session, first.uid, "2026-10-01", "withdrawn")


def test_two_admins_who_withdraw_and_move_one_child_agree(
    database: Database, second_database: Callable[[], Database]
) -> None:
    box = second_database()

    def carry(source: Database, target: Database) -> None:
        with source.read() as session:
            log = [as_field_change(row) for row in session.scalars(select(Change).order_by(Change.seq))]
        with target.write() as session:
            merge(session, log)

    with database.write() as session:
        group, other = (_class(session, org, number=number) for org in [_school(session)] for number in (1, 2))
        dolma = people.add(session, org_uid=group.org_uid, name="Dolma").uid
        uid = enrolment.enrol(session, person_uid=dolma, group_uid=group.uid, starts_on="2026-09-01").uid
    carry(database, box)
    with database.write() as session:  # Pema, at the hub
        enrolment.withdraw(session, uid, "2026-11-20", "transferred")
    with box.write() as session:  # Tenzin, at the box, who has not heard of it
        session.get_one(Enrolment, uid).starts_on = "2026-09-08"
        enrolment.enrol(session, person_uid=dolma, group_uid=other.uid, starts_on="2026-11-21")
    carry(box, database)
    carry(database, box)
    for place in (database, box):
        with place.read() as session:
            span = session.get_one(Enrolment, uid)
            assert (span.starts_on, span.ended_on, span.end_reason) == ("2026-09-08", "2026-11-20", "transferred")
            assert [found.group_uid for found in enrolment.current(session, person_uid=dolma, on="2026-12-01")] == [
                other.uid
            ]
            assert {change.value for change in history(session, "enrolment", uid) if change.field == "starts_on"} == {
                "2026-09-01", "2026-09-08",
            }  # fmt: skip


def test_a_composite_class_has_the_children_of_its_classes(database: Database) -> None:
    with database.write() as session:
        org = _school(session)
        first, second = _class(session, org, 2026, 1), _class(session, org, 2025, 1)
        both = groups.add_composite(
            session, org_uid=org, names={"zh": "复式班"}, member_group_uids=[first.uid, second.uid]
        )
        spans = [
            enrolment.enrol(
                session, person_uid=people.add(session, org_uid=org, name=name).uid, group_uid=group.uid,
                starts_on="2026-09-01",
            )
            for name, group in (("Dolma", first), ("Nyima", second))
        ]  # fmt: skip
        assert enrolment.current(session, group_uid=both.uid, on="2026-10-01") == spans
        assert groups.display_name(both, calendars.get(session, org), "bo") == "复式班"
        with pytest.raises(BadInput):
            enrolment.enrol(session, person_uid=spans[0].person_uid, group_uid=both.uid, starts_on="2026-09-01")
        for members in ([first.uid], [first.uid, first.uid], [first.uid, both.uid]):
            with pytest.raises(BadInput):
                groups.add_composite(session, org_uid=org, names={"zh": "x"}, member_group_uids=members)


def test_a_station_group_has_a_name_and_no_year(database: Database) -> None:
    with database.write() as session:
        station = organisations.add(session, kind="station", names={"bo": "གྲོང་ཚོ།"}).uid
        group = groups.add_station(session, org_uid=station, names={"bo": "དགོང་མོའི་ཚོགས་པ།"})
        assert groups.display_name(group, calendars.get(session, station), "en") == "དགོང་མོའི་ཚོགས་པ།"


def test_nobody_is_enrolled_in_nothing(database: Database) -> None:
    with database.write() as session:
        group = _class(session, _school(session))
        with pytest.raises(NotFound):
            enrolment.enrol(session, person_uid=new_uid(), group_uid=group.uid, starts_on="2026-09-01")
        with pytest.raises(NotFound):
            enrolment.enrol(session, person_uid=new_uid(), group_uid=new_uid(), starts_on="2026-09-01")
        with pytest.raises(NotFound):
            enrolment.withdraw(session, new_uid(), "2026-09-01", "withdrawn")
        with pytest.raises(TypeError):
            enrolment.current(session, on="2026-09-01")
        assert enrolment.current(session, group_uid=new_uid(), on="2026-09-01") == []
