"""Ladders as rows: ask for one, see how far it is, stop it, try a step again. Only this file enqueues its jobs.

A ladder's row is the lock of its steps: whoever changes a step holds the ladder first, then the
job. A step that is `waiting` has a job; whether that job still lives is the job table's to say, so what
a page shows is made of both (ladder_views.py).

This module must not know ffmpeg, lessons or who asks. See docs/decisions/0006-uploads-steps-and-lanes.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.errors import MediaRefused, NotFound
from eduhub.jobs import lanes, queue
from eduhub.jobs.models import JobRow
from eduhub.media.ladder_views import LadderView, StepView, state_of, view, views
from eduhub.media.models import LadderRow, LadderStep, Source
from eduhub.media.recipes import Recipe

__all__ = [
    "LadderView", "StepView", "add_step", "adopt", "all_locked", "end", "enqueue", "expected_s", "is_ending",
    "known_refusal", "locked", "put_aside", "steps_of", "stop", "try_again", "view", "views", "want",
]

PREPARE, ENCODE = "media.prepare", "media.encode"
FLOOR = "floor"
PRIORITIES: Mapping[str, int] = {FLOOR: 50, "v240": 55, "v360": 60, "v720": 70}
_LIGHT_FIRST = 5
_AT_ANY_TIME = (FLOOR, "v240")
# Seconds of work for a second of the recording, until this machine has steps of its own to go by.
_FIRST_GUESS: Mapping[str, float] = {FLOOR: 0.1, "v240": 0.15, "v360": 0.3, "v720": 0.9}
_LOOKED_AT = 20  # as many past steps
_BYTES_A_MS = 250  # 2 Mbit/s, for a file that nobody has looked at yet


def want(
    session: Session, source: Source, recipe: Recipe, *, then: Mapping[str, Any] | None, light: bool = False
) -> LadderRow:
    """Have the ladder made: its rows and the first job, once, however often it is asked for.

    What was put aside as unwanted is taken up again; what somebody stopped, or what failed, is not.
    `then` is the job that follows each finished step.
    """
    ladder = _made(session, source.uid, recipe, then, light)
    if ladder.then is None and then is not None:
        ladder.then = dict(then)
    ladder.unused_steady_s = None
    _make_newest(session, ladder)
    steps = steps_of(session, source.uid, ladder.recipe)
    if not steps:
        steps = [add_step(session, ladder, FLOOR, 0)]
    for step in steps:
        lost = step.state == "waiting" and _job(session, step) is None
        if lost or step.state == "unwanted":
            enqueue(session, source, ladder, step)
    session.flush()
    return ladder


def try_again(session: Session, source_uid: str, recipe_id: str, step: str) -> None:
    """Have a failed or stopped step made again; one that is done or under way is left alone.

    Raises NotFound, and MediaRefused for a file that cannot be used at all.
    """
    ladder, source = locked(session, source_uid, recipe_id), session.get_one(Source, source_uid)
    if source.state == "refused":
        raise known_refusal(source.refusal)
    found = session.get(LadderStep, (source_uid, recipe_id, step))
    if found is None:
        raise NotFound(f"ladder {source_uid} {recipe_id} has no step {step}")
    if state_of(found, _job(session, found)) in {"failed", "stopped"}:
        enqueue(session, source, ladder, found)
    session.flush()


def stop(session: Session, source_uid: str) -> None:
    """Make nothing more of a source; what is done stays. Raises NotFound where nothing was asked for."""
    ladders = all_locked(session, source_uid)
    if not ladders:
        raise NotFound(f"nothing is made of source {source_uid}")
    for ladder in ladders:
        _end_steps(session, ladder, "stopped")
    session.flush()


def put_aside(session: Session, source_uid: str, *, but: Iterable[str]) -> None:
    """Encode no further what no lesson wants any more: every ladder of the source except those of some recipes."""
    kept = set(but)
    for ladder in all_locked(session, source_uid):
        if ladder.recipe not in kept:
            _end_steps(session, ladder, "unwanted")
    session.flush()


def end(session: Session, ladder: LadderRow) -> None:
    """Stop what is under way of a ladder whose rows are about to go. It is locked."""
    _end_steps(session, ladder, "unwanted")


def is_ending(session: Session, source_uid: str, recipe_id: str, step: str) -> bool:
    """Whether a step is over, with or without success: nothing comes of waiting for it. A step not known yet is not."""
    found = session.get(LadderStep, (source_uid, recipe_id, step))
    return found is not None and state_of(found, _job(session, found)) not in {"waiting", "running"}


# --- for the jobs -------------------------------------------------------------------


def locked(session: Session, source_uid: str, recipe_id: str) -> LadderRow:
    """The ladder, for changing its steps. Raises NotFound."""
    session.flush()  # it is read anew
    ladder = session.get(LadderRow, (source_uid, recipe_id), with_for_update=True, populate_existing=True)
    if ladder is None:
        raise NotFound(f"source {source_uid} has no ladder {recipe_id}")
    return ladder


def all_locked(session: Session, source_uid: str) -> list[LadderRow]:
    """Every ladder of a source; one order for all who lock more than one, and before the source's own row."""
    session.flush()
    found = select(LadderRow).where(LadderRow.source_uid == source_uid).order_by(LadderRow.recipe)
    return list(session.scalars(found.with_for_update().execution_options(populate_existing=True)))


