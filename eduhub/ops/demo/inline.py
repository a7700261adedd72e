"""Run waiting jobs in this process, through the same table, leases and handlers as a worker.

Where a worker is running already, it may take a job first; then this only waits for it.
"""

from collections.abc import Callable

from eduhub import clock
from eduhub.errors import EncodeFailed, MediaRefused
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.running import Worker
from eduhub.ops.handlers import HANDLERS

KINDS = ("media.prepare", "media.encode", "courses.publish_if_ready")
_BEAT_EVERY_S, _LOOK_EVERY_S = 2.0, 0.5
_GIVE_UP_S = 1800.0


def run_until(installation: Installation, is_done: Callable[[], bool], on_progress: Callable[[float], None]) -> None:
    """Work on waiting jobs until `is_done()`; raises what a job raises, EncodeFailed when it takes half an hour."""
    started_s = clock.monotonic_s()
    with Worker(installation.settings.data_dir / "run") as worker:
        while not is_done():
            held = queue.claim(installation.database, worker, KINDS, float(installation.settings.job_lease_s))
            if held is not None:
                _work(installation, held, on_progress)
            elif clock.monotonic_s() - started_s > _GIVE_UP_S:
                raise EncodeFailed("no worker finished the job in half an hour")
            else:
                clock.sleep_s(_LOOK_EVERY_S)


def _work(installation: Installation, held: queue.Claim, on_progress: Callable[[float], None]) -> None:
    beaten_s = clock.monotonic_s()

    def progress(done: float) -> None:
        nonlocal beaten_s
        on_progress(done)
        if clock.monotonic_s() - beaten_s > _BEAT_EVERY_S:
            beaten_s = clock.monotonic_s()
            with installation.database.write() as session:
                queue.beat(session, held, round(1000 * done))

    try:
        HANDLERS[held.kind](JobContext(installation, held.uid, progress, held.attempt), **held.args)
    except (EncodeFailed, MediaRefused) as error:
        with installation.database.write() as session:
            queue.fail(session, held, error)
        raise
    with installation.database.write() as session:
        queue.finish(session, held)
