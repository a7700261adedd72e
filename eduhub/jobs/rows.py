"""What happens to one row of the job table: it waits again, it ends; and the clock that leases are counted on.

This module must not know who asks.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.jobs.models import JobRow


def wait_again(row: JobRow, delay_ms: int) -> None:
    """Nobody holds the job any more; it waits, for so long at least."""
    row.state, row.worker, row.lease_until_ms = "waiting", None, None
    row.not_before_ms = clock.now_ms() + delay_ms if delay_ms else 0


def end(row: JobRow, state: str) -> None:
    """The job is over: done, failed or cancelled."""
    row.state, row.ended_ms, row.dedupe = state, clock.now_ms(), None
    row.worker, row.lease_until_ms, row.cancel_asked = None, None, False


def lease_now_ms(session: Session) -> int:
    """Now, on the clock of leases: the database's on PostgreSQL, this machine's monotonic one on SQLite."""
    if session.get_bind().dialect.name == "sqlite":
        return round(clock.monotonic_s() * 1000)
    return database_now_ms(session)


def database_now_ms(session: Session) -> int:
    """The clock that all machines share on PostgreSQL; this machine's own on SQLite."""
    if session.get_bind().dialect.name == "sqlite":
        return clock.now_ms()
    return int(session.execute(text("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)")).scalar_one())
