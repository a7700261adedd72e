"""A box whose wall clock stands at 1970 or 2099, or jumps by fifty years between two rounds, does all that another does."""

import httpx
import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from eduhub.learning.models import Event, Progress
from eduhub.schools import calendars
from eduhub.schools.models import Enrolment
from eduhub.sync import rounds
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.boxes import joining
from eduhub.sync.homeward import outbox
from eduhub.sync.models import OutboxRow
from eduhub.sync.round_report import RoundReport
from tests.sync.test_outbox_and_inbox import enrol, watch
from tests.sync.world import WEDNESDAY_MS, Hub, Wire, WireCarrier, app_of

YEAR_MS = 365 * 86_400_000
AT_THE_BEGINNING, FAR_AHEAD = 0, 4_102_444_800_000 - 1  # 1970, the last moment of 2099


class OtherClock(Wire):
    """A line at whose other end the clock is right, and at this one it is not: they are one process here."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(app_of(hub.here))
        self.hub_ms = WEDNESDAY_MS

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        own = clock.now_ms()
        clock.freeze(self.hub_ms)
        try:
            return super().handle_request(request)
        finally:
            clock.freeze(own)


@pytest.fixture
def line(hub: Hub) -> OtherClock:
    return OtherClock(hub)


def sync(box: Installation, line: OtherClock) -> RoundReport:
    return rounds.run(box, on_progress=lambda _share: None, transport=line, carrier=WireCarrier(line))


@pytest.mark.parametrize("clocks", [
    [AT_THE_BEGINNING] * 4, [FAR_AHEAD] * 4, [WEDNESDAY_MS, WEDNESDAY_MS + 50 * YEAR_MS, AT_THE_BEGINNING, WEDNESDAY_MS],
    [FAR_AHEAD, AT_THE_BEGINNING, FAR_AHEAD, AT_THE_BEGINNING],
])  # fmt: skip
def test_a_box_joins_fetches_teaches_and_brings_home_whatever_its_clock_says(
    hub: Hub, box: Installation, line: OtherClock, clocks: list[int]
) -> None:
    school = hub.school("Shuanghu", children=1)
    course = hub.course(hub.region, groups=(school,))
    first, code = hub.lesson(course), hub.code(school)
    clock.freeze(clocks[0])
    joining.join(box, "http://hub.test", code, transport=line)
    sync(box, line)
    made = []
    for number, at_ms in enumerate(clocks):
        clock.freeze(WEDNESDAY_MS)
        later = hub.lesson(course, position=number + 1)
        clock.freeze(at_ms)
        made.append(watch(box, school, school.children[0], from_ms=number * 30_000, to_ms=(number + 1) * 30_000))
        enrol(box, school, f"Child {number}")
        report = sync(box, line)
        assert (report.outbox_rows, report.in_window) == (4, True)  # watched; a person, an enrolment; the lesson has arrived
        with box.database.read() as session:
            assert {session.get_one(PackageRow, package).floor_held for package in (first, later)} == {True}
            known = schedule_clock.now_ms(session, box.steady)
            assert known is not None
            assert 0 <= known - WEDNESDAY_MS < 60_000
            assert schedule_clock.silent_ms(session, box.steady) in range(60_000)
            assert outbox.waiting(session) == 0
    clock.freeze(WEDNESDAY_MS)
    with hub.here.database.read() as session:
        assert set(made) <= set(session.scalars(select(Event.uid)))
        assert sum(session.scalars(select(Progress.watched_ms))) == 120_000
        assert len(session.scalars(select(Enrolment)).all()) == 1 + len(clocks)


def test_what_is_edited_under_2099_does_not_win_for_ever(hub: Hub, box: Installation, line: OtherClock) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    sync(box, line)
    clock.freeze(FAR_AHEAD)
    with box.database.write() as session:
        calendars.find(session, school.org).current_school_year = 2099  # type: ignore[union-attr]
    sync(box, line)
    clock.freeze(WEDNESDAY_MS)
    with hub.here.database.write() as session:
        calendars.find(session, school.org).current_school_year = 2027  # type: ignore[union-attr]
    clock.freeze(AT_THE_BEGINNING)
    sync(box, line)
    with box.database.read() as session:
        assert calendars.find(session, school.org).current_school_year == 2027  # type: ignore[union-attr]


def test_rows_are_kept_35_days_of_running_time_whatever_the_clock_does(hub: Hub, box: Installation, line: OtherClock) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    watch(box, school, school.children[0])
    sync(box, line)
    clock.freeze(FAR_AHEAD)
    sync(box, line)
    with box.database.read() as session:
        assert len(session.scalars(select(OutboxRow)).all()) == 1
