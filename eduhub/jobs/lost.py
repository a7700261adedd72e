"""Which running jobs nobody works on any more, and taking them back.

A holder of this machine whose lock is free is dead, at once. A holder elsewhere is judged by its
lease. On SQLite a worker whose lock is held is believed to live for much longer than a lease: a long
writer keeps its beats and everybody's claims waiting alike, and its work is not lost by that.

This module must not know what any kind of job does.
"""

from collections.abc import Sequence

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from eduhub.errors import LeaseLost
from eduhub.jobs import turns
from eduhub.jobs.models import JobRow
from eduhub.jobs.rows import end, lease_now_ms, wait_again
from eduhub.jobs.running import Worker

_LONGEST_LEASE_MS = 2 * 3600 * 1000  # twice the setting's; a lease beyond was counted on another machine's clock
_STUCK_MS = 10 * 60 * 1000  # a worker that holds its lock and has not beaten for so long is not going to


def running(session: Session) -> Sequence[Row[str, str | None, int | None]]:
    """Kind, holder and end of lease of everything that runs."""
    columns = (JobRow.kind, JobRow.worker, JobRow.lease_until_ms)
    return session.execute(select(*columns).where(JobRow.state == "running")).all()


def any_of(session: Session, worker: Worker, found: Sequence[Row[str, str | None, int | None]]) -> bool:
    """Whether `worker` finds any of these running jobs lost."""
    if not found:
        return False
    now, is_sqlite = lease_now_ms(session), session.get_bind().dialect.name == "sqlite"
    return any(_is_lost(worker, holder, until, now, is_sqlite=is_sqlite) for _kind, holder, until in found)


def take_back(session: Session, worker: Worker) -> list[JobRow]:
    """Put what is lost back to wait; what has killed every worker that took it ends as failed, and is returned."""
    failed = list[JobRow]()
    found = session.scalars(select(JobRow).where(JobRow.state == "running").with_for_update(skip_locked=True)).all()
    now, is_sqlite = lease_now_ms(session) if found else 0, session.get_bind().dialect.name == "sqlite"
    for row in found:
        if not _is_lost(worker, row.worker, row.lease_until_ms, now, is_sqlite=is_sqlite):
            continue
        if row.cancel_asked:
            end(row, "cancelled")
            continue
        if row.worker is not None and worker.died_with_the_machine(row.worker):
            row.max_attempts += 1  # a power cut is not the work's fault
        if row.attempt >= row.max_attempts:  # it has killed every worker that took it
            row.error_code, row.error_facts = LeaseLost.code, {}
            end(row, "failed")
            failed.append(row)
        else:
            wait_again(row, 0)
            turns.give_again(session, row)
    session.flush()
    return failed


def _is_lost(worker: Worker, holder: str | None, until_ms: int | None, now_ms: int, *, is_sqlite: bool) -> bool:
    """Whether the holder of a running job does not work on it any more."""
    if holder is None or until_ms is None or until_ms > now_ms + _LONGEST_LEASE_MS or worker.knows_dead(holder):
        return True
    # On PostgreSQL a holder that cannot beat stops by itself within its lease, because another machine goes by that.
    patience_ms = _STUCK_MS if is_sqlite and worker.knows_alive(holder) else 0
    return until_ms + patience_ms <= now_ms
