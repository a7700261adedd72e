"""A worker process for tests: its job writes down when it starts and ends, and goes on until it may end.

    python -m tests.jobs.slow_worker DATA_DIR DATABASE JOURNAL

A job may end when the file JOURNAL.end exists.
"""

import signal
import sys
import threading
from pathlib import Path

from eduhub import clock, logs, worker
from eduhub.config import Settings
from eduhub.installation import JobContext, open_installation


def main(data_dir: str, database: str, journal: str) -> None:
    settings = Settings(data_dir=Path(data_dir), database=database, job_lease_s=3600, log_format="text")
    logs.configure(settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def note(text: str) -> None:
        with Path(journal).open("a", encoding="ascii") as file:
            file.write(f"{text}\n")

    def slow(context: JobContext) -> None:
        note(f"start {context.job_uid}")
        try:
            while not Path(f"{journal}.end").exists():
                context.progress(0.5)
                clock.sleep_s(0.02)
            note(f"end {context.job_uid}")
        except BaseException:
            note(f"stopped {context.job_uid}")
            raise

    worker.run(open_installation(settings), {"test.slow": slow}, stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
