"""The tree of places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.changes import FieldChange, merge
from eduhub.db import Database
from eduhub.errors import BadInput, NotFound
from eduhub.schools import calendars, organisations
from eduhub.schools.models import Organisation
from eduhub.uids import new_uid


def _region(session: Session, name: str, parent_uid: str | None = None) -> str:
    return organisations.add(session, kind="region", names={"en": name}, parent_uid=parent_uid).uid


def test_a_school_gets_its_site_and_its_calendar(database: Database) -> None:
    clock.freeze(1_795_450_000_000)  # 2026-11-23
    with database.write() as session:
        county = _region(session, "Shuanghu")
        school = organisations.add(session, kind="school", names={"zh": " 双湖  小学 ", "en": ""}, parent_uid=county)
        assert school.org_uid == school.uid
        assert school.names == {"zh": "双湖 小学"}
        assert [site.name for site in organisations.sites(session, school.uid)] == ["双湖 小学"]
        assert calendars.get(session, school.uid).current_school_year == 2026
        assert organisations.sites(session, county) == []
        assert calendars.find(session, county) is None


def test_the_path_leads_upwards_and_below_leads_down(database: Database) -> None:
    with database.write() as session:
        prefecture = _region(session, "Nagqu")
        county = _region(session, "Shuanghu", prefecture)
        school = organisations.add(session, kind="school", names={"en": "School"}, parent_uid=county).uid
        point = organisations.add(session, kind="teaching_point", names={"en": "Point"}, parent_uid=school).uid
        other = _region(session, "Lhasa")
        assert organisations.path(session, point) == [point, school, county, prefecture]
        assert set(organisations.below(session, county)) == {county, school, point}
        assert organisations.below(session, other) == [other]


def test_a_place_cannot_be_hung_below_itself(database: Database) -> None:
    with database.write() as session:
        prefecture = _region(session, "Nagqu")
        county = _region(session, "Shuanghu", prefecture)
        for below in (prefecture, county):
            with pytest.raises(BadInput):
                organisations.move(session, prefecture, below)
        organisations.move(session, county, None)
        assert organisations.path(session, county) == [county]


@pytest.mark.parametrize(("kind", "parent"), [("school", "school"), ("region", "school"), ("planet", None)])
def test_a_place_hangs_only_where_its_kind_may(database: Database, kind: str, parent: str | None) -> None:
    with database.write() as session:
        above = organisations.add(session, kind=parent, names={"en": "Above"}).uid if parent else None
        with pytest.raises(BadInput):
            organisations.add(session, kind=kind, names={"en": "Below"}, parent_uid=above)


@pytest.mark.parametrize("names", [{}, {"zh": " "}, {"not a tag": "x"}, {"zh": "x" * 201}, {"zh": "a\x07b"}])
def test_a_place_has_a_name_to_show(database: Database, names: dict[str, str]) -> None:
    with pytest.raises(BadInput), database.write() as session:
        organisations.add(session, kind="region", names=names)


def test_a_parent_that_is_not_here_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound), database.write() as session:
        _region(session, "Shuanghu", new_uid())


def test_a_parent_that_has_not_arrived_yet_still_counts_for_rights(database: Database) -> None:
    with database.write() as session:
        away = new_uid()
        county = _region(session, "Shuanghu")
        merge(session, [FieldChange("organisation", county, "parent_uid", 50, new_uid(), county, away, 0)])
        assert organisations.path(session, county) == [county, away]


def test_a_ring_made_by_two_machines_is_cut_at_one_place(database: Database) -> None:
    with database.write() as session:
        first, second, third = sorted(_region(session, name) for name in ("a", "b", "c"))
        school = organisations.add(session, kind="school", names={"en": "School"}, parent_uid=third).uid
        for below, above in ((first, second), (second, third), (third, first)):
            merge(session, [FieldChange("organisation", below, "parent_uid", 50, new_uid(), below, above, 0)])
        # The link of the smallest uid, first -> second, counts for nothing.
        assert organisations.path(session, school) == [school, third, first]
        assert organisations.path(session, second) == [second, third, first]
        assert organisations.path(session, first) == [first]
        assert set(organisations.below(session, first)) == {first, second, third, school}
        assert organisations.below(session, second) == [second]


@given(parents=st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.sampled_from("abcdefx"))))
def test_every_path_ends_and_is_the_rest_of_each_path_through_it(parents: dict[str, str | None]) -> None:
    for start in parents:
        found = organisations._path_in(parents, start)
        assert len(found) == len(set(found))
        for place, above in enumerate(found):
            assert organisations._path_in(parents, above) == found[place:]


def test_a_zone_that_is_not_known_here_gives_way_to_the_usual_one(database: Database) -> None:
    with database.write() as session:
        school = organisations.add(session, kind="school", names={"zh": "双湖小学"}).uid
        calendar = calendars.get(session, school)
        calendars.set_time_zone(calendar, "Asia/Kathmandu")
        assert calendars.zone_of(session, school) == "Asia/Kathmandu"
        for unknown in ("Asia/Shuanghu", "", "../../etc/passwd", "\n"):
            calendar.time_zone = unknown
            assert calendars.zone_of(session, school) == calendars.TIME_ZONE
            with pytest.raises(BadInput):
                calendars.set_time_zone(calendar, unknown)
        assert calendars.zone_of(session, None) == calendars.TIME_ZONE


def test_a_terms_list_and_class_hours_are_checked(database: Database) -> None:
    with database.write() as session:
        school = organisations.add(session, kind="school", names={"en": "School"})
        calendar = calendars.get(session, school.uid)
        calendars.set_terms(calendar, [{"name": "1", "starts_on": "2026-09-01", "ends_on": "2027-01-10"}])
        calendars.set_class_hours(calendar, [{"period": 1, "starts": "09:30", "ends": "10:10"}])
        calendars.set_time_zone(calendar, "Asia/Urumqi")
        calendars.move_to_year(calendar, 2027)
        for refused in (
            lambda: calendars.set_terms(calendar, [{"name": "1", "starts_on": "2027-01-10", "ends_on": "2026-09-01"}]),
            lambda: calendars.set_terms(calendar, [{"name": "1", "starts_on": "2027-01-10"}]),
            lambda: calendars.set_class_hours(calendar, [{"period": 2, "starts": "09:30", "ends": "10:10"}]),
            lambda: calendars.set_class_hours(calendar, [{"period": 1, "starts": "10:30", "ends": "10:10"}]),
            lambda: calendars.set_class_hours(calendar, [{"period": 1, "starts": "25:30", "ends": "26:10"}]),
            lambda: calendars.set_time_zone(calendar, "Asia/Shangri-La"),
            lambda: calendars.set_time_zone(calendar, "../../etc/passwd"),
            lambda: calendars.move_to_year(calendar, 26),
        ):
            with pytest.raises(BadInput):
                refused()
    with database.read() as session:
        kept = session.get_one(Organisation, school.uid)
        assert calendars.get(session, kept.uid).time_zone == "Asia/Urumqi"
        assert calendars.get(session, kept.uid).current_school_year == 2027


@pytest.mark.parametrize(("day", "year"), [("2026-08-31", 2025), ("2026-09-01", 2026), ("2027-02-10", 2026)])
def test_a_school_year_begins_in_september(day: str, year: int) -> None:
    assert calendars.year_of(day) == year
