"""A box keeps to its school's hours and megabytes, goes on by itself, and turns to what has become more urgent."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from eduhub.courses.models import Lesson, PlanRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.errors import LinkDown
from eduhub.installation import Installation
from eduhub.schools.models import SchoolCalendar, Site
from eduhub.sync.allowance import allowing, policies, traffic, wishes
from eduhub.sync.allowance.allowing import Budget, MustStop
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.allowance.traffic import LINK, Moved
from eduhub.sync.models import Traffic, Upstream
from tests.sync.test_what_is_wanted import fetched, held, plan_for, site_of
from tests.sync.world import Hub, School, noise

MB = 1_000_000


def large(seed: str, pieces: int) -> dict[str, bytes]:
    return {"index": noise(f"i{seed}", 700), "v240": noise(f"v{seed}", pieces * PIECE_BYTES)}


def joined(hub: Hub, box: Installation, **rules: Any) -> School:
    school = hub.school("Shuanghu")
    if rules:
        site_of(hub, school, **rules)
    hub.join(box, school)
    return school


def test_when_the_days_megabytes_are_used_up_parts_wait_and_the_rest_goes_on(hub: Hub, box: Installation) -> None:
    school = joined(hub, box, day_mb=2)
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=large("a", 30))
    report = hub.sync(box)
    assert report.waits_for == "day"
    assert "megabytes" in str(report)
    with box.database.read() as session:
        used = sum(row.bytes_down for row in session.scalars(select(Traffic)))
    assert 2 * MB - PIECE_BYTES <= used <= 2 * MB + PIECE_BYTES, "no part is begun that would not fit any more"
    assert "v240" not in str(held(box, package))
    with hub.here.database.write() as session:
        session.get_one(SchoolCalendar, school.org).current_school_year = 2027
    assert hub.sync(box).stream_entries == 1, "streams always go"


def test_hours_of_the_school_replace_those_of_the_setting(hub: Hub, make_installation: Callable[..., Installation]) -> None:
    box = make_installation(role="node", sync_window="22:00-23:00")
    school = joined(hub, box, windows="12:00-14:00")  # it is 13:00 there
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    assert hub.sync(box).waits_for == ""
    assert len(held(box, package)) == 5
    site_of(hub, school, windows="14:00-15:00")
    report = hub.sync(box)
    assert (report.waits_for, report.in_window) == ("window", False)


def test_in_class_nothing_comes_where_the_school_says_so(hub: Hub, box: Installation) -> None:
    school = joined(hub, box, class_ceiling_kbit_s=0)
    with hub.here.database.write() as session:
        calendar = session.get_one(SchoolCalendar, school.org)
        calendar.class_hours = [{"period": 1, "starts": "12:50", "ends": "13:10"}]
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    assert hub.sync(box).waits_for == "class_hours"
    assert held(box, package) == set()
    with box.database.read() as session:
        now = allowing.standing(session, box)
        assert allowing.verdict(now).ceiling_kbit_s == 0
    with Ledger(box) as ledger, pytest.raises(MustStop):
        Budget(box, ledger).turn()
    with hub.here.database.write() as session:
        session.get_one(SchoolCalendar, school.org).terms = [{"name": "1", "starts_on": "2026-09-01", "ends_on": "2026-11-01"}]
    assert hub.sync(box).waits_for == "", "there is no class outside the terms"


def test_while_the_clock_is_unknown_a_day_is_one_of_running_time(hub: Hub, box: Installation) -> None:
    school = joined(hub, box, day_mb=2, windows="01:00-02:00", class_ceiling_kbit_s=0)
    hub.sync(box)
    with box.database.write() as session:
        upstream = session.scalars(select(Upstream)).one()
        upstream.hub_time_ms = upstream.hub_time_steady_s = None
        traffic.book(session, traffic.now_ms(session, box.steady), LINK, {"": Moved(MB, 0)})
        now = allowing.standing(session, box)
        assert allowing.verdict(now).may_fetch
        assert allowing.verdict(now).left_bytes == MB
        traffic.book(session, traffic.now_ms(session, box.steady), LINK, {"": Moved(MB, 0)})
        assert allowing.verdict(allowing.standing(session, box)).waits_for == "day"
    assert school.site


def test_a_plan_that_changes_in_the_middle_of_a_round_changes_what_comes_next(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowing, "LOOKED_EVERY_S", 0.0)
    school = joined(hub, box)
    course = hub.course(hub.region, groups=(school,))
    packages = [hub.lesson(course, position=number, parts=large(str(number), 4)) for number in range(3)]
    hub.wire.cut_after = 200_000
    with pytest.raises(LinkDown):
        hub.sync(box)
    hub.wire.cut_after = None
    hub.wire.requests.clear()
    changed = []

    def before(path: str) -> None:
        if path.startswith("/p/") and not changed and len(fetched(hub)) == 1:
            with box.database.write() as session:
                lesson = session.scalars(select(Lesson.uid).where(Lesson.package_id == packages[2])).one()
                session.add(PlanRow(
                    org_uid=school.org, group_uid=school.group, lesson_uid=lesson, day="2026-11-25", period=1, dropped_on=None
                ))  # fmt: skip
            changed.append(path)

    hub.wire.before = before
    hub.sync(box)
    assert changed
    assert fetched(hub)[:2] == [packages[0], packages[2]]
    assert all(700 in held(box, package) and len(held(box, package)) == 3 for package in packages)


def test_a_wish_or_a_rule_is_noticed_between_two_pieces_and_other_writes_are_not(hub: Hub, box: Installation) -> None:
    school = joined(hub, box)
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.sync(box)
    now_s = 0.0

    def wait(budget: Budget) -> bool:
        nonlocal now_s
        now_s += allowing.LOOKED_EVERY_S
        budget.verdict()
        return budget.order_has_changed

    with Ledger(box) as ledger:
        budget = Budget(box, ledger, lambda: now_s)
        assert not wait(budget)
        with box.database.write() as session:
            session.get_one(SchoolCalendar, school.org).current_school_year = 2030
        assert not wait(budget)
        with box.database.write() as session:
            wishes.make(session, box.steady, session.scalars(select(Lesson.uid).where(Lesson.package_id == package)).one())
        assert wait(budget)
        budget = Budget(box, ledger, lambda: now_s)
        with box.database.write() as session:
            policies.set_site(session, session.get_one(Site, school.site), max_height=0)
        assert wait(budget)
    plan_for(hub, school, package, None)
