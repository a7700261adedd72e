"""The durable job table: enqueue, claim, beat, finish, fail, give back, cancel.

A claim is a lease: (uid, attempt) with an end. Whoever holds it says so again by `beat`; when
it falls silent, the next `claim` by anybody takes the work over with the next attempt. The
attempt is the fencing token: `beat`, `finish`, `fail` and `give_back` of an older attempt raise
LeaseLost and change nothing. It never goes down, also not when work is given back.

Times: `not_before_ms` is the wall clock. Leases are counted on a clock that no wrong date moves:
the database's own on PostgreSQL, this machine's monotonic one on SQLite (whose workers all run
on this machine; after a boot their locks are free, so what the old count meant is not asked).
Who is taken for lost: lost.py.

This module must not know what any kind of job does.
"""

import errno
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.db import Database
from eduhub.errors import BadInput, DiskFull, EduHubError, JobCancelled, LeaseLost, NotFound
from eduhub.jobs import lost, turns
from eduhub.jobs.lanes import WINDOWS
from eduhub.jobs.models import JobRow
from eduhub.jobs.rows import end, lease_now_ms, wait_again
from eduhub.jobs.running import Worker
from eduhub.jobs.turns import MAX_DELAY_MS
from eduhub.uids import new_uid

DISK_FULL_WAIT_MS = 5 * 60 * 1000
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
    expected_s: int | None = None,
    time_window: str = "",
) -> JobRow:
    """Write a job down; it exists when the caller's transaction is committed.

    With `dedupe`, a job that waits or runs under the same word is returned instead. Do not use it
    where a job that runs already may have read what the new one is for. `then` is {"kind", "args"}
    of the job that success brings, and with "always": true a failure for good too. `expected_s` is how long
    it will take; with `time_window` (see lanes.py) it begins only while that is open. Raises BadInput for a
    start more than seven days away and for an unknown window.
    """
    if not_before_ms > clock.now_ms() + MAX_DELAY_MS:
        raise BadInput("a job waits seven days at most")
    if then is not None and not {"kind", "args"} <= then.keys():
        raise BadInput("the next job is {'kind', 'args'}")
    if time_window not in ("", *WINDOWS):
        raise BadInput(f"there is no time window {time_window!r:.40}")
    values = {
        "uid": new_uid(), "kind": kind, "args": dict(args), "then": None if then is None else dict(then),
        "org_uid": org_uid, "turn_of": org_uid or "", "time_window": time_window, "dedupe": dedupe, "state": "waiting",
        "priority": priority, "not_before_ms": not_before_ms, "attempt": 0, "max_attempts": max_attempts,
        "cancel_asked": False, "progress_permille": 0, "expected_s": expected_s, "made_ms": clock.now_ms(),
    }  # fmt: skip
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    turns.stand_in_line(session, org_uid or "", kind, priority)
    while True:
        session.execute(insert(JobRow).values(**values).on_conflict_do_nothing(index_elements=["dedupe"]))
        wanted = JobRow.uid == values["uid"] if dedupe is None else JobRow.dedupe == dedupe
        row = session.execute(select(JobRow).where(wanted)).scalar_one_or_none()
        if row is not None:  # None: the other one ended between the two statements
            return row


def claim(
    database: Database, worker: Worker, kinds: Iterable[str], lease_s: float, limits: Mapping[str, int] | None = None,
    closed: Collection[str] = (),
) -> Claim | None:
    """The next job of these kinds for `worker`, or None. Work of dead and silent workers is taken back first.

    `limits` is how many of a kind may run at once, over all workers; jobs of the time windows in `closed` do not begin.
    """
    wanted, limits = sorted(set(kinds)), limits or {}
    if not _anything_to_do(database, worker, wanted, limits, closed):
        return None
    with database.write() as session:
        if not database.is_sqlite:
            session.execute(text(f"SELECT pg_advisory_xact_lock({_CLAIM_LOCK})"))
        for failed in lost.take_back(session, worker):
            _bring_next(session, failed)
        row = turns.next_job(session, _below_limit(session, wanted, limits), closed)
        if row is None:
            return None
        turns.spend(session, row)
        row.state, row.worker = "running", worker.name
        row.attempt, row.progress_permille = row.attempt + 1, 0
        row.started_ms = clock.now_ms()
        row.lease_until_ms = lease_now_ms(session) + round(lease_s * 1000)
        return Claim(row.uid, row.kind, row.args, row.attempt, row.max_attempts, lease_s)


def beat(session: Session, held: Claim, progress_permille: int | None = None) -> bool:
    """Hold the job for another lease. False: it was cancelled, stop and `fail` it. Raises LeaseLost."""
    row = _held_row(session, held)
    row.lease_until_ms = lease_now_ms(session) + round(held.lease_s * 1000)
    if progress_permille is not None:
        row.progress_permille = min(1000, max(0, progress_permille))
    return not row.cancel_asked


def hold(session: Session, uid: str, attempt: int) -> None:
    """Let nobody take the job over until this transaction ends. Raises LeaseLost, and JobCancelled when it is to stop."""
    row = session.get(JobRow, uid, with_for_update=True, populate_existing=True)
    if row is None or row.state != "running" or row.attempt != attempt:
        raise LeaseLost(f"attempt {attempt} of job {uid} holds it no more")
    if row.cancel_asked:
        raise JobCancelled(f"job {uid} was cancelled")