def steps_of(session: Session, source_uid: str, recipe_id: str) -> list[LadderStep]:
    """The steps of a ladder, in order; read anew."""
    found = select(LadderStep).where(LadderStep.source_uid == source_uid, LadderStep.recipe == recipe_id)
    return list(session.scalars(
        found.order_by(LadderStep.position, LadderStep.name).execution_options(populate_existing=True)
    ))  # fmt: skip


def add_step(session: Session, ladder: LadderRow, name: str, position: int) -> LadderStep:
    """A step that waits for its job; the ladder is locked, and `enqueue` follows."""
    step = LadderStep(
        source_uid=ladder.source_uid, recipe=ladder.recipe, name=name, position=position, state="waiting",
        job_uid=None, error=None, took_ms=None,
    )  # fmt: skip
    session.add(step)
    session.flush()
    return step


def enqueue(session: Session, source: Source, ladder: LadderRow, step: LadderStep) -> None:
    """The step waits, and has a job that is not about to stop. The ladder is locked."""
    step.state, step.error = "waiting", None
    job = _job(session, step)
    if job is not None and job.state in {"waiting", "running"} and not job.cancel_asked:
        return
    args: dict[str, Any] = {"source_uid": source.uid, "recipe": ladder.wanted}
    if step.name != FLOOR:
        args["step"] = step.name
    # Not by a dedupe word: a job that was told to stop would answer to it. The ladder's lock does that.
    made = queue.enqueue(
        session, PREPARE if step.name == FLOOR else ENCODE, args, org_uid=source.org_uid,
        # Of a file of which something is held already, another may wait for this: it must hear that it failed, too.
        then=ladder.then if ladder.then is None or source.state != "prepared" else {**ladder.then, "always": True},
        priority=PRIORITIES.get(step.name, max(PRIORITIES.values())) - (_LIGHT_FIRST if ladder.light else 0),
        expected_s=expected_s(session, step.name, ladder.duration_ms or _guessed_ms(source)),
        time_window="" if step.name in _AT_ANY_TIME else lanes.ENCODE_WINDOW,
    )
    step.job_uid = made.uid
    session.flush()


def adopt(session: Session, source: Source, recipe: Recipe, job: JobRow | None) -> None:
    """A job that knows no ladder (0.1 left it waiting) gets one, and is the job of its floor."""
    ladder = _made(session, source.uid, recipe, None if job is None else job.then, False)
    if not steps_of(session, source.uid, ladder.recipe):
        add_step(session, ladder, FLOOR, 0).job_uid = None if job is None else job.uid
        session.flush()


def expected_s(session: Session, step: str, duration_ms: int) -> int:
    """How long a step over so much of a recording will take here, by those before it."""
    past = session.execute(
        select(LadderStep.took_ms, LadderRow.duration_ms)
        .join(LadderRow, (LadderRow.source_uid == LadderStep.source_uid) & (LadderRow.recipe == LadderStep.recipe))
        .where(LadderStep.name == step, LadderStep.took_ms.is_not(None), LadderRow.duration_ms > 0)
        .order_by(LadderRow.made_ms.desc())
        .limit(_LOOKED_AT)
    ).all()
    took, lasted = sum(row[0] or 0 for row in past), sum(row[1] or 0 for row in past)
    rate = took / lasted if lasted else _FIRST_GUESS.get(step, max(_FIRST_GUESS.values()))
    return max(1, round(rate * duration_ms / 1000))


def known_refusal(written: Mapping[str, Any] | None) -> MediaRefused:
    """The refusal that a source keeps, to be raised again."""
    return MediaRefused("refused before", **(written or {}).get("facts", {}))


# --- inside -------------------------------------------------------------------------


def _made(
    session: Session, source_uid: str, recipe: Recipe, then: Mapping[str, Any] | None, light: bool
) -> LadderRow:
    """The ladder's row, locked; whoever writes it first wins."""
    all_locked(session, source_uid)  # in one order, so that no two wait for each other
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.flush()
    session.execute(insert(LadderRow).values(
        source_uid=source_uid, recipe=recipe.id, wanted=recipe.as_json(), duration_ms=None, floor_ready=False,
        then=None if then is None else dict(then), light=light, unused_steady_s=None, made_ms=clock.now_ms(),
    ).on_conflict_do_nothing(index_elements=["source_uid", "recipe"]))  # fmt: skip
    return locked(session, source_uid, recipe.id)


def _make_newest(session: Session, ladder: LadderRow) -> None:
    """What is wanted now is what `view` shows, also where a wrong clock wrote the others."""
    others = select(func.max(LadderRow.made_ms)).where(
        LadderRow.source_uid == ladder.source_uid, LadderRow.recipe != ladder.recipe
    )
    newest = session.scalar(others)
    if newest is not None and newest >= ladder.made_ms:
        ladder.made_ms = max(clock.now_ms(), newest + 1)


def _end_steps(session: Session, ladder: LadderRow, state: str) -> None:
    for step in steps_of(session, ladder.source_uid, ladder.recipe):
        if step.state not in {"waiting", "unwanted"}:
            continue
        job = _job(session, step)
        if state == "unwanted" and state_of(step, job) == "failed":
            continue  # it would only fail again
        step.state = state
        if job is not None:
            queue.cancel(session, job.uid)


def _job(session: Session, step: LadderStep) -> JobRow | None:
    session.flush()  # it is read anew
    return session.get(JobRow, step.job_uid, populate_existing=True) if step.job_uid is not None else None


def _guessed_ms(source: Source) -> int:
    known = (source.probe or {}).get("duration_ms")
    return int(known) if known else (source.bytes or 0) // _BYTES_A_MS
