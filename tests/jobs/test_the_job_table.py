"""The durable job table: order, duplicates, fencing, retries, limits, cancelling."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.db import Database
from eduhub.errors import BadInput, DiskFull, EncodeInterrupted, JobCancelled, LeaseLost, NotFound, ToolMissing
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


LONG_MS = 10**9  # more than the patience with a worker that holds its lock, whatever the uptime of this machine


def run_out(database: Database, uid: str) -> None:
    """The holder has been silent for far longer than its lease."""
    with database.write() as session:
        row = session.get(JobRow, uid)
        assert row is not None
        row.lease_until_ms = -LONG_MS


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


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("how", ["refused", "killed"])
def test_what_must_know_of_a_failure_too_comes_after_it_and_other_work_does_not(database, worker, tmp_path, always, how):
    then = {"kind": "courses.publish_if_ready", "args": {"lesson_uid": "l"}} | ({"always": True} if always else {})
    uid = add(database, then=then, org_uid="Shuanghu", max_attempts=1)
    with Worker(tmp_path / "run") as dying:
        held = queue.claim(database, dying, KINDS, 30)
        assert held is not None
        if how == "refused":
            with database.write() as session:
                queue.fail(session, held, ToolMissing(tool="ffmpeg"))
    assert queue.claim(database, worker, KINDS, 30) is None
    assert state_of(database, uid).state == "failed"
    following = queue.claim(database, worker, ["courses.publish_if_ready"], 30)
    assert (following is not None and following.args == {"lesson_uid": "l"}) is always


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
        queue.fail(session, held, ToolMissing(tool="ffmpeg"))
    row = state_of(database, uid)
    assert (row.state, row.error_code, row.error_facts) == ("failed", "media.tool_missing", {"tool": "ffmpeg"})


@pytest.mark.parametrize("error", [DiskFull(needed_mb=9), OSError(errno.ENOSPC, "No space left on device")])
def test_a_full_disk_is_waited_out_without_spending_an_attempt(database, worker, error):
    uid, now = add(database, max_attempts=1), clock.now_ms()
    for turn in range(4):
        clock.freeze(now + turn * 301_000)
        held = queue.claim(database, worker, KINDS, 30)
        assert held is not None
        with database.write() as session:
            queue.fail(session, held, error)
        row = state_of(database, uid)
        assert (row.state, row.error_code) == ("waiting", "storage.disk_full")
        clock.freeze(now + turn * 301_000 + 299_000)
        assert queue.claim(database, worker, KINDS, 30) is None
    clock.freeze(now + 5 * 301_000)
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    with database.write() as session:
        assert queue.finish(session, held).error_code is None


@pytest.mark.one_writer
def test_a_database_without_room_is_a_full_disk_too(database, worker, tmp_path):
    add(database)
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    small = Database(f"sqlite:///{tmp_path / 'small.db'}")
    with small.write() as session:
        session.execute(text("CREATE TABLE t (x)"))
        session.execute(text("PRAGMA max_page_count = 2"))
        with pytest.raises(DiskFull) as full:
            session.execute(text("INSERT INTO t VALUES (zeroblob(100000))"))
    small.close()
    with database.write() as session:
        assert queue.fail(session, held, full.value).error_code == "storage.disk_full"


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


def test_power_cuts_spend_no_attempt(database, worker, tmp_path):
    uid = add(database, max_attempts=1)
    for cut in range(3):
        with Worker(tmp_path / "run") as dying:
            assert queue.claim(database, dying, KINDS, 30) is not None
            lock = tmp_path / "run" / f"worker-{dying.name.partition('/')[2]}.lock"
            os.link(lock, tmp_path / "kept")
        (tmp_path / "kept").write_text(f"boot {cut}")  # what the file says after the next boot: another one's name
        (tmp_path / "kept").rename(lock)
    held = queue.claim(database, worker, KINDS, 30)
    assert held is not None
    assert (held.uid, held.attempt) == (uid, 4)


def test_a_lease_counted_on_another_machine_holds_nothing_for_ever(database, worker, tmp_path):
    uid = add(database)
    with Worker(tmp_path / "the machine that was backed up") as elsewhere:
        assert queue.claim(database, elsewhere, KINDS, 30) is not None
    with database.write() as session:
        row = session.get_one(JobRow, uid)
        assert row.lease_until_ms is not None
        row.lease_until_ms += 400 * 86_400_000  # it had run for so long
    assert queue.claim(database, worker, KINDS, 30) is not None


def test_on_one_machine_a_worker_that_lives_keeps_its_job_through_a_lease_without_beats(database, worker, tmp_path):
    """A long writer keeps all beats waiting. PostgreSQL has none, and other machines that go by the lease."""
    uid = add(database)
    with Worker(tmp_path / "run") as other:
        held = queue.claim(database, other, KINDS, 30)
        assert held is not None
        with database.write() as session:
            row = session.get_one(JobRow, uid)
            assert row.lease_until_ms is not None
            row.lease_until_ms -= 60_000
        if not database.is_sqlite:
            assert queue.claim(database, worker, KINDS, 30) is not None
            return
        assert queue.claim(database, worker, KINDS, 30) is None
        with database.write() as session:
            assert queue.beat(session, held)


def test_what_a_holder_must_let_go_is_told_without_writing(database, worker):
    uids = [add(database), add(database), add(database)]
    claims = [queue.claim(database, worker, KINDS, 30) for _ in uids]
    held = [each for each in claims if each is not None]
    with database.write() as session:
        queue.cancel(session, held[0].uid)
        queue.finish(session, held[1])
    with database.read() as session:
        reasons = queue.to_let_go(session, held)
    assert {uid: error.code for uid, error in reasons.items()} == {
        held[0].uid: "jobs.cancelled", held[1].uid: "jobs.lease_lost",
    }  # fmt: skip


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