def finish(session: Session, held: Claim) -> JobRow:
    """The job is done; its next job is written in the same transaction. Raises LeaseLost."""
    row = _held_row(session, held)
    end(row, "done")
    row.progress_permille, row.error_code, row.error_facts = 1000, None, None
    _bring_next(session, row)
    return row


def fail(session: Session, held: Claim, error: Exception) -> JobRow:
    """The attempt failed: the job waits for another one, or ends as failed or cancelled. Raises LeaseLost.

    An error of ours says by its `retry` whether trying again can help. Anything else was foreseen by
    nobody; jobs are safe to run twice, so it gets the attempts that are left. A full disk is not the
    work's fault: it waits five minutes, as often as it takes, and spends no attempt.
    """
    row = _held_row(session, held)
    if isinstance(error, JobCancelled) or row.cancel_asked:
        end(row, "cancelled")
        return row
    if _is_full_disk(error):
        row.error_code, row.error_facts = DiskFull.code, dict(getattr(error, "facts", {}))
        row.max_attempts += 1  # the attempt itself must not go down: it fences
        wait_again(row, DISK_FULL_WAIT_MS)
        return row
    row.error_code = error.code if isinstance(error, EduHubError) else "eduhub.error"
    row.error_facts = dict(error.facts) if isinstance(error, EduHubError) else {"type": type(error).__name__}
    may_help = error.retry if isinstance(error, EduHubError) else True
    if not may_help or row.attempt >= row.max_attempts:
        end(row, "failed")
        _bring_next(session, row)
    else:
        wait_again(row, back_off_ms(row.attempt))
    return row


def give_back(session: Session, held: Claim) -> JobRow:
    """Let go of a job that this worker cannot finish now; the attempt is not counted. Raises LeaseLost."""
    row = _held_row(session, held)
    if row.cancel_asked:
        end(row, "cancelled")
        return row
    row.max_attempts += 1
    wait_again(row, 0)
    turns.give_again(session, row)
    return row


def cancel(session: Session, uid: str) -> JobRow:
    """Stop a job: at once while it waits, at its next beat while it runs. Raises NotFound."""
    session.flush()  # it is read anew: what the caller knows of it may be over
    row = session.get(JobRow, uid, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(f"no job {uid}")
    if row.state == "waiting":
        end(row, "cancelled")
    elif row.state == "running":
        row.cancel_asked = True
    return row


def to_let_go(session: Session, held: Collection[Claim]) -> dict[str, EduHubError]:
    """Of these claims, by job, what each must stop for: it was cancelled, or somebody else has the job. Only reads."""
    found = session.execute(
        select(JobRow.uid, JobRow.attempt, JobRow.cancel_asked).where(
            JobRow.uid.in_([each.uid for each in held]), JobRow.state == "running"
        )
    )
    known = {row.uid: row for row in found}
    reasons: dict[str, EduHubError] = {}
    for each in held:
        row = known.get(each.uid)
        if row is None or row.attempt != each.attempt:
            reasons[each.uid] = LeaseLost(f"attempt {each.attempt} of job {each.uid} holds it no more")
        elif row.cancel_asked:
            reasons[each.uid] = JobCancelled(f"job {each.uid} was cancelled")
    return reasons


def forget_ended(session: Session, *, before_ms: int) -> int:
    """Remove the rows of jobs that ended before a time; returns how many."""
    ended = delete(JobRow).where(JobRow.ended_ms.is_not(None), JobRow.ended_ms < before_ms).returning(JobRow.uid)
    return len(session.execute(ended).all())


def back_off_ms(attempt: int) -> int:
    """How long the job waits after its `attempt`th failure: 2 s, doubled each time, 10 minutes at most."""
    return min(_LONGEST_BACK_OFF_MS, _FIRST_BACK_OFF_MS << min(attempt - 1, 20))


# --- inside -------------------------------------------------------------------------


def _anything_to_do(
    database: Database, worker: Worker, kinds: Sequence[str], limits: Mapping[str, int], closed: Collection[str]
) -> bool:
    """A look that takes no write lock: idle workers poll twice a second and must disturb nobody."""
    with database.read() as session:
        running = lost.running(session)
        if lost.any_of(session, worker, running):
            return True
        return turns.any_waits(session, _free(kinds, limits, running), closed)


def _below_limit(session: Session, kinds: Sequence[str], limits: Mapping[str, int]) -> list[str]:
    return _free(kinds, limits, lost.running(session))


def _free(
    kinds: Sequence[str], limits: Mapping[str, int], running: Iterable[Row[str, str | None, int | None]]
) -> list[str]:
    counted = Counter(row.kind for row in running)
    return [kind for kind in kinds if kind not in limits or counted[kind] < limits[kind]]


def _bring_next(session: Session, row: JobRow) -> None:
    """The job that follows one which is done, or failed for good."""
    session.flush()
    if row.then is not None and (row.state == "done" or row.then.get("always")):
        enqueue(
            session, row.then["kind"], row.then["args"],
            then=row.then.get("then"), org_uid=row.org_uid, priority=row.priority,
        )  # fmt: skip


def _is_full_disk(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    # The database's own answer, wrapped by SQLAlchemy.
    named = getattr(getattr(error, "orig", None), "sqlite_errorname", None)
    return isinstance(error, DiskFull) or named == "SQLITE_FULL"


def _held_row(session: Session, held: Claim) -> JobRow:
    row = session.get(JobRow, held.uid, with_for_update=True, populate_existing=True)
    if row is None or row.state != "running" or row.attempt != held.attempt:
        raise LeaseLost(f"attempt {held.attempt} of job {held.uid} holds it no more")
    return row
