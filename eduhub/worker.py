"""The process that runs jobs: `python -m eduhub.worker`.

A worker has a few lanes (threads). Each claims a job, runs its handler and writes down how it
ended; one more thread beats for all of them. Timers run in the first thread of the worker that
leads on this machine. SIGTERM stops it cleanly: nothing new is claimed, a job that asks for its
progress is given back without having spent an attempt, a short one is allowed to end.

`run` and what it calls must not know what any job does: handlers and timers are handed in as data.
"""

import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from eduhub import clock, config, logs
from eduhub.delivery import holding
from eduhub.errors import EduHubError, JobCancelled, LeaseLost, WorkerStopping
from eduhub.installation import Installation, JobContext, open_installation
from eduhub.jobs import queue
from eduhub.jobs.running import Worker, lead
from eduhub.ops.handlers import HANDLERS, Handler

log = logs.logger(__name__)

# An encoding uses every core it is given, so one at a time; the second lane keeps short work going.
LIMITS = {"media.prepare": 1}
LANES = 2
POLL_S = 0.5
STOP_GRACE_S = 20.0
_KEEP_ENDED_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True)
class Timer:
    """Something short that is done every so many seconds, first at the start."""

    name: str
    every_s: float
    fire: Callable[[Installation], object]


@dataclass
class _Running:
    """A job in a lane: what its handler and the heartbeat tell each other."""

    held: queue.Claim
    stop: threading.Event
    permille: int = 0
    beaten_s: float = field(default_factory=clock.monotonic_s)
    broken_by: EduHubError | None = None

    def progress(self, done: float) -> None:
        """The handler says how far it is (0 to 1); raises when it must let go."""
        self.permille = round(1000 * min(1.0, max(0.0, done)))
        if self.broken_by is not None:
            raise self.broken_by
        if self.stop.is_set():
            raise WorkerStopping(f"job {self.held.uid} is given back")


def run(
    installation: Installation,
    handlers: Mapping[str, Handler],
    stop: threading.Event,
    *,
    timers: Sequence[Timer] = (),
    limits: Mapping[str, int] = LIMITS,
) -> None:
    """Work until `stop` is set. Returns when every lane is quiet, or after the grace period."""
    with Worker(installation.settings.data_dir / "run") as worker:
        worker.tidy()
        shift = _Shift(installation, handlers, limits, worker, stop)
        log.info("worker started", worker=worker.name, kinds=sorted(handlers))
        shift.start()
        clockwork = _Clockwork(installation, timers)
        while not stop.wait(POLL_S):
            clockwork.turn()
            if not shift.is_whole():
                raise RuntimeError("a lane of the worker has ended by itself")
        left = shift.wait_for_end(STOP_GRACE_S)
        log.info("worker stopped", worker=worker.name, left_running=left)


