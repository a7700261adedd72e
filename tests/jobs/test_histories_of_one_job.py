"""Whatever happens to jobs in whatever order: one holder at a time, tokens only grow, ends are final."""

import itertools
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from eduhub.db import Database
from eduhub.errors import DiskFull, EncodeInterrupted, JobCancelled, LeaseLost
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker

ENDS = {"done", "failed", "cancelled"}
ERRORS = st.sampled_from([EncodeInterrupted(), DiskFull(), JobCancelled(), ValueError()])


class Histories(RuleBasedStateMachine):
    """Two workers, of which either may die, over one table. Back-off is skipped by making jobs due."""

    database: Database
    parent: Path
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.parent / str(next(self.numbers))
        self.workers: list[Worker] = []
        self.claims: list[queue.Claim] = []
        self.ended: dict[str, str] = {}
        self.attempts: dict[str, int] = {}

    @initialize(wanted=st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=2))
    def start(self, wanted: list[tuple[int, bool]]) -> None:
        self.workers = [Worker(self.folder).__enter__() for _ in range(2)]
        with self.database.write() as session:
            for row in session.execute(select(JobRow)).scalars():
                session.delete(row)
            session.flush()
            for max_attempts, has_next in wanted:
                then = {"kind": "next", "args": {}} if has_next else None
                queue.enqueue(session, "kind", {}, max_attempts=max_attempts, then=then)

    @rule(which=st.integers(0, 1))
    def claim(self, which: int) -> None:
        with self.database.write() as session:
            for row in session.execute(select(JobRow).where(JobRow.state == "waiting")).scalars():
                row.not_before_ms = 0
        held = queue.claim(self.database, self.workers[which], ["kind"], 3600)
        if held is not None:
            assert held.attempt > self.attempts.get(held.uid, 0), "a token was handed out twice"
            self.attempts[held.uid] = held.attempt
            self.claims.append(held)

    @rule(which=st.integers(0, 1))
    def die(self, which: int) -> None:
        self.workers[which].__exit__(None, None, None)
        self.workers[which] = Worker(self.folder).__enter__()

    @rule(data=st.data())
    @precondition(lambda self: self.claims)
    def run_out(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(self.claims))
        with self.database.write() as session:
            row = session.get(JobRow, held.uid)
            if row is not None and row.state == "running":
                row.lease_until_ms = -(10**9)

    @rule(data=st.data(), error=ERRORS, call=st.sampled_from(["beat", "finish", "fail", "give_back"]))
    @precondition(lambda self: self.claims)
    def act(self, data: st.DataObject, error: Exception, call: str) -> None:
        held = data.draw(st.sampled_from(self.claims[-2:]))  # old ones are refused alike; new ones do things
        calls = {
            "beat": lambda s: queue.beat(s, held, 500), "finish": lambda s: queue.finish(s, held),
            "fail": lambda s: queue.fail(s, held, error), "give_back": lambda s: queue.give_back(s, held),
        }  # fmt: skip
        with self.database.read() as session:
            row = session.get(JobRow, held.uid)
            assert row is not None
            holds = row.state == "running" and row.attempt == held.attempt
        try:
            with self.database.write() as session:
                calls[call](session)
            accepted = True
        except LeaseLost:
            accepted = False
        assert accepted == holds

    @rule(data=st.data())
    @precondition(lambda self: self.attempts)
    def cancel(self, data: st.DataObject) -> None:
        with self.database.write() as session:
            queue.cancel(session, data.draw(st.sampled_from(sorted(self.attempts))))

    @invariant()
    def ends_are_final_and_rows_are_whole(self) -> None:
        with self.database.read() as session:
            rows = session.execute(select(JobRow)).scalars().all()
            for row in rows:
                assert self.ended.get(row.uid, row.state) == row.state
                if row.state in ENDS:
                    self.ended[row.uid] = row.state
                assert (row.ended_ms is not None) == (row.state in ENDS)
                assert (row.worker is not None) == (row.lease_until_ms is not None) == (row.state == "running")
                assert row.attempt <= row.max_attempts
            done_with_next = sum(row.state == "done" and row.then is not None for row in rows)
            assert sum(row.kind == "next" for row in rows) == done_with_next

    def teardown(self) -> None:
        for worker in self.workers:
            worker.__exit__(None, None, None)


def test_every_history_keeps_the_rules_of_a_job(database: Database, tmp_path: Path) -> None:
    class Here(Histories):
        pass

    Here.database, Here.parent = database, tmp_path
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )  # fmt: skip
