"""Several claim, enqueue and finish at the same moment, on either engine."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
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


def test_no_job_is_claimed_twice(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        for _ in range(12):
            queue.enqueue(session, "light", {})
    claimed: Counter[str] = Counter()

    def work(_number: int) -> None:
        with Worker(tmp_path / "run") as worker:
            while (held := queue.claim(database, worker, ["light"], 3600)) is not None:
                claimed[held.uid] += 1
                with database.write() as session:
                    queue.finish(session, held)

    all_at_once(work)
    assert sorted(claimed.values()) == [1] * 12


def test_two_who_count_at_the_same_moment_do_not_pass_the_limit_together(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:
        for _ in range(2):
            queue.enqueue(session, "heavy", {})
    counted, real = threading.Barrier(2), queue._below_limit

    def count_and_wait(*how: Any) -> list[str]:
        """Whoever has counted waits for another who has; claims that queue up never meet here."""
        found = real(*how)
        with suppress(threading.BrokenBarrierError):
            counted.wait(1.5)
        return found

    monkeypatch.setattr(queue, "_below_limit", count_and_wait)

    with Worker(tmp_path / "run") as worker:  # one that lives on: work of a dead one would be taken up again
        claims = all_at_once(lambda _number: queue.claim(database, worker, ["heavy"], 3600, {"heavy": 1}))
    assert sum(held is not None for held in claims) == 1


def test_one_word_makes_one_job_however_many_ask(database: Database) -> None:
    def ask(_number: int) -> str:
        with database.write() as session:
            return queue.enqueue(session, "sync.round", {}, dedupe="timer:sync.round").uid

    assert len(set(all_at_once(ask))) == 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(JobRow)) == 1
