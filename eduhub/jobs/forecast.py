"""When a waiting job will begin and a running one end, as far as that can be said.

Jobs of a kind with a limit stand in one queue: what runs, then the lesser priorities, then the same
priority with the schools taking turns. How long each takes was said by whoever enqueued it
(`expected_s`), and a running one's pace says more. What arrives later with a lesser priority is not foreseen.

This module must not know what any kind of job does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.errors import NotFound
from eduhub.jobs.lanes import WINDOWS
from eduhub.jobs.models import JobRow, JobTurn

_PACE_FROM_PERMILLE, _PACE_FROM_S = 50, 5.0  # before that a pace says less than what was expected


@dataclass(frozen=True)
class Forecast:
    """`ahead` jobs begin before it. Seconds from now; None: nobody can say."""

    ahead: int
    begins_in_s: float | None
    ends_in_s: float | None


@dataclass(frozen=True)
class _Group:
    """Waiting jobs of one organisation and priority: how many, and what is known of their length."""

    priority: int
    turn_of: str
    count: int
    known: int
    known_s: int


def of(
    session: Session, job_uid: str, limits: Mapping[str, int], opens_in_s: Mapping[str, float] | None = None
) -> Forecast:
    """The forecast of a job that waits or runs; nothing is known of one that is over. Raises NotFound.

    `limits` as for `queue.claim`; `opens_in_s` says for a time window when it opens (see lanes.py).
    """
    job = session.get(JobRow, job_uid)
    if job is None:
        raise NotFound(f"no job {job_uid}")
    if job.state == "running":
        return Forecast(0, 0.0, rest_s(job))
    if job.state != "waiting":
        return Forecast(0, None, None)
    opens_in_s = opens_in_s or {}
    ahead, work_s = _ahead(session, job, [name for name, wait_s in opens_in_s.items() if wait_s > 0])
    begins_in_s = _slot_free_in_s(session, job.kind, limits.get(job.kind), work_s)
    if begins_in_s is not None:
        not_before_s = max(0, job.not_before_ms - clock.now_ms()) / 1000
        begins_in_s = max(begins_in_s, not_before_s, opens_in_s.get(job.time_window, 0.0))
    ends_in_s = None if begins_in_s is None or job.expected_s is None else begins_in_s + job.expected_s
    return Forecast(ahead, begins_in_s, ends_in_s)


def rest_s(job: JobRow) -> float | None:
    """Seconds that a running job needs still: by its pace once it has one, else by what was expected."""
    ran_s = -1.0 if job.started_ms is None else (clock.now_ms() - job.started_ms) / 1000
    if ran_s < 0:  # begun under another clock
        return None if job.expected_s is None else job.expected_s * (1 - job.progress_permille / 1000)
    if job.progress_permille >= _PACE_FROM_PERMILLE and ran_s >= _PACE_FROM_S:
        return ran_s * (1000 - job.progress_permille) / job.progress_permille
    return None if job.expected_s is None else max(0.0, job.expected_s - ran_s)


# --- inside -------------------------------------------------------------------------


def _ahead(session: Session, job: JobRow, closed: Collection[str]) -> tuple[int, float | None]:
    """How many jobs of its kind begin before this one, and their work in seconds; None where nothing is known of it."""
    # Where its own window is closed: by the time it may begin, so may the others that wait for that.
    windows = {"", job.time_window} if job.time_window in closed else {"", *WINDOWS} - {*closed}
    may_come_first = (
        JobRow.state == "waiting", JobRow.kind == job.kind, JobRow.priority <= job.priority,
        JobRow.not_before_ms <= clock.now_ms(), JobRow.time_window.in_(sorted(windows)),
    )  # fmt: skip
    groups = _groups(session, may_come_first)
    found = session.execute(
        select(JobTurn.org_uid, JobTurn.turn).where(JobTurn.kind == job.kind, JobTurn.priority == job.priority)
    )
    turns = {org_uid: turn for org_uid, turn in found}  # noqa: C416 - rows are no pairs to a type checker
    own_turn, older = turns.get(job.turn_of, 0), _older_in_line(session, job, may_come_first)
    parts = []
    for group in groups:
        if group.priority < job.priority:
            count = group.count
        elif group.turn_of == job.turn_of:
            count = older
        else:  # one for each of ours before, and one more where its turn comes sooner
            count = min(group.count, older + (turns.get(group.turn_of, 0) < own_turn))
        parts.append((count, group))
    return sum(count for count, _group in parts), _work_s(parts)


def _groups(session: Session, waiting: Sequence[ColumnElement[bool]]) -> list[_Group]:
    length = (func.count(), func.count(JobRow.expected_s), func.coalesce(func.sum(JobRow.expected_s), 0))
    counted = session.execute(
        select(JobRow.priority, JobRow.turn_of, *length).where(*waiting).group_by(JobRow.priority, JobRow.turn_of)
    )
    return [_Group(priority, org, count, known, int(known_s or 0)) for priority, org, count, known, known_s in counted]


def _older_in_line(session: Session, job: JobRow, waiting: Sequence[ColumnElement[bool]]) -> int:
    of_line = (JobRow.priority == job.priority, JobRow.turn_of == job.turn_of, JobRow.uid < job.uid)
    return session.execute(select(func.count()).select_from(JobRow).where(*waiting, *of_line)).scalar_one()


def _work_s(parts: Sequence[tuple[int, _Group]]) -> float | None:
    """The work of so many jobs of each group; one whose length nobody said is taken for an average one."""
    if not any(count for count, _group in parts):
        return 0.0
    known = sum(group.known for _count, group in parts)
    if not known:
        return None
    average_s = sum(group.known_s for _count, group in parts) / known
    return sum(count * (group.known_s / group.known if group.known else average_s) for count, group in parts)


def _slot_free_in_s(session: Session, kind: str, limit: int | None, work_s: float | None) -> float | None:
    """When the work before it is done: what runs and what comes first, shared by as many as may run at once."""
    if limit is None:
        return 0.0
    running = session.scalars(select(JobRow).where(JobRow.state == "running", JobRow.kind == kind)).all()
    if not work_s and work_s is not None and len(running) < limit:
        return 0.0
    rests = [rest_s(job) for job in running]
    known = [rest for rest in rests if rest is not None]
    return None if work_s is None or len(known) < len(rests) else (sum(known) + work_s) / max(1, limit)
