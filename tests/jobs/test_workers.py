"""Real workers: killed, stopped, cancelled, several at once."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eduhub import clock, worker
from eduhub.errors import EncodeInterrupted, LeaseLost, LinkDown
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue, workers
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker, any_alive
from eduhub.jobs.shift import Running

ROOT = Path(__file__).parents[2]


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> float:
    """Seconds it took until `holds()`; fails when it never does."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - began


class Yard:
    """Starts worker processes on one installation and reads what their jobs wrote down."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation, self.journal = installation, folder / "journal"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        settings = self.installation.settings
        self.started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.jobs.slow_worker", settings.data_dir, settings.database_url, self.journal],
                cwd=ROOT,
            )
        )
        return self.started[-1]

    def lines(self, word: str) -> list[str]:
        text = self.journal.read_text(encoding="ascii") if self.journal.exists() else ""
        return [line.split()[1] for line in text.splitlines() if line.split()[0] == word]

    def enqueue(self, kind: str = "test.slow", **args: int) -> str:
        with self.installation.database.write() as session:
            return queue.enqueue(session, kind, args).uid

    def state(self, uid: str) -> str:
        with self.installation.database.read() as session:
            return session.get_one(JobRow, uid).state

    def let_end(self) -> None:
        self.journal.with_name("journal.end").touch()

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def yard(installation: Installation, tmp_path: Path) -> Iterator[Yard]:
    made = Yard(installation, tmp_path)
    yield made
    made.close()


@pytest.mark.processes
def test_work_of_a_killed_worker_is_back_within_five_seconds_and_never_twice_at_once(yard):
    first = yard.start()
    uid = yard.enqueue()
    wait_until(lambda: yard.lines("start") == [uid])
    yard.start()
    # Long enough for the second worker to look several times: a job that is in work stays where it is.
    wait_until(lambda: len(list((yard.installation.settings.data_dir / "run").glob("worker-*.lock"))) == 2)
    assert yard.lines("start") == [uid]
    first.send_signal(signal.SIGKILL)  # and nobody waits for it: a zombie keeps /proc/<pid>
    assert wait_until(lambda: len(yard.lines("start")) == 2) < 5
    yard.let_end()
    wait_until(lambda: yard.state(uid) == "done")
    assert (yard.lines("start"), yard.lines("end")) == ([uid, uid], [uid])


@pytest.mark.processes
def test_many_jobs_and_two_workers_run_each_job_once(yard):
    yard.let_end()
    yard.start(), yard.start()
    uids = [yard.enqueue() for _ in range(12)]
    wait_until(lambda: all(yard.state(uid) == "done" for uid in uids), 60)
    assert sorted(yard.lines("start")) == sorted(uids)


@pytest.mark.processes
def test_a_stopped_worker_gives_its_job_back_without_spending_an_attempt(yard):
    process = yard.start()
    uid = yard.enqueue()
    wait_until(lambda: yard.lines("start") == [uid])
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert yard.lines("stopped") == [uid]
    with yard.installation.database.read() as session:
        row = session.get_one(JobRow, uid)
        assert (row.state, row.max_attempts - row.attempt) == ("waiting", 5)
    assert not any_alive(yard.installation.settings.data_dir / "run")


class Inside:
    """A worker in a thread of the test, with handlers of the test."""

    def __init__(self, installation: Installation, handlers: dict, **how) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=worker.run, args=(installation, handlers, self.stop), kwargs=how, daemon=True
        )

    def __enter__(self) -> "Inside":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_a_handler_gets_its_arguments_and_the_next_job_follows(yard):
    seen: list[tuple[str, str]] = []
    handlers = {
        "one": lambda context, lesson_uid: seen.append(("one", lesson_uid)),
        "two": lambda context, lesson_uid: seen.append(("two", lesson_uid)),
    }
    with yard.installation.database.write() as session:
        queue.enqueue(session, "one", {"lesson_uid": "a"}, then={"kind": "two", "args": {"lesson_uid": "b"}})
    with Inside(yard.installation, handlers):
        wait_until(lambda: len(seen) == 2)
    assert seen == [("one", "a"), ("two", "b")]


def test_a_cancelled_job_stops_at_its_next_word_of_progress(yard):
    started = threading.Event()

    def endless(context: JobContext) -> None:
        started.set()
        while True:
            context.progress(0.5)
            time.sleep(0.01)

    uid = yard.enqueue("endless")
    with Inside(yard.installation, {"endless": endless}):
        assert started.wait(20)
        with yard.installation.database.write() as session:
            queue.cancel(session, uid)
        wait_until(lambda: yard.state(uid) == "cancelled")


def test_a_worker_whose_job_was_given_to_another_stops_and_writes_nothing(yard, tmp_path):
    started, broken = threading.Event(), []

    def slow(context: JobContext) -> None:
        started.set()
        try:
            while True:
                context.progress(0.5)
                time.sleep(0.01)
        except Exception as error:
            broken.append(error)
            raise

    uid = yard.enqueue("slow")
    with Inside(yard.installation, {"slow": slow}), Worker(tmp_path / "elsewhere") as other:
        assert started.wait(20)
        with yard.installation.database.write() as session:
            row = session.get_one(JobRow, uid)
            row.attempt, row.worker = row.attempt + 1, other.name
        wait_until(lambda: len(broken) == 1)
    assert broken[0].code == "jobs.lease_lost"
    assert yard.state(uid) == "running"


def test_an_error_is_written_down_with_its_code_and_decides_about_another_try(yard):
    def fails(context: JobContext) -> None:
        raise EncodeInterrupted("the encoder was killed")

    def broken(context: JobContext) -> None:
        raise LookupError

    uid, other = yard.enqueue("fails"), yard.enqueue("broken")

    def code(job: str) -> str | None:
        with yard.installation.database.read() as session:
            return session.get_one(JobRow, job).error_code

    with Inside(yard.installation, {"fails": fails, "broken": broken}):
        wait_until(lambda: code(uid) is not None and code(other) is not None)
    assert (yard.state(uid), code(uid), code(other)) == ("waiting", "media.encode_interrupted", "eduhub.error")


def test_a_long_job_does_not_keep_short_ones_waiting(yard):
    release, short = threading.Event(), threading.Event()
    handlers = {"media.prepare": lambda context: release.wait(20), "short": lambda context: short.set()}
    uids = [yard.enqueue("media.prepare"), yard.enqueue("media.prepare")]
    yard.enqueue("short")
    with Inside(yard.installation, handlers):
        assert short.wait(20)
        assert sorted(yard.state(uid) for uid in uids) == ["running", "waiting"]
        release.set()
        wait_until(lambda: all(yard.state(uid) == "done" for uid in uids))


def test_timers_fire_at_once_and_again_and_a_failing_one_disturbs_no_other(yard):
    fired: list[str] = []

    def fail(_installation: Installation) -> None:
        fired.append("bad")
        raise LinkDown

    timers = [worker.Timer("bad", 0.1, fail), worker.Timer("good", 0.1, lambda _: fired.append("good"))]
    with Inside(yard.installation, {}, timers=timers):
        wait_until(lambda: fired.count("good") >= 2 and fired.count("bad") >= 2)


def test_only_one_worker_of_a_machine_fires_timers(yard):
    fired: list[int] = []
    workers = [
        Inside(yard.installation, {}, timers=[worker.Timer("t", 0.2, lambda _, n=n: fired.append(n))]) for n in (1, 2)
    ]
    with workers[0]:
        wait_until(lambda: len(fired) >= 1)
        with workers[1]:
            wait_until(lambda: len(fired) >= 4)
    assert set(fired) == {1}


def test_a_timer_job_is_not_piled_up_while_one_waits(yard):
    timer = worker.job_every("sync.round", 60)
    timer.fire(yard.installation), timer.fire(yard.installation)
    with yard.installation.database.read() as session:
        assert session.query(JobRow).count() == 1


def test_a_node_syncs_by_timer_and_a_hub_does_not(make_settings):
    names = {role: {timer.name for timer in worker.timers_of(make_settings(role=role))} for role in ("hub", "node")}
    assert "sync.turn" in names["node"] - names["hub"]


@pytest.mark.one_writer
def test_a_long_writer_takes_no_job_from_a_worker_that_lives(yard):
    """On SQLite nobody beats while somebody writes; a machine with its own PostgreSQL has no such writer."""
    started, release = threading.Event(), threading.Event()

    def slow(context: JobContext) -> None:
        started.set()
        while not release.wait(0.01):
            context.progress(0.5)

    uid = yard.enqueue("slow")
    with Inside(yard.installation, {"slow": slow}):
        assert started.wait(20)
        lease_s = yard.installation.settings.job_lease_s
        with yard.installation.database.write() as session:
            held_until = clock.monotonic_s() + 1.5 * lease_s
            wait_until(lambda: clock.monotonic_s() > held_until)
            session.rollback()
        release.set()
        wait_until(lambda: yard.state(uid) == "done")
    with yard.installation.database.read() as session:
        assert session.get_one(JobRow, uid).attempt == 1


def test_a_worker_cut_off_from_a_shared_database_lets_go_within_its_lease():
    held = queue.Claim("uid", "slow", {}, 1, 5, 15.0)
    cut_off = Running(held, threading.Event(), silent_after_s=13.5, beaten_s=clock.monotonic_s() - 14)
    with pytest.raises(LeaseLost):
        cut_off.progress(0.5)
    Running(held, threading.Event(), silent_after_s=None, beaten_s=clock.monotonic_s() - 14).progress(0.5)


def test_a_worker_is_on_the_list_while_it_works_and_off_it_when_it_stopped(yard):
    def listed() -> list[bool]:
        with yard.installation.database.read() as session:
            return [each.alive for each in workers.all_of(session, yard.installation.settings.data_dir / "run")]

    with Inside(yard.installation, {}):
        wait_until(lambda: listed() == [True])
    assert listed() == []
