"""What the operator's page and a lesson's page are told: how long still, and which workers live."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eduhub import clock
from eduhub.db import Database
from eduhub.errors import NotFound
from eduhub.jobs import forecast, queue, workers
from eduhub.jobs.forecast import Forecast
from eduhub.jobs.models import JobRow, WorkerRow
from eduhub.jobs.running import Worker
from eduhub.uids import new_uid

NOON_MS = 1_800_072_000_000
LIMITS = {"encode": 1}


class Hub:
    """A hub whose encodings take as long as they say."""

    def __init__(self, database: Database, worker: Worker) -> None:
        self.database, self.worker = database, worker

    def add(self, school: str, expected_s: int | None = 100, **values) -> str:
        clock.freeze(clock.now_ms() + 1)
        with self.database.write() as session:
            return queue.enqueue(session, "encode", {}, org_uid=school, expected_s=expected_s, **values).uid

    def begin(self) -> queue.Claim:
        held = queue.claim(self.database, self.worker, ["encode"], 3600, LIMITS)
        assert held is not None
        return held

    def of(self, uid: str, **how) -> Forecast:
        with self.database.read() as session:
            return forecast.of(session, uid, LIMITS, **how)


@pytest.fixture
def hub(database: Database, tmp_path: Path) -> Iterator[Hub]:
    clock.freeze(NOON_MS)
    with Worker(tmp_path / "run") as worker:
        yield Hub(database, worker)


def test_a_job_that_nothing_is_before_begins_at_once(hub):
    assert hub.of(hub.add("Nyalam")) == Forecast(0, 0.0, 100.0)


def test_a_job_waits_for_what_runs_and_for_what_goes_first(hub):
    running = hub.add("Nyalam", 100)
    hub.begin()
    clock.freeze(clock.now_ms() + 40_000)
    last, sooner = hub.add("Nyalam", 50), hub.add("Nyalam", 30, priority=40)
    assert hub.of(running) == Forecast(0, 0.0, pytest.approx(60, abs=0.1))
    assert hub.of(sooner) == Forecast(0, pytest.approx(60, abs=0.1), pytest.approx(90, abs=0.1))
    assert hub.of(last) == Forecast(1, pytest.approx(90, abs=0.1), pytest.approx(140, abs=0.1))


def test_the_forecast_counts_the_turns_that_come_true(hub):
    uids = [hub.add("Nyalam") for _ in range(5)] + [hub.add("Medog") for _ in range(2)] + [hub.add("Zanda")]
    foreseen = {uid: hub.of(uid).ahead for uid in uids}
    order = []
    for _ in uids:
        held = hub.begin()
        order.append(held.uid)
        with hub.database.write() as session:
            queue.finish(session, held)
    assert foreseen == {uid: place for place, uid in enumerate(order)}


def test_a_pace_says_more_than_what_was_expected(hub):
    uid = hub.add("Nyalam", 100)
    held = hub.begin()
    with hub.database.write() as session:
        queue.beat(session, held, 500)
    clock.freeze(clock.now_ms() + 200_000)
    assert hub.of(uid).ends_in_s == pytest.approx(200, abs=0.1)


def test_what_nobody_knows_is_not_said(hub):
    first, second = hub.add("Nyalam", None), hub.add("Nyalam", None)
    assert hub.of(first) == Forecast(0, 0.0, None)
    assert hub.of(second) == Forecast(1, None, None)
    held = hub.begin()
    assert hub.of(second) == Forecast(0, None, None)
    with hub.database.write() as session:
        queue.finish(session, held)
    assert hub.of(first) == Forecast(0, None, None)
    with pytest.raises(NotFound):
        hub.of(new_uid())


def test_a_closed_window_and_a_full_disk_put_the_beginning_off(hub):
    windowed, light = hub.add("Nyalam", 10, time_window="encode"), hub.add("Nyalam", 10, priority=60)
    assert hub.of(windowed, opens_in_s={"encode": 3600.0}) == Forecast(0, 3600.0, 3610.0)
    assert hub.of(light, opens_in_s={"encode": 3600.0}) == Forecast(0, 0.0, 10.0)
    assert hub.of(light, opens_in_s={"encode": 0.0}).ahead == 1
    with hub.database.write() as session:
        session.get_one(JobRow, windowed).not_before_ms = clock.now_ms() + 300_000
    assert hub.of(windowed).begins_in_s == pytest.approx(300)


def test_a_worker_of_this_machine_lives_while_its_lock_is_held(hub, tmp_path):
    uid = hub.add("Nyalam")
    with Worker(tmp_path / "run") as dying:
        with hub.database.write() as session:
            workers.seen(session, dying, 2)
            workers.seen(session, hub.worker)
        held = hub.begin()
    with hub.database.read() as session:
        states = workers.all_of(session, tmp_path / "run")
    assert [(each.name, each.alive) for each in states] == [(hub.worker.name, True), (dying.name, False)]
    assert [[job.uid for job in each.jobs] for each in states] == [[uid], []]
    assert held.uid == uid
    assert states[1].lanes == 2


def test_a_worker_elsewhere_lives_while_it_is_heard(hub, tmp_path):
    with Worker(tmp_path / "elsewhere") as other:
        with hub.database.write() as session:
            workers.seen(session, other)
        with hub.database.read() as session:
            assert [each.alive for each in workers.all_of(session, tmp_path / "run")] == [True]
        with hub.database.write() as session:
            session.get_one(WorkerRow, other.name).seen_ms -= 60_000
        with hub.database.read() as session:
            assert [each.alive for each in workers.all_of(session, tmp_path / "run")] == [False]


def test_a_worker_that_stopped_is_gone_and_one_not_heard_of_for_a_day_is_forgotten(hub, tmp_path):
    with Worker(tmp_path / "run") as stopped, Worker(tmp_path / "elsewhere") as lost:
        with hub.database.write() as session:
            workers.seen(session, stopped), workers.seen(session, lost)
            session.get_one(WorkerRow, lost.name).seen_ms -= 25 * 3_600_000
        with hub.database.write() as session:
            workers.gone(session, stopped)
            workers.seen(session, hub.worker)
        with hub.database.read() as session:
            assert [each.name for each in workers.all_of(session, tmp_path / "run")] == [hub.worker.name]
