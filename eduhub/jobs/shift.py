"""The lanes and the heartbeat of one worker: claim, work, beat, write down how it ended.

A lane that works is told to let go (`Running.progress` raises) when its job was cancelled, when
somebody else has it, when the worker stops, and on PostgreSQL also when it could not beat for
nearly a lease: another machine takes the work then, and it must not be done twice at once.

This module must not know what any kind of job does: the work is handed in as a function.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from eduhub import clock, logs
from eduhub.db import Database
from eduhub.errors import EduHubError, LeaseLost, WorkerStopping
from eduhub.jobs import queue, workers
from eduhub.jobs.lanes import LANES
from eduhub.jobs.running import Worker

log = logs.logger(__name__)

POLL_S = 0.5
_LISTEN_S = 0.5  # how soon a cancel is heard
_BEAT_S = 2.0
_WRITE_AGAIN_S, _WRITE_TRIES = 2.0, 60


@dataclass(frozen=True)
class Orders:
    """What a worker takes on: kinds, how many of each at once, and which time windows are closed now."""

    kinds: Collection[str]
    limits: Mapping[str, int]
    lease_s: float
    closed: Callable[[], Collection[str]] = frozenset


@dataclass
class Running:
    """A job in a lane: what its function and the heartbeat tell each other."""

    held: queue.Claim
    stop: threading.Event
    silent_after_s: float | None  # without a beat for so long it is somebody else's; None: that is not told by time
    permille: int = 0
    beaten_s: float = field(default_factory=clock.monotonic_s)
    broken_by: EduHubError | None = None

    def progress(self, done: float) -> None:
        """The job says how far it is (0 to 1); raises JobCancelled, LeaseLost or WorkerStopping when it must let go."""
        self.permille = round(1000 * min(1.0, max(0.0, done)))
        if self.broken_by is not None:
            raise self.broken_by
        if self.silent_after_s is not None and clock.monotonic_s() - self.beaten_s > self.silent_after_s:
            raise LeaseLost("the database has been away for a whole lease")
        if self.stop.is_set():
            raise WorkerStopping(f"job {self.held.uid} is given back")


class Shift:
    """The threads of one worker. `work` does a claimed job; what it raises is written down."""

    def __init__(
        self, database: Database, worker: Worker, orders: Orders, work: Callable[[Running], object],
        stop: threading.Event,
    ) -> None:  # fmt: skip
        self._database, self._worker, self._orders, self._do, self._stop = database, worker, orders, work, stop
        self._running: dict[str, Running] = {}
        self._quiet = threading.Event()
        self._beaten_s = self._seen_s = float("-inf")
        # Daemons: a job that does not let go must not keep a stopping process alive. Its lease
        # ends with the process's lock, so the work is taken up by the next worker.
        self._lanes = [threading.Thread(target=self._lane, name=f"lane-{i}", daemon=True) for i in range(LANES)]
        self._heart = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        for thread in (*self._lanes, self._heart):
            thread.start()

    def is_whole(self) -> bool:
        """Whether every thread still goes."""
        return all(thread.is_alive() for thread in (*self._lanes, self._heart))

    def wait_for_end(self, seconds: float) -> int:
        """Wait for the lanes; returns how many jobs still run when the time is over."""
        until = clock.monotonic_s() + seconds
        for lane in self._lanes:
            lane.join(max(0.0, until - clock.monotonic_s()))
        self._quiet.set()
        self._heart.join(5)
        return len(self._running)

    # --- a lane ---------------------------------------------------------------------

    def _lane(self) -> None:
        while not self._stop.is_set():
            try:
                held = self._claim()
            except Exception:  # a database that is away comes back; a lane must outlive it
                log.exception("claim failed")
                held = None
            if held is None:
                self._stop.wait(POLL_S)
            else:
                self._work(held)

    def _claim(self) -> queue.Claim | None:
        orders = self._orders
        return queue.claim(
            self._database, self._worker, orders.kinds, orders.lease_s, orders.limits, orders.closed()
        )

    def _work(self, held: queue.Claim) -> None:
        silent_after_s = None if self._database.is_sqlite else 0.9 * held.lease_s
        running = self._running[held.uid] = Running(held, self._stop, silent_after_s)
        started_s = clock.monotonic_s()
        error: Exception | None = None
        try:
            running.progress(0.0)  # a stop may have come while it was claimed, perhaps from the lane beside this one
            with logs.about(job=held.uid):
                self._do(running)
        except Exception as raised:  # noqa: BLE001 - whatever a job raises is written down and decided by `fail`
            error = raised
        took_s = clock.monotonic_s() - started_s
        try:
            self._write_down_in_the_end(held, error, took_s)
        except LeaseLost:
            log.warning("job lost to another worker", job=held.uid, kind=held.kind, attempt=held.attempt)
        finally:
            self._running.pop(held.uid, None)

    def _write_down_in_the_end(self, held: queue.Claim, error: Exception | None, took_s: float) -> None:
        """Work of hours is not thrown away for a database that is away for a minute; the heart goes on meanwhile."""
        for tries_left in reversed(range(_WRITE_TRIES)):
            try:
                self._write_down(held, error, took_s)
            except LeaseLost:
                raise
            except Exception:  # when all is tried the lease runs out and the job is done again, which is safe
                log.exception("end of job not written down", job=held.uid, kind=held.kind, attempt=held.attempt)
            else:
                return
            if not tries_left or self._stop.wait(_WRITE_AGAIN_S):
                return

    def _write_down(self, held: queue.Claim, error: Exception | None, took_s: float) -> None:
        with self._database.write() as session:
            if error is None:
                row = queue.finish(session, held)
            elif isinstance(error, LeaseLost):  # which WorkerStopping is too; if somebody has the job, so it will say
                row = queue.give_back(session, held)
            else:
                row = queue.fail(session, held, error)
            state, code = row.state, row.error_code
        facts: dict[str, Any] = {
            "job": held.uid, "kind": held.kind, "attempt": held.attempt, "state": state, "took_ms": round(took_s * 1000),
        }  # fmt: skip
        if error is None:
            log.info("job done", **facts)
        elif isinstance(error, WorkerStopping):
            log.info("job given back", **facts)
        elif isinstance(error, EduHubError):
            log.warning("job failed", error_code=code, detail=error.detail, **facts)
        else:
            log.error("job failed", error_code=code, exc_info=error, **facts)

    # --- the heart ------------------------------------------------------------------

    def _live(self) -> None:
        self._say_here()
        while not self._quiet.wait(min(_LISTEN_S, self._orders.lease_s / 5)):
            running = [each for each in self._running.values() if each.broken_by is None]
            if running:
                self._listen(running)
                self._beat([each for each in running if each.broken_by is None])
            if clock.monotonic_s() - self._seen_s >= workers.SEEN_EVERY_S:
                self._say_here()
        with suppress(Exception):  # a page that shows it for another day does no harm
            with self._database.write() as session:
                workers.gone(session, self._worker)

    def _listen(self, running: list[Running]) -> None:
        """Hear what was cancelled or taken away. It only reads, so it can be asked often."""
        try:
            with self._database.read() as session:
                reasons = queue.to_let_go(session, [each.held for each in running])
        except Exception:  # the beats tell how long the database is away
            log.exception("could not ask about jobs")
            return
        for each in running:
            # LeaseLost also where the lane wrote the end down a moment ago; nobody asks for progress any more then.
            each.broken_by = reasons.get(each.held.uid)

    def _beat(self, running: list[Running]) -> None:
        began_s = clock.monotonic_s()
        if not running or began_s - self._beaten_s < min(_BEAT_S, self._orders.lease_s / 5):
            return
        self._beaten_s = began_s
        try:
            with self._database.write() as session:
                for each in running:
                    try:
                        queue.beat(session, each.held, each.permille)
                    except LeaseLost as lost:
                        each.broken_by = lost
        except Exception:  # one missed beat is no reason to stop; see Running.progress for many
            log.exception("beat failed", jobs=[each.held.uid for each in running])
            return
        for each in running:
            each.beaten_s = began_s  # not the end: the lease was counted from somewhere in between

    def _say_here(self) -> None:
        self._seen_s = clock.monotonic_s()
        try:
            with self._database.write() as session:
                workers.seen(session, self._worker)
            self._worker.tidy()
        except Exception:  # it is only for a page
            log.exception("worker not noted")