class _Shift:
    """The lanes and the heartbeat of one worker."""

    def __init__(
        self, installation: Installation, handlers: Mapping[str, Handler], limits: Mapping[str, int], worker: Worker,
        stop: threading.Event,
    ) -> None:  # fmt: skip
        self._installation, self._handlers, self._limits = installation, handlers, limits
        self._worker, self._stop = worker, stop
        self._lease_s = float(installation.settings.job_lease_s)
        self._running: dict[str, _Running] = {}
        self._quiet = threading.Event()
        # Daemons: a handler that does not let go must not keep a stopping process alive. Its lease
        # ends with the process's lock, so the work is taken up by the next worker.
        self._lanes = [threading.Thread(target=self._lane, name=f"lane-{i}", daemon=True) for i in range(LANES)]
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        for thread in (*self._lanes, self._heart):
            thread.start()

    def is_whole(self) -> bool:
        return all(thread.is_alive() for thread in (*self._lanes, self._heart))

    def wait_for_end(self, seconds: float) -> int:
        """Wait for the lanes; returns how many jobs still run when the time is over."""
        until = clock.monotonic_s() + seconds
        for lane in self._lanes:
            lane.join(max(0.0, until - clock.monotonic_s()))
        self._quiet.set()
        self._heart.join(5)
        return len(self._running)

    def _lane(self) -> None:
        while not self._stop.is_set():
            try:
                held = queue.claim(
                    self._installation.database, self._worker, self._handlers, self._lease_s, self._limits
                )
            except Exception:  # a database that is away comes back; a lane must outlive it
                log.exception("claim failed")
                held = None
            if held is None:
                self._stop.wait(POLL_S)
            else:
                self._work(held)

    def _work(self, held: queue.Claim) -> None:
        running = self._running[held.uid] = _Running(held, self._stop)
        started_s = clock.monotonic_s()
        error: Exception | None = None
        try:
            with logs.about(job=held.uid):
                self._handlers[held.kind](JobContext(self._installation, held.uid, running.progress), **held.args)
        except Exception as raised:  # noqa: BLE001 - whatever a handler raises is written down and decided by `fail`
            error = raised
        try:
            self._write_down(held, error, clock.monotonic_s() - started_s)
        except LeaseLost:
            log.warning("job lost to another worker", job=held.uid, kind=held.kind, attempt=held.attempt)
        except Exception:  # the lease runs out and the job is done again, which is safe
            log.exception("end of job not written down", job=held.uid, kind=held.kind, attempt=held.attempt)
        finally:
            self._running.pop(held.uid, None)

    def _write_down(self, held: queue.Claim, error: Exception | None, took_s: float) -> None:
        with self._installation.database.write() as session:
            if error is None:
                row = queue.finish(session, held)
            elif isinstance(error, WorkerStopping):
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

    def _beat(self) -> None:
        while not self._quiet.wait(min(2.0, self._lease_s / 5)):
            for running in list(self._running.values()):
                if running.broken_by is None:
                    self._beat_one(running)

    def _beat_one(self, running: _Running) -> None:
        try:
            with self._installation.database.write() as session:
                may_go_on = queue.beat(session, running.held, running.permille)
            running.beaten_s = clock.monotonic_s()
            if not may_go_on:
                running.broken_by = JobCancelled(f"job {running.held.uid} was cancelled")
        except LeaseLost as lost:
            # Also when the lane wrote the end down a moment ago; then nobody asks for progress any more.
            running.broken_by = lost
        except Exception:  # one missed beat is no reason to stop; a whole lease of them is
            log.exception("beat failed", job=running.held.uid)
            if clock.monotonic_s() - running.beaten_s > running.held.lease_s:
                running.broken_by = LeaseLost("the database has been away for a whole lease")


class _Clockwork:
    """Fires timers while this worker leads on its machine."""

    def __init__(self, installation: Installation, timers: Sequence[Timer]) -> None:
        self._installation, self._timers = installation, timers
        self._due_s = {timer.name: clock.monotonic_s() for timer in timers}
        self._lead: int | None = None

    def turn(self) -> None:
        if self._lead is None:
            self._lead = lead(self._installation.settings.data_dir / "run")
        if self._lead is None:
            return
        for timer in self._timers:
            if clock.monotonic_s() >= self._due_s[timer.name]:
                self._due_s[timer.name] = clock.monotonic_s() + timer.every_s
                try:
                    timer.fire(self._installation)
                except Exception:  # the next turn of this timer, and the others, must still come
                    log.exception("timer failed", timer=timer.name)


def job_every(kind: str, every_s: float) -> Timer:
    """A timer that enqueues a job without arguments, unless the last one still waits or runs."""

    def fire(installation: Installation) -> None:
        with installation.database.write() as session:
            # One attempt: the next turn is the retry.
            queue.enqueue(session, kind, {}, dedupe=f"timer:{kind}", priority=20, max_attempts=1)

    return Timer(kind, every_s, fire)


def _forget_ended_jobs(installation: Installation) -> None:
    with installation.database.write() as session:
        queue.forget_ended(session, before_ms=clock.now_ms() - _KEEP_ENDED_MS)


def _clear_away(installation: Installation) -> None:
    holding.clear_away(
        installation.database, installation.blobs, now_steady_s=installation.steady.now_s(),
        pass_hours=installation.settings.pass_hours, forget_blobs=installation.settings.role == "node",
    )  # fmt: skip


def timers_of(settings: config.Settings) -> list[Timer]:
    """The timers of a machine with these settings."""
    timers = [
        Timer("clock.keep", 60, lambda installation: installation.steady.keep()),
        Timer("jobs.forget_ended", 3600, _forget_ended_jobs),
        Timer("packages.clear_away", 600, _clear_away),
    ]
    return [*timers, job_every("sync.round", settings.sync_every_s)] if settings.role == "node" else timers


def main() -> int:
    """Run the worker of this installation until SIGTERM or SIGINT."""
    settings = config.load()
    logs.configure(settings)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    installation = open_installation(settings)
    run(installation, HANDLERS, stop, timers=timers_of(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
