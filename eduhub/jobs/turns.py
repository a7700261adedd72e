"""Which waiting job goes next: by priority, then the organisation whose turn was longest ago, then age.

The waiting jobs of one organisation, kind and priority are a line, and `job_turn` says when each
line was last served. So a school with three files waits for one job of each other school before
each of its own, however many those have. A line that is new stands behind those that wait.

A claim must not read thousands of waiting jobs: it walks the lines in their order and asks the
index of the jobs whether one of theirs may begin.

This module must not know leases, nor what any kind of job does.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.jobs.lanes import WINDOWS
from eduhub.jobs.models import JobRow, JobTurn

# Nothing may wait longer, so a start beyond this was written under a wrong clock and is due now.
MAX_DELAY_MS = 7 * 24 * 3600 * 1000


# Written once: what a claim costs is mostly putting such statements together.
_IS_DUE = (
    JobRow.state == "waiting",
    or_(JobRow.not_before_ms <= bindparam("now"), JobRow.not_before_ms > bindparam("too_late")),
)
_IN_OPEN_WINDOW = JobRow.time_window.in_(bindparam("windows", expanding=True))
_ANY = select(JobRow.uid).where(JobRow.kind.in_(bindparam("kinds", expanding=True)), _IN_OPEN_WINDOW, *_IS_DUE).limit(1)
_ONE_OF_LINE = (
    select(JobRow.uid)
    .where(
        JobRow.kind == JobTurn.kind, JobRow.priority == JobTurn.priority, JobRow.turn_of == JobTurn.org_uid,
        _IN_OPEN_WINDOW, *_IS_DUE,
    )
    .limit(1)
)  # fmt: skip
_FIRST_LINE = (
    select(JobTurn.kind, JobTurn.priority, JobTurn.org_uid)
    # Not EXISTS: PostgreSQL would make a join of it and read every waiting job.
    .where(JobTurn.kind.in_(bindparam("kinds", expanding=True)), _ONE_OF_LINE.scalar_subquery().is_not(None))
    .order_by(JobTurn.priority, JobTurn.turn)
    .limit(1)
)
# Asked for one window at a time, so that the index gives the order.
_HEAD = (
    select(JobRow.uid)
    .where(
        JobRow.kind == bindparam("kind"), JobRow.priority == bindparam("priority"),
        JobRow.turn_of == bindparam("org_uid"), JobRow.time_window == bindparam("window"), *_IS_DUE,
    )
    .order_by(JobRow.uid)
    .limit(1)
)  # fmt: skip
_TAKEN = select(JobRow).where(JobRow.uid == bindparam("job"), JobRow.state == "waiting").with_for_update(skip_locked=True)
_LAST_TURN = func.coalesce(select(func.max(JobTurn.turn)).scalar_subquery(), 0)


def any_waits(session: Session, kinds: Sequence[str], closed: Collection[str]) -> bool:
    """Whether any job of these kinds could be taken now."""
    return bool(kinds) and session.execute(_ANY, _asked(kinds, closed)).first() is not None


def next_job(session: Session, kinds: Sequence[str], closed: Collection[str]) -> JobRow | None:
    """The job whose turn it is, its row locked; None where nothing may begin. Its turn is not spent yet."""
    if not kinds:
        return None
    asked = _asked(kinds, closed)
    line = session.execute(_FIRST_LINE, asked).first()
    if line is None and any_waits(session, kinds, closed):  # a row that did not come by `enqueue`
        _draw_lines(session)
        line = session.execute(_FIRST_LINE, asked).first()
    if line is None:
        return None
    heads = [session.execute(_HEAD, asked | line._asdict() | {"window": window}).scalar() for window in asked["windows"]]
    # A row that somebody cancels at this moment is skipped; the next claim sees what became of it.
    oldest = min((uid for uid in heads if uid is not None), default=None)
    return session.execute(_TAKEN, {"job": oldest}).scalar_one_or_none()


def spend(session: Session, job: JobRow) -> None:
    """The line of this job was served: every other of its priority comes before it now."""
    _set_turn(session, job, _LAST_TURN + 1)


def give_again(session: Session, job: JobRow) -> None:
    """The job was taken up in vain, by a worker that died or was stopped: its school goes next."""
    _set_turn(session, job, 0)


def stand_in_line(session: Session, org_uid: str, kind: str, priority: int) -> None:
    """Make sure that the line of a new job is known."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    line = {"org_uid": org_uid, "kind": kind, "priority": priority, "turn": _LAST_TURN + 1}
    session.execute(insert(JobTurn).values(line).on_conflict_do_nothing())


# --- inside -------------------------------------------------------------------------


def _asked(kinds: Sequence[str], closed: Collection[str]) -> dict[str, Any]:
    now = clock.now_ms()
    windows = [name for name in ("", *WINDOWS) if name not in closed]
    return {"kinds": list(kinds), "windows": windows, "now": now, "too_late": now + MAX_DELAY_MS}


def _draw_lines(session: Session) -> None:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    waiting: Any = (
        select(JobRow.turn_of, JobRow.kind, JobRow.priority, literal(0)).where(JobRow.state == "waiting").distinct()
    )
    columns = [JobTurn.org_uid, JobTurn.kind, JobTurn.priority, JobTurn.turn]
    session.execute(insert(JobTurn).from_select(columns, waiting).on_conflict_do_nothing())


def _set_turn(session: Session, job: JobRow, turn: int | ColumnElement[int]) -> None:
    session.execute(
        update(JobTurn)
        .where(JobTurn.org_uid == job.turn_of, JobTurn.kind == job.kind, JobTurn.priority == job.priority)
        .values(turn=turn)
    )
