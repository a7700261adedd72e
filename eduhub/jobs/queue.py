"""The durable job table: enqueue, claim, beat, finish, fail, give back, cancel.

A claim is a lease: (uid, attempt) with an end. Whoever holds it says so again by `beat`; when
it falls silent, the next `claim` by anybody takes the work over with the next attempt. The
attempt is the fencing token: `beat`, `finish`, `fail` and `give_back` of an older attempt raise
LeaseLost and change nothing. It never goes down, also not when work is given back.

Times: `not_before_ms` is the wall clock. Leases are counted on a clock that no wrong date moves:
the database's own on PostgreSQL, this machine's monotonic one on SQLite (whose workers all run
on this machine; after a boot their locks are free, so what the old count meant is not asked).

This module must not know what any kind of job does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.db import Database
from eduhub.errors import BadInput, EduHubError, JobCancelled, LeaseLost, NotFound
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.uids import new_uid

# Nothing may wait longer, so a start beyond this was written under a wrong clock and is due now.
MAX_DELAY_MS = 7 * 24 * 3600 * 1000
_FIRST_BACK_OFF_MS, _LONGEST_BACK_OFF_MS = 2_000, 600_000
_CLAIM_LOCK = 0x65647568  # PostgreSQL advisory lock: claims count the running jobs of a kind one at a time


@dataclass(frozen=True)
class Claim:
    """The right to work on one job, until it is lost."""

    uid: str
    kind: str
    args: dict[str, Any]
    attempt: int
    max_attempts: int
    lease_s: float


def enqueue(
    session: Session,
    kind: str,
    args: Mapping[str, Any],
    *,
    then: Mapping[str, Any] | None = None,
    org_uid: str | None = None,
    priority: int = 50,
    not_before_ms: int = 0,
    dedupe: str | None = None,
    max_attempts: int = 5,
) -> JobRow:
    """Write a job down; it exists when the caller's transaction is committed.

    With `dedupe`, a job that waits or runs under the same word is returned instead. Do not use it
    where a job that runs already may have read what the new one is for. `then` is {"kind", "args"}
    of the job that success brings. Raises BadInput for a start more than seven days away.
    """
    if not_before_ms > clock.now_ms() + MAX_DELAY_MS:
        raise BadInput("a job waits seven days at most")
    if then is not None and not {"kind", "args"} <= then.keys():
        raise BadInput("the next job is {'kind', 'args'}")
    values = {
        "uid": new_uid(), "kind": kind, "args": dict(args), "then": None if then is None else dict(then),
        "org_uid": org_uid, "dedupe": dedupe, "state": "waiting", "priority": priority,
        "not_before_ms": not_before_ms, "attempt": 0, "max_attempts": max_attempts, "cancel_asked": False,
        "progress_permille": 0, "made_ms": clock.now_ms(),
    }  # fmt: skip
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    while True:
        session.execute(insert(JobRow).values(**values).on_conflict_do_nothing(index_elements=["dedupe"]))
        wanted = JobRow.uid == values["uid"] if dedupe is None else JobRow.dedupe == dedupe
        row = session.execute(select(JobRow).where(wanted)).scalar_one_or_none()
        if row is not None:  # None: the other one ended between the two statements
            return row


def claim(
    database: Database, worker: Worker, kinds: Iterable[str], lease_s: float, limits: Mapping[str, int] | None = None
) -> Claim | None:
    """The next job of these kinds for `worker`, or None. Work of dead and silent workers is taken back first.

    `limits` is how many of a kind may run at once, over all workers.
    """
    wanted, limits = sorted(set(kinds)), limits or {}
    if not _anything_to_do(database, worker, wanted):
        return None
    with database.write() as session:
        if not database.is_sqlite:
            session.execute(text(f"SELECT pg_advisory_xact_lock({_CLAIM_LOCK})"))
        _take_back(session, worker)
        row = session.execute(
            select(JobRow)
            .where(*_ready(), JobRow.kind.in_(_below_limit(session, wanted, limits)))
            .order_by(JobRow.priority, JobRow.not_before_ms, JobRow.uid)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).scalar_one_or_none()
        if row is None:
            return None
        row.state, row.worker = "running", worker.name
        row.attempt, row.progress_permille = row.attempt + 1, 0
        row.lease_until_ms = _lease_now_ms(session) + round(lease_s * 1000)
        return Claim(row.uid, row.kind, row.args, row.attempt, row.max_attempts, lease_s)


def beat(session: Session, held: Claim, progress_permille: int | None = None) -> bool:
    """Hold the job for another lease. False: it was cancelled, stop and `fail` it. Raises LeaseLost."""
    row = _held_row(session, held)
    row.lease_until_ms = _lease_now_ms(session) + round(held.lease_s * 1000)
    if progress_permille is not None:
        row.progress_permille = min(1000, max(0, progress_permille))
    return not row.cancel_asked


def finish(session: Session, held: Claim) -> JobRow:
    """The job is done; its next job is written in the same transaction. Raises LeaseLost."""
    row = _held_row(session, held)
    _end(row, "done")
    row.progress_permille, row.error_code, row.error_facts = 1000, None, None
    session.flush()
    if row.then is not None:
        enqueue(
            session, row.then["kind"], row.then["args"],
            then=row.then.get("then"), org_uid=row.org_uid, priority=row.priority,
        )  # fmt: skip
    return row


def fail(session: Session, held: Claim, error: Exception) -> JobRow:
    """The attempt failed: the job waits for another one, or ends as failed or cancelled. Raises LeaseLost.

    An error of ours says by its `retry` whether trying again can help. Anything else was foreseen by
    nobody; jobs are safe to run twice, so it gets the attempts that are left.
    """
    row = _held_row(session, held)
    if isinstance(error, JobCancelled) or row.cancel_asked:
        _end(row, "cancelled")
        return row
    row.error_code = error.code if isinstance(error, EduHubError) else "eduhub.error"
    row.error_facts = dict(error.facts) if isinstance(error, EduHubError) else {"type": type(error).__name__}
    may_help = error.retry if isinstance(error, EduHubError) else True
    if not may_help or row.attempt >= row.max_attempts:
        _end(row, "failed")
    else:
        _wait_again(row, back_off_ms(row.attempt))
    return row


def give_back(session: Session, held: Claim) -> JobRow:
    """Let go of a job that this worker cannot finish now; the attempt is not counted. Raises LeaseLost."""
    row = _held_row(session, held)
    if row.cancel_asked:
        _end(row, "cancelled")
        return row
    row.max_attempts += 1  # the attempt itself must not go down: it fences
    _wait_again(row, 0)
    return row


def cancel(session: Session, uid: str) -> JobRow:
    """Stop a job: at once while it waits, at its next beat while it runs. Raises NotFound."""
    row = session.get(JobRow, uid, with_for_update=True)
    if row is None:
        raise NotFound(f"no job {uid}")
    if row.state == "waiting":
        _end(row, "cancelled")
    elif row.state == "running":
        row.cancel_asked = True
    return row


def forget_ended(session: Session, *, before_ms: int) -> int:
    """Remove the rows of jobs that ended before a time; returns how many."""
    ended = select(JobRow.uid).where(JobRow.ended_ms.is_not(None), JobRow.ended_ms < before_ms)
    uids = session.execute(ended).scalars().all()
    session.execute(delete(JobRow).where(JobRow.uid.in_(uids)))
    return len(uids)


def back_off_ms(attempt: int) -> int:
    """How long the job waits after its `attempt`th failure: 2 s, doubled each time, 10 minutes at most."""
    return min(_LONGEST_BACK_OFF_MS, _FIRST_BACK_OFF_MS << min(attempt - 1, 20))


# --- inside -------------------------------------------------------------------------


def _ready() -> tuple[Any, ...]:
    now = clock.now_ms()
    due = or_(JobRow.not_before_ms <= now, JobRow.not_before_ms > now + MAX_DELAY_MS)
    return (JobRow.state == "waiting", due)


def _anything_to_do(database: Database, worker: Worker, kinds: list[str]) -> bool:
    """A look that takes no write lock: idle workers poll twice a second and must disturb nobody."""
    with database.read() as session:
        if session.execute(select(JobRow.uid).where(*_ready(), JobRow.kind.in_(kinds)).limit(1)).first():
            return True
        now = _lease_now_ms(session)
        running = session.execute(select(JobRow.worker, JobRow.lease_until_ms).where(JobRow.state == "running")).all()
        return any(_is_lost(worker, holder, until, now) for holder, until in running)


def _is_lost(worker: Worker, holder: str | None, lease_until_ms: int | None, now_ms: int) -> bool:
    return lease_until_ms is None or lease_until_ms <= now_ms or holder is None or worker.knows_dead(holder)


def _take_back(session: Session, worker: Worker) -> None:
    running = session.execute(
        select(JobRow).where(JobRow.state == "running").with_for_update(skip_locked=True)
    ).scalars()
    now = _lease_now_ms(session)
    for row in running:
        if not _is_lost(worker, row.worker, row.lease_until_ms, now):
            continue
        if row.cancel_asked:
            _end(row, "cancelled")
        elif row.attempt >= row.max_attempts:  # it has killed every worker that took it
            row.error_code, row.error_facts = LeaseLost.code, {}
            _end(row, "failed")
        else:
            _wait_again(row, 0)
    session.flush()


def _below_limit(session: Session, kinds: list[str], limits: Mapping[str, int]) -> list[str]:
    counted = session.execute(
        select(JobRow.kind, func.count()).where(JobRow.state == "running").group_by(JobRow.kind)
    ).all()
    running = {row[0]: row[1] for row in counted}
    return [kind for kind in kinds if kind not in limits or running.get(kind, 0) < limits[kind]]


def _held_row(session: Session, held: Claim) -> JobRow:
    row = session.get(JobRow, held.uid, with_for_update=True, populate_existing=True)
    if row is None or row.state != "running" or row.attempt != held.attempt:
        raise LeaseLost(f"attempt {held.attempt} of job {held.uid} holds it no more")
    return row


def _wait_again(row: JobRow, delay_ms: int) -> None:
    row.state, row.worker, row.lease_until_ms = "waiting", None, None
    row.not_before_ms = clock.now_ms() + delay_ms if delay_ms else 0


def _end(row: JobRow, state: str) -> None:
    row.state, row.ended_ms, row.dedupe = state, clock.now_ms(), None
    row.worker, row.lease_until_ms, row.cancel_asked = None, None, False


def _lease_now_ms(session: Session) -> int:
    if session.get_bind().dialect.name == "sqlite":
        return round(clock.monotonic_s() * 1000)
    return int(session.execute(text("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)")).scalar_one())
