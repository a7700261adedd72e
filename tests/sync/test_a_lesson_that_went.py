"""The hub hears that a box let a lesson go for lack of room, and that it came back."""

import pytest
from sqlalchemy import select

from eduhub.courses.models import Lesson
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.sync.allowance import policies, wishes
from eduhub.sync.courier import planning
from eduhub.sync.homeward import reporting
from eduhub.sync.homeward.arrivals import GONE, HERE, NO_DISK
from eduhub.sync.models import Arrival, Dropped, Node
from tests.sync.test_evicting import full_box, held, noise, parts
from tests.sync.test_what_is_wanted import plan_for, site_of
from tests.sync.test_where_a_lesson_has_arrived import number_packages, states
from tests.sync.world import Hub, School


@pytest.fixture(autouse=True)
def small_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of a policy is a thousand bytes, so that a disk is full soon."""
    monkeypatch.setattr(policies, "MB", 1_000)


def crowded_out(hub: Hub, box: Installation) -> tuple[School, str, str, list[str]]:
    """A box that let a whole lesson go for the floor of one that somebody wished for: the one that went, and the others."""
    school, course, packages = full_box(hub, box)
    number_packages(hub)
    hub.sync(box)
    wish = hub.lesson(course, position=9, parts={"index": noise("i", 1_000), "aac": noise("a", 125_000)})
    hub.sync(box)
    with box.database.write() as session:
        wishes.make(session, box.steady, session.scalars(select(Lesson.uid).where(Lesson.package_id == wish)).one())
    hub.sync(box)
    with box.database.read() as session:
        gone = session.scalars(select(Dropped.package_id).where(Dropped.is_floor)).first()
    assert gone is not None
    return school, course, gone, [package for package in packages if package != gone]


def kinds(machine: Installation, package: str) -> list[str]:
    with machine.database.read() as session:
        return sorted(session.scalars(select(Event.kind).where(Event.part == package, Event.context == "system")))


def test_a_lesson_that_went_for_lack_of_room_is_shown_as_gone_and_as_there_when_it_is_back(hub: Hub, box: Installation) -> None:
    school, _course, gone, others = crowded_out(hub, box)
    assert kinds(box, gone) == ["arrived", "dropped"]
    assert states(hub, gone) == {school.org: GONE}
    assert states(hub, others[0]) == {school.org: HERE}
    site_of(hub, school, disk_mb=2_000)
    plan_for(hub, school, gone, "2026-11-25")
    hub.sync(box)
    hub.sync(box)
    assert len(held(box, gone)) == 3
    assert kinds(hub.here, gone) == ["arrived", "arrived", "dropped"]
    assert states(hub, gone) == {school.org: HERE}


def test_better_parts_go_without_a_word(hub: Hub, box: Installation) -> None:
    school, course, packages = full_box(hub, box)
    number_packages(hub)
    plan_for(hub, school, hub.lesson(course, position=3, parts=parts("new")), "2026-11-26")
    hub.sync(box)
    hub.sync(box)
    with box.database.read() as session:
        assert session.scalars(select(Dropped)).all()
    assert all(states(hub, package) == {school.org: HERE} for package in packages)


def test_a_stick_that_is_filled_without_a_want_list_brings_the_floor_of_what_went(hub: Hub, box: Installation) -> None:
    _school, _course, gone, others = crowded_out(hub, box)
    with hub.here.database.read() as session:
        lacking = {(item.lesson_uid, item.tier) for item in planning.lacking(session, list(session.scalars(select(Node))))}
        lessons = {name: session.get_one(PackageRow, name).lesson_uid for name in (gone, others[0])}
    assert (lessons[gone], planning.FLOOR) in lacking
    assert (lessons[others[0]], planning.FLOOR) not in lacking


def test_a_word_of_what_never_arrived_or_of_an_earlier_revision_changes_nothing(hub: Hub, box: Installation) -> None:
    school, _course, packages = full_box(hub, box)
    number_packages(hub)
    hub.sync(box)
    with hub.here.database.write() as session:
        session.scalars(select(Arrival).where(Arrival.package_id == packages[0])).one().package_id = "e" * 64
        session.delete(session.scalars(select(Arrival).where(Arrival.package_id == packages[1])).one())
        before = {(row.lesson_uid, row.package_id) for row in session.scalars(select(Arrival))}
    with box.database.write() as session:
        for package in packages[:2]:
            reporting.note(session, box, "dropped", package_id=package)
        reporting.note_no_disk(session, box)
    hub.sync(box)
    with hub.here.database.read() as session:
        rows = session.scalars(select(Arrival)).all()
    assert {(row.lesson_uid, row.package_id) for row in rows} == before
    assert not any(row.dropped_ms for row in rows)
    assert states(hub, packages[1]) == {school.org: NO_DISK}


def test_a_hub_that_does_not_know_the_word_keeps_it_and_goes_on(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eduhub.sync.homeward.arrivals._KINDS", frozenset({"arrived", "no_disk"}))  # as the release before
    school, _course, gone, _others = crowded_out(hub, box)
    assert kinds(hub.here, gone) == ["arrived", "dropped"]
    assert states(hub, gone) == {school.org: HERE}
