"""How far ladders are, as a page shows it: made of the steps' rows and of the job table.

This module must not know ffmpeg, lessons, who asks, or how jobs are enqueued (ladders.py).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.errors import DiskFull
from eduhub.jobs.models import JobRow
from eduhub.media.models import LadderRow, LadderStep, Rendition

_AT_ONCE = 500  # sources in one question


@dataclass(frozen=True)
class StepView:
    """One step as a page shows it: waiting, running, done, failed, stopped. `error` is code and facts."""

    name: str
    state: str
    permille: int
    error: dict[str, Any] | None
    job_uid: str | None
    bytes: int  # of what it has made


@dataclass(frozen=True)
class LadderView:
    """What becomes of a source by one recipe."""

    recipe_id: str
    floor_ready: bool
    steps: tuple[StepView, ...]


def view(session: Session, source_uid: str, recipe_id: str | None = None) -> LadderView | None:
    """How far a ladder is; the one that was asked for last, unless its recipe is named. None: there is none."""
    return _views(session, [source_uid], recipe_id).get(source_uid)


def views(session: Session, source_uids: Collection[str]) -> dict[str, LadderView]:
    """The same of many sources at once, each with its newest ladder; those that have none are left out."""
    uids, found = sorted(set(source_uids)), dict[str, LadderView]()
    for at in range(0, len(uids), _AT_ONCE):
        found |= _views(session, uids[at : at + _AT_ONCE], None)
    return found


def state_of(step: LadderStep, job: JobRow | None) -> str:
    """What a page calls it: a step that waits is as far as its job is."""
    if step.state == "unwanted":
        return "stopped"
    if step.state != "waiting":
        return step.state
    if job is None:
        return "failed"
    ended = {"failed": "failed", "cancelled": "stopped", "done": "failed"}
    return "running" if job.state == "running" else ended.get(job.state, "waiting")


# --- inside -------------------------------------------------------------------------


def _views(session: Session, source_uids: Sequence[str], recipe_id: str | None) -> dict[str, LadderView]:
    wanted = select(LadderRow).where(LadderRow.source_uid.in_(source_uids))
    if recipe_id is not None:
        wanted = wanted.where(LadderRow.recipe == recipe_id)
    newest: dict[str, LadderRow] = {}
    for ladder in session.scalars(wanted.order_by(LadderRow.made_ms.desc(), LadderRow.recipe)):
        newest.setdefault(ladder.source_uid, ladder)
    session.flush()  # steps and jobs are read anew
    of_ladder = (LadderStep.source_uid == LadderRow.source_uid) & (LadderStep.recipe == LadderRow.recipe)
    rows = session.execute(
        select(LadderStep, JobRow).join(LadderRow, of_ladder).outerjoin(JobRow, JobRow.uid == LadderStep.job_uid)
        .where(LadderRow.source_uid.in_(source_uids)).order_by(LadderStep.position, LadderStep.name),
        execution_options={"populate_existing": True},
    )  # fmt: skip
    # Not whole rows: the entry of an hour's track in the index is long.
    made = select(Rendition.source_uid, Rendition.recipe, Rendition.step, Rendition.facts)
    sizes: Counter[tuple[str, str, str]] = Counter()
    for uid, recipe, step_name, facts in session.execute(made.where(Rendition.source_uid.in_(source_uids))):
        sizes[uid, recipe, step_name] += int(facts.get("bytes", 0))
    shown: dict[tuple[str, str], list[StepView]] = defaultdict(list)
    for step, job in rows:
        shown[step.source_uid, step.recipe].append(_shown(step, job, sizes[step.source_uid, step.recipe, step.name]))
    return {uid: LadderView(row.recipe, row.floor_ready, tuple(shown[uid, row.recipe])) for uid, row in newest.items()}


def _shown(step: LadderStep, job: JobRow | None, size: int) -> StepView:
    state, error = state_of(step, job), step.error
    if error is None and job is not None and job.error_code is not None:
        # An attempt that failed and is followed by another is nobody's concern; that the disk is full is.
        if state == "failed" or (state == "waiting" and job.error_code == DiskFull.code):
            error = {"code": job.error_code, "facts": job.error_facts or {}}
    permille = 1000 if state == "done" else job.progress_permille if job is not None and state == "running" else 0
    return StepView(step.name, state, permille, error, step.job_uid, size)
