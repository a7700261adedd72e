"""Several claim, enqueue and finish at the same moment, on either engine."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import func, select

from eduhub.db import Database
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker

HANDS = 4


def all_at_once(call: Callable[[int], object]) -> list[object]:
    """`call` in several threads that begin together."""
    gate = threading.Barrier(HANDS)

    def begin(number: int) -> object:
        gate.wait(20)
        return call(number)

    with ThreadPoolExecutor(HANDS) as pool:
        return list(pool.map(begin, range(HANDS)))


def test_no_job_is_claimed_twice_and_no_limit_is_passed(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        for _ in range(8):
            queue.enqueue(session, "heavy", {})
            queue.enqueue(session, "light", {})
    claimed: Counter[str] = Counter()
    most_heavy = []

    def work(_number: int) -> None:
        with Worker(tmp_path / "run") as worker:
            while something_waits():
                held = queue.claim(database, worker, ["heavy", "light"], 3600, {"heavy": 1})
                if held is None:
                    continue  # what waits is kept back by the limit
                claimed[held.uid] += 1
                threading.Event().wait(0.15)  # long enough for another hand to reach for the same kind
                with database.write() as session:
                    running = select(func.count()).where(JobRow.state == "running", JobRow.kind == "heavy")
                    most_heavy.append(session.scalar(running) or 0)
                    queue.finish(session, held)

    def something_waits() -> bool:
        with database.read() as session:
            return session.scalar(select(JobRow.uid).where(JobRow.state == "waiting").limit(1)) is not None

    all_at_once(work)
    assert sorted(claimed.values()) == [1] * 16
    assert max(most_heavy) == 1


def test_one_word_makes_one_job_however_many_ask(database: Database) -> None:
    def ask(_number: int) -> str:
        with database.write() as session:
            return queue.enqueue(session, "sync.round", {}, dedupe="timer:sync.round").uid

    assert len(set(all_at_once(ask))) == 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(JobRow)) == 1
