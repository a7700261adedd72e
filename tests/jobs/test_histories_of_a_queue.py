"""Jobs arrive, workers die, people cancel, in any order: one holder each, limits held, and every job ends."""

import itertools
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from eduhub import clock
from eduhub.db import Database
from eduhub.errors import DiskFull, EncodeInterrupted, LeaseLost
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow, JobTurn
from eduhub.jobs.running import Worker

KINDS, LIMITS = ("floor", "encode"), {"floor": 1, "encode": 2}
SCHOOLS = ("Nyalam", "Shuanghu", None)


class Queue(RuleBasedStateMachine):
    """Two machines' worth of workers over one table; what a worker holds is what it was given and has not ended."""

    database: Database
    parent: Path
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.parent / str(next(self.numbers))
        self.workers = [Worker(self.folder).__enter__() for _ in range(2)]
        self.held: list[dict[str, queue.Claim]] = [{}, {}]
        clock.freeze(1_800_000_000_000)
        with self.database.write() as session:
            session.execute(delete(JobRow)), session.execute(delete(JobTurn))

    @rule(school=st.sampled_from(SCHOOLS), kind=st.sampled_from(KINDS), priority=st.integers(1, 2),
          window=st.sampled_from(("", "encode")), attempts=st.integers(1, 3))  # fmt: skip
    def arrive(self, school: str | None, kind: str, priority: int, window: str, attempts: int) -> None:
        with self.database.write() as session:
            queue.enqueue(
                session, kind, {}, org_uid=school, priority=priority, time_window=window, max_attempts=attempts
            )

    @rule(which=st.integers(0, 1), closed=st.booleans())
    def claim(self, which: int, closed: bool) -> None:
        held = queue.claim(self.database, self.workers[which], KINDS, 3600, LIMITS, {"encode"} if closed else ())
        if held is not None:
            assert all(held.uid not in each for each in self.held), "two hold one job"
            self.held[which][held.uid] = held
            with self.database.read() as session:
                assert not (closed and session.get_one(JobRow, held.uid).time_window)

    @rule(which=st.integers(0, 1))
    def die(self, which: int) -> None:
        self.workers[which].__exit__(None, None, None)
        self.workers[which] = Worker(self.folder).__enter__()
        self.held[which] = {}

    @rule(which=st.integers(0, 1), how=st.sampled_from(("finish", "fail", "full", "give back")))
    @precondition(lambda self: any(self.held))
    def end(self, which: int, how: str) -> None:
        if self.held[which]:
            _uid, held = self.held[which].popitem()
            with self.database.write() as session:
                if how == "finish":
                    queue.finish(session, held)
                elif how == "give back":
                    queue.give_back(session, held)
                else:
                    queue.fail(session, held, DiskFull() if how == "full" else EncodeInterrupted())

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        with self.database.write() as session:
            uids = session.scalars(select(JobRow.uid).order_by(JobRow.uid)).all()
            if uids:
                uid = data.draw(st.sampled_from(uids))
                queue.cancel(session, uid)

    @rule(minutes=st.sampled_from((1, 6)))
    def time_goes_by(self, minutes: int) -> None:
        clock.freeze(clock.now_ms() + minutes * 60_000)

    @invariant()
    def limits_hold_and_every_running_job_has_its_holder(self) -> None:
        with self.database.read() as session:
            running = session.scalars(select(JobRow).where(JobRow.state == "running")).all()
        counted = Counter(row.kind for row in running)
        assert all(counted[kind] <= LIMITS[kind] for kind in KINDS)
        mine = {uid for each in self.held for uid in each}
        alive = {row.uid for row in running if row.worker in {worker.name for worker in self.workers}}
        assert alive == mine

    def teardown(self) -> None:
        """Work goes on without deaths: everything ends."""
        worker = self.workers[0]
        self.die(1)
        for held in list(self.held[0].values()):
            self._end(held)
        for _ in range(200):
            clock.freeze(clock.now_ms() + 11 * 60_000)
            held = queue.claim(self.database, worker, KINDS, 3600, LIMITS)
            if held is None:
                break
            self._end(held)
        with self.database.read() as session:
            rows = session.scalars(select(JobRow)).all()
        assert all(row.state in {"done", "failed", "cancelled"} for row in rows)
        for each in self.workers:
            each.__exit__(None, None, None)

    def _end(self, held: queue.Claim) -> None:
        with self.database.write() as session:
            try:
                queue.finish(session, held)
            except LeaseLost as lost:
                raise AssertionError("a living holder lost its job") from lost


def test_whatever_happens_each_job_has_one_holder_and_ends(database: Database, tmp_path: Path) -> None:
    class Here(Queue):
        pass

    Here.database, Here.parent = database, tmp_path
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )  # fmt: skip
