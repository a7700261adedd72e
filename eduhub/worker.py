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
from dataclasses import dataclass
from functools import partial
from types import FrameType

from eduhub import clock, config, logs
from eduhub.courses import search
from eduhub.delivery import holding
from eduhub.installation import Installation, JobContext, open_installation
from eduhub.jobs import lanes, queue
from eduhub.jobs.running import Worker, lead
from eduhub.jobs.shift import POLL_S, Orders, Running, Shift
from eduhub.media import uploads
from eduhub.ops.handlers import HANDLERS, Handler
from eduhub.sync import meeting
from eduhub.sync.mirrors import neighbours

log = logs.logger(__name__)

STOP_GRACE_S = 20.0
_KEEP_ENDED_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True)
class Timer:
    """Something short that is done every so many seconds, first at the start."""

    name: str
    every_s: float
    fire: Callable[[Installation], object]


def run(
    installation: Installation,
    handlers: Mapping[str, Handler],
    stop: threading.Event,
    *,
    timers: Sequence[Timer] = (),
    limits: Mapping[str, int] = lanes.LIMITS,
) -> None:
    """Work until `stop` is set. Returns when every lane is quiet, or after the grace period."""
    settings = installation.settings

    def work(running: Running) -> None:
        held = running.held
        handlers[held.kind](JobContext(installation, held.uid, running.progress, held.attempt), **held.args)

    with Worker(settings.data_dir / "run") as worker:
        orders = Orders(tuple(handlers), limits, float(settings.job_lease_s), partial(lanes.closed_now, settings))
        shift = Shift(installation.database, worker, orders, work, stop)
        log.info("worker started", worker=worker.name, kinds=sorted(handlers))
        shift.start()
        clockwork = _Clockwork(installation, timers)
        while not stop.wait(POLL_S):
            clockwork.turn()
            if not shift.is_whole():
                raise RuntimeError("a thread of the worker has ended by itself")
        left = shift.wait_for_end(STOP_GRACE_S)
        log.info("worker stopped", worker=worker.name, left_running=left)


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


def job_every(kind: str, every_s: float, *, priority: int = 20) -> Timer:
    """A timer that enqueues a job without arguments, unless the last one still waits or runs."""

    def fire(installation: Installation) -> None:
        with installation.database.write() as session:
            # One attempt: the next turn is the retry.
            queue.enqueue(session, kind, {}, dedupe=f"timer:{kind}", priority=priority, max_attempts=1)

    return Timer(kind, every_s, fire)


def _forget_ended_jobs(installation: Installation) -> None:
    with installation.database.write() as session:
        queue.forget_ended(session, before_ms=clock.now_ms() - _KEEP_ENDED_MS)


def _keep_search(installation: Installation) -> None:
    """Have the index of words brought up to date where lessons were written since; asking costs next to nothing."""
    with installation.database.read() as session:
        is_stale = search.is_stale(session)
    if is_stale:
        with installation.database.write() as session:
            queue.enqueue(session, "search.refresh", {}, dedupe="timer:search.refresh", priority=30, max_attempts=1)


def _clear_away(installation: Installation) -> None:
    holding.clear_away(
        installation.database, installation.blobs, now_steady_s=installation.steady.now_s(),
        pass_hours=installation.settings.pass_hours,
    )  # fmt: skip


def _meet(installation: Installation) -> None:
    """Have this box ask its hub when its moment has come: see sync/polling.py."""
    if meeting.turns.is_due(installation):
        with installation.database.write() as session:
            # One attempt: the next turn is the retry.
            queue.enqueue(session, "sync.round", {}, dedupe="timer:sync.round", priority=20, max_attempts=1)


def timers_of(settings: config.Settings) -> list[Timer]:
    """The timers of a machine with these settings."""
    if settings.proving:
        return [Timer("clock.keep", 60, lambda installation: installation.steady.keep())]
    timers = [
        Timer("clock.keep", 60, lambda installation: installation.steady.keep()),
        Timer("jobs.forget_ended", 3600, _forget_ended_jobs),
        Timer("packages.clear_away", 600, _clear_away),
        Timer("search.keep", 5, _keep_search),
        job_every("blobs.sweep", 900, priority=90),
        job_every("blobs.scrub", 60, priority=95),
        Timer("uploads.sweep", 300, uploads.sweep),
    ]
    if settings.role == "node":
        meeting_others = [Timer("neighbours.keep", 10, neighbours.keep), Timer("sync.turn", 1.0, _meet)]
        fetching = job_every("sync.fetch_certificate", 900, priority=85)
        return [*timers, *meeting_others, fetching, job_every("release.put_in", 600, priority=80)]
    certifying = [job_every("sync.certificates", 600, priority=85)] if settings.box_domain else []
    return [*timers, *certifying, job_every("media.forget_replaced", 6 * 3600)]


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
    run(installation, {} if settings.proving else HANDLERS, stop, timers=timers_of(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
