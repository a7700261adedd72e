"""The durable job table: order, duplicates, fencing, retries, limits, cancelling."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.db import Database
from eduhub.errors import BadInput, DiskFull, EncodeInterrupted, JobCancelled, LeaseLost, NotFound
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.uids import new_uid

KINDS = ["media.prepare", "sync.round"]


@pytest.fixture
def worker(tmp_path: Path):
    with Worker(tmp_path / "run") as made:
        yield made


def add(database: Database, kind: str = "media.prepare", **values) -> str:
    with database.write() as session:
        return queue.enqueue(session, kind, {"source_uid": "s"}, **values).uid


def state_of(database: Database, uid: str) -> JobRow:
    with database.read() as session:
        row = session.get(JobRow, uid)
        assert row is not None
        session.expunge(row)
        return row


def run_out(database: Database, uid: str) -> None:
    """The holder has been silent for longer than its lease."""
    with database.write() as session:
        row = session.get(JobRow, uid)
        assert row is not None
        row.lease_until_ms = 0


def cut_the_power_after(database: Database, call: Callable[[Session], object]) -> None:
    """`call` does its part of a transaction that is never committed."""

    def cut() -> None:
        with database.write() as session:
            call(session)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut()


def test_the_smaller_priority_goes_first_and_then_the_older_job(database, worker):
    last = add(database, priority=50)
    first = add(database, priority=10)
    claims = [queue.claim(database, worker, KINDS, 30) for _ in range(3)]
    assert [held and held.uid for held in claims] == [first, last, None]


def test_only_the_asked_kinds_are_claimed(database, worker):
    add(database, "courses.publish_if_ready")
    assert queue.claim(database, worker, KINDS, 30) is None


def test_a_job_rolled_back_with_its_transaction_does_not_exist(database, worker):
    cut_the_power_after(database, lambda session: queue.enqueue(session, "sync.round", {}))
    assert queue.claim(database, worker, KINDS, 30) is None


def test_the_same_word_gives_the_same_job_until_it_ends(database, worker):
    one = add(database, "sync.round", dedupe="timer:sync.round")
    assert add(database, "sync.round", dedupe="timer:sync.round") == one
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    assert add(database, "sync.round", dedupe="timer:sync.round") == one
    with database.write() as session:
        queue.finish(session, held)
    assert add(database, "sync.round", dedupe="timer:sync.round") != one


def test_a_job_is_not_claimed_before_its_time(database, worker):
    add(database, not_before_ms=clock.now_ms() + 60_000)
    assert queue.claim(database, worker, KINDS, 30) is None
    clock.freeze(clock.now_ms() + 61_000)
    assert queue.claim(database, worker, KINDS, 30) is not None


def test_a_start_written_under_a_clock_of_2099_does_not_wait_until_2099(database, worker):
    true_ms = clock.now_ms()
    clock.freeze(4_070_908_800_000)
    add(database, not_before_ms=clock.now_ms() + 60_000)
    assert queue.claim(database, worker, KINDS, 30) is None
    clock.freeze(true_ms)
    assert queue.claim(database, worker, KINDS, 30) is not None


def test_nothing_may_be_put_off_for_longer_than_a_week(database):
    with pytest.raises(BadInput), database.write() as session:
        queue.enqueue(session, "sync.round", {}, not_before_ms=clock.now_ms() + 8 * 86_400_000)


def test_no_more_of_a_kind_run_at_once_than_its_limit(database, worker):
    for _ in range(3):
        add(database)
    add(database, "sync.round", priority=90)
    limits = {"media.prepare": 1}
    kinds = [held.kind if (held := queue.claim(database, worker, KINDS, 30, limits)) else None for _ in range(3)]
    assert kinds == ["media.prepare", "sync.round", None]


def test_success_brings_the_next_job_in_the_same_transaction(database, worker):
    add(database, then={"kind": "courses.publish_if_ready", "args": {"lesson_uid": "l"}}, org_uid=new_uid())
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    cut_the_power_after(database, lambda session: queue.finish(session, held))
    assert queue.claim(database, worker, ["courses.publish_if_ready"], 30) is None
    with database.write() as session:
        queue.finish(session, held)
    following = queue.claim(database, worker, ["courses.publish_if_ready"], 30)
    assert following is not None
    assert following.args == {"lesson_uid": "l"}


def test_a_worker_that_lost_its_lease_changes_nothing(database, worker):
    uid = add(database)
    old = queue.claim(database, worker, KINDS, 30)
    run_out(database, uid)
    new = queue.claim(database, worker, KINDS, 30)
    assert old is not None
    assert new is not None
    assert (new.uid, new.attempt) == (uid, old.attempt + 1)
    for call in (queue.beat, queue.finish, queue.give_back, lambda s, h: queue.fail(s, h, EncodeInterrupted())):
        with pytest.raises(LeaseLost), database.write() as session:
            call(session, old)
    assert state_of(database, uid).state == "running"
    with database.write() as session:
        assert queue.beat(session, new, 400)
        assert queue.finish(session, new).state == "done"
    with pytest.raises(LeaseLost), database.write() as session:
        queue.finish(session, new)


def test_a_step_of_the_wall_clock_takes_no_lease_away(database, worker):
    add(database)
    assert queue.claim(database, worker, KINDS, 30) is not None
    clock.freeze(4_070_908_800_000)
    assert queue.claim(database, worker, KINDS, 30) is None


def test_work_of_a_dead_worker_of_this_machine_is_taken_up_at_once(database, worker, tmp_path):
    uid = add(database)
    with Worker(tmp_path / "run") as dying:
        assert queue.claim(database, dying, KINDS, 3600) is not None
        assert queue.claim(database, worker, KINDS, 3600) is None
    held = queue.claim(database, worker, KINDS, 3600)
    assert held is not None
    assert (held.uid, held.attempt) == (uid, 2)


def test_work_of_a_worker_elsewhere_is_left_to_its_lease(database, worker, tmp_path):
    uid = add(database)
    with Worker(tmp_path / "another machine") as elsewhere:
        assert queue.claim(database, elsewhere, KINDS, 3600) is not None
    assert queue.claim(database, worker, KINDS, 3600) is None
    run_out(database, uid)
    assert queue.claim(database, worker, KINDS, 3600) is not None


def test_an_error_that_may_pass_is_tried_again_later_each_time(database, worker):
    uid = add(database, max_attempts=3)
    waits = []
    for _ in range(3):
        held = queue.claim(database, worker, KINDS, 30)
        assert held is not None
        now = clock.now_ms()
        clock.freeze(now)
        with database.write() as session:
            row = queue.fail(session, held, EncodeInterrupted())
            waits.append((row.state, row.not_before_ms - now if row.state == "waiting" else None))
        assert queue.claim(database, worker, KINDS, 30) is None
        clock.freeze(now + 3600_000)
    assert waits == [("waiting", 2000), ("waiting", 4000), ("failed", None)]
    assert state_of(database, uid).error_code == "media.encode_interrupted"


def test_back_off_ends_at_ten_minutes():
    assert [queue.back_off_ms(attempt) for attempt in (1, 2, 9, 10, 11, 5000)] == [
        2000, 4000, 512_000, 600_000, 600_000, 600_000,
    ]  # fmt: skip


def test_an_error_that_cannot_pass_is_not_tried_again(database, worker):
    uid = add(database)
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    with database.write() as session:
        queue.fail(session, held, DiskFull(needed_mb=9))
    row = state_of(database, uid)
    assert (row.state, row.error_code, row.error_facts) == ("failed", "storage.disk_full", {"needed_mb": 9})


def test_an_error_that_nobody_foresaw_gets_its_attempts(database, worker):
    uid = add(database, max_attempts=2)
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    with database.write() as session:
        assert queue.fail(session, held, ZeroDivisionError()).state == "waiting"
    assert state_of(database, uid).error_facts == {"type": "ZeroDivisionError"}


def test_a_job_that_kills_every_worker_ends_as_failed(database, worker, tmp_path):
    uid = add(database, max_attempts=2)
    for _ in range(2):
        with Worker(tmp_path / "run") as dying:
            assert queue.claim(database, dying, KINDS, 30) is not None
    assert queue.claim(database, worker, KINDS, 30) is None
    row = state_of(database, uid)
    assert (row.state, row.error_code) == ("failed", "jobs.lease_lost")


def test_work_that_is_given_back_spends_no_attempt_and_fences_the_giver(database, worker):
    uid = add(database, max_attempts=1)
    for attempt in (1, 2, 3):
        held = queue.claim(database, worker, KINDS, 30)
        assert held is not None
        assert held.attempt == attempt
        with database.write() as session:
            assert queue.give_back(session, held).state == "waiting"
        with pytest.raises(LeaseLost), database.write() as session:
            queue.beat(session, held)
    assert state_of(database, uid).state == "waiting"


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_at_its_next_beat(database, worker):
    waiting, running = add(database, priority=60), add(database, priority=40)
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    assert held.uid == running
    with database.write() as session:
        assert queue.cancel(session, waiting).state == "cancelled"
        assert queue.cancel(session, running).state == "running"
    with database.write() as session:
        assert not queue.beat(session, held)
        assert queue.fail(session, held, JobCancelled()).state == "cancelled"
    with pytest.raises(NotFound), database.write() as session:
        queue.cancel(session, new_uid())


def test_jobs_that_ended_long_ago_are_forgotten_and_others_are_not(database, worker):
    done, waiting = add(database, priority=1), add(database)
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    with database.write() as session:
        queue.finish(session, held)
    with database.write() as session:
        assert queue.forget_ended(session, before_ms=clock.now_ms() + 1) == 1
    with database.read() as session:
        assert session.get(JobRow, done) is None
        assert session.get(JobRow, waiting) is not None
