"""Every byte is booked: to the lesson it came for, or to none; so a school sees where its megabytes went."""

import errno
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses.models import Lesson
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.errors import DiskFull, LinkDown
from eduhub.installation import Installation
from eduhub.sync.allowance import ledger as ledgers
from eduhub.sync.allowance import traffic
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.allowance.traffic import DAY_MS, HOUR_MS, LINK, NEIGHBOUR, Moved
from eduhub.sync.models import Traffic, Upstream
from tests.sync.world import WEDNESDAY_MS, Hub, noise

A, B = "a" * 36, "b" * 36
NOON_MS = WEDNESDAY_MS - WEDNESDAY_MS % HOUR_MS


def everything(session: Session) -> int:
    return sum(row.bytes_down + row.bytes_up for row in session.scalars(select(Traffic)))


def test_what_a_round_brings_is_booked_to_its_lessons(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    for number in range(2):
        hub.lesson(course, position=number)
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session:
        sizes = {}
        for package in session.scalars(select(PackageRow)):
            parts = session.scalars(select(PartRow.bytes).where(PartRow.package_id == package.id))
            sizes[package.lesson_uid] = len(package.manifest) + sum(parts)
        rows = {row.lesson_uid: row for row in traffic.by_lesson(session, 0)}
        assert {uid: row.moved.down for uid, row in rows.items()} == sizes
        assert {row.via for row in rows.values()} == {LINK}
        assert {row.hour_ms for row in traffic.by_hour(session, 0)} == {NOON_MS}


def test_a_part_of_two_lessons_is_booked_to_the_one_it_was_fetched_for(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    shared = {"index": noise("i", 900), "aac": noise("a", 50_000)}
    packages = [hub.lesson(course, position=number, parts=shared) for number in range(2)]
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session:
        manifests = sum(len(session.get_one(PackageRow, package).manifest) for package in packages)
        assert sum(row.moved.down for row in traffic.by_lesson(session, 0)) == manifests + 50_900
        first = session.scalars(select(Lesson.uid).where(Lesson.position == 0)).one()
        assert traffic.by_lesson(session, 0)[0].lesson_uid == first


def test_a_round_that_is_cut_has_booked_what_came(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    hub.wire.cut_after = 40_000
    with pytest.raises(LinkDown):
        hub.sync(box)
    with box.database.read() as session:
        came = sum(row.moved.down for row in traffic.by_lesson(session, 0) if row.lesson_uid)
    parts = sum(size for path, size in hub.wire.delivered.items() if path.startswith("/p/"))
    assert 0 < came == parts


def test_what_moves_is_written_down_every_ten_seconds(box: Installation) -> None:
    now_s = 0.0
    ledger = Ledger(box, lambda: now_s)
    ledger.came(A, 1000)
    ledger.turn()
    with box.database.read() as session:
        assert everything(session) == 0
    now_s = ledgers.BOOKED_EVERY_S
    ledger.turn()
    with box.database.read() as session:
        assert everything(session) == 1000
    ledger.turn()
    ledger.book()
    with box.database.read() as session:
        assert everything(session) == 1000


def test_only_seconds_in_which_parts_came_are_counted_as_busy(box: Installation) -> None:
    now_s = 0.0
    with Ledger(box, lambda: now_s) as ledger:
        for now_s in (0.0, 0.5, 1.0, 1.5, 60.0, 61.0, 63.5):
            ledger.came(A if now_s < 10 else B, 2000)
        with ledger.by(NEIGHBOUR):
            ledger.came(B, 7000)
    with box.database.read() as session:
        found = {(row.lesson_uid, row.via): row.moved for row in traffic.by_lesson(session, 0)}
    assert found == {(A, LINK): Moved(8000, 0, 1.5), (B, LINK): Moved(6000, 0, 3.5), (B, NEIGHBOUR): Moved(7000, 0, 0.0)}


def test_on_a_full_disk_the_booking_waits(box: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(box)
    ledger.came(A, 1000)

    def full(*_args: object) -> None:
        raise DiskFull(str(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(traffic, "book", full)
        ledger.book()
    ledger.came(A, 10)
    ledger.book()
    with box.database.read() as session:
        assert everything(session) == 1010


def test_while_the_clock_is_unknown_hours_are_of_running_time_and_are_dated_later(box: Installation) -> None:
    with box.database.write() as session:
        at_ms = traffic.now_ms(session, box.steady)
        assert not traffic.is_dated(at_ms)
        traffic.book(session, at_ms, LINK, {A: Moved(500, 5)})
        assert traffic.used(session, at_ms - DAY_MS) == traffic.used(session, 1) == 505
    with box.database.write() as session:
        session.add(Upstream(
            url="http://hub.test", priority=0, node_uid=A, hub_uid=B, certificate={}, stream_sequence=0, stream_epoch=1,
            change_seq_sent=0, hub_time_ms=WEDNESDAY_MS, hub_time_steady_s=int(box.steady.now_s()), last_contact_ms=None,
            last_error=None,
        ))  # fmt: skip
    with box.database.write() as session:
        traffic.tidy(session, box.steady, "Asia/Shanghai")
        assert [row.hour_ms for row in traffic.by_hour(session, 0)] == [NOON_MS]
        assert traffic.used(session, NOON_MS) == 505
        assert traffic.used(session, 1) == 0, "nothing is left of the steady clock's hours"
        assert traffic.used(session, 0) == 505


def test_after_sixty_days_hours_become_days_and_after_four_hundred_they_go(hub: Hub, box: Installation) -> None:
    hub.join(box, hub.school("Shuanghu"))
    hub.sync(box)
    with box.database.write() as session:
        old = [NOON_MS - 61 * DAY_MS, NOON_MS - 61 * DAY_MS - 2 * HOUR_MS, NOON_MS - 59 * DAY_MS, NOON_MS - 401 * DAY_MS]
        for at_ms in old:
            traffic.book(session, at_ms, LINK, {A: Moved(100, 1, 2.0)})
    with box.database.write() as session:
        for _twice in range(2):
            traffic.tidy(session, box.steady, "Asia/Shanghai")
        rows = traffic.by_hour(session, 0, LINK)
    begins = datetime(2026, 9, 24, 16, tzinfo=UTC)  # midnight at the school
    assert [(row.hour_ms, row.moved) for row in rows][:2] == [
        (int(begins.timestamp() * 1000), Moved(200, 2, 4.0)), (NOON_MS - 59 * DAY_MS, Moved(100, 1, 2.0)),
    ]  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 500 * 24), st.sampled_from([A, B, ""]), st.integers(0, 10**12)), max_size=20))
def test_tidying_loses_no_byte_of_the_last_four_hundred_days(
    make_installation: Callable[..., Installation], hub: Hub, box: Installation, booked: list[tuple[int, str, int]]
) -> None:
    with box.database.write() as session:
        if session.scalar(select(Upstream.url)) is None:
            session.add(Upstream(
                url="http://hub.test", priority=0, node_uid=A, hub_uid=B, certificate={}, stream_sequence=0, stream_epoch=1,
                change_seq_sent=0, hub_time_ms=WEDNESDAY_MS, hub_time_steady_s=int(box.steady.now_s()), last_contact_ms=None,
                last_error=None,
            ))  # fmt: skip
        for row in session.scalars(select(Traffic)):
            session.delete(row)
    with box.database.write() as session:
        for hours, uid, count in booked:
            traffic.book(session, NOON_MS - hours * HOUR_MS, LINK, {uid: Moved(count, 0, 1.0)})
        traffic.tidy(session, box.steady, "Asia/Shanghai")
        kept = sum(count for hours, _uid, count in booked if hours < 400 * 24)
        assert kept <= everything(session) <= sum(count for hours, _uid, count in booked if hours <= 400 * 24)


def test_the_measured_rate_follows_the_newest_hours(box: Installation) -> None:
    with box.database.write() as session:
        assert traffic.rate(session) is None
        traffic.book(session, NOON_MS - 20 * HOUR_MS, LINK, {A: Moved(100_000, 0, 10.0)})
        assert traffic.rate(session) == 10_000
        traffic.book(session, NOON_MS, LINK, {A: Moved(500_000, 0, 10.0), "": Moved(9_999_999, 77, 0.0)})
        found = traffic.rate(session)
        traffic.book(session, NOON_MS, NEIGHBOUR, {A: Moved(5_000_000, 0, 1.0)})
        assert traffic.rate(session) == found
    assert found is not None
    weight = 0.5 ** (20 / 6)
    assert found == pytest.approx((500_000 + weight * 100_000) / (10 + weight * 10))


def test_less_than_five_seconds_are_no_measure(box: Installation) -> None:
    with box.database.write() as session:
        traffic.book(session, clock.now_ms(), LINK, {A: Moved(100_000, 0, 4.0)})
        assert traffic.rate(session) is None
