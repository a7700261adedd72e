"""The workers as they were last heard of, for the operator's page.

Whether one lives is told by its lock on this machine, and elsewhere by how long ago it was heard.
`seen_ms` is the wall clock on SQLite and the database's clock on PostgreSQL, which all machines share.

This module must not know what any kind of job does.
"""

import socket
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub.jobs.lanes import LANES
from eduhub.jobs.models import JobRow, WorkerRow
from eduhub.jobs.rows import database_now_ms
from eduhub.jobs.running import Worker, is_alive

SEEN_EVERY_S = 10.0
_SILENT_MS = 35_000  # three times not heard
_KEEP_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class WorkerState:
    """One worker; `jobs` are the rows of what it holds, oldest first."""

    name: str
    machine: str
    alive: bool
    lanes: int
    seen_ms: int
    jobs: tuple[JobRow, ...]


def seen(session: Session, worker: Worker, lanes: int = LANES) -> None:
    """This worker lives; those that were not heard of for a day are forgotten."""
    now = database_now_ms(session)
    row = {"name": worker.name, "machine": socket.gethostname()[:200], "lanes": lanes, "started_ms": now, "seen_ms": now}
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(
        insert(WorkerRow).values(row).on_conflict_do_update(index_elements=["name"], set_={"seen_ms": now, "lanes": lanes})
    )
    # Also those "seen" tomorrow: they were written under a wrong clock.
    silent = (WorkerRow.seen_ms < now - _KEEP_MS) | (WorkerRow.seen_ms > now + _KEEP_MS)
    session.execute(delete(WorkerRow).where(silent))


def gone(session: Session, worker: Worker) -> None:
    """This worker has stopped cleanly."""
    session.execute(delete(WorkerRow).where(WorkerRow.name == worker.name))


def all_of(session: Session, run_dir: Path) -> list[WorkerState]:
    """Every worker that was heard of in the last day, the living first; `run_dir` is this machine's."""
    now = database_now_ms(session)
    held: dict[str, list[JobRow]] = defaultdict(list)
    for job in session.scalars(select(JobRow).where(JobRow.state == "running").order_by(JobRow.uid)):
        held[job.worker or ""].append(job)
    states = [
        WorkerState(row.name, row.machine, _lives(run_dir, row, now), row.lanes, row.seen_ms, tuple(held[row.name]))
        for row in session.scalars(select(WorkerRow).order_by(WorkerRow.machine, WorkerRow.name))
    ]
    return sorted(states, key=lambda state: not state.alive)


def _lives(run_dir: Path, row: WorkerRow, now_ms: int) -> bool:
    here = is_alive(run_dir, row.name)
    return now_ms - row.seen_ms < _SILENT_MS if here is None else here
