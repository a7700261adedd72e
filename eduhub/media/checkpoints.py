"""What a finished or failed step leaves behind, written in one transaction while its attempt holds the job.

First the bytes are in the blob store, then the rows: `store` and then `done`. A step that somebody else
finished, stopped or put aside in the meantime is left as it is.

This module must not know ffmpeg or lessons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery import blobs, package
from eduhub.delivery.blobs import Blob, BlobStore
from eduhub.errors import EduHubError, JobCancelled, NotFound
from eduhub.installation import JobContext
from eduhub.media import ladders
from eduhub.media.making import MadePart
from eduhub.media.models import LadderRow, LadderStep, Rendition, Source


@dataclass(frozen=True)
class At:
    """One step of one ladder."""

    source_uid: str
    recipe_id: str
    step: str


@dataclass(frozen=True)
class Stored:
    """A part whose bytes are in the blob store, and its piece list's where it has one."""

    facts: dict[str, Any]
    index_row: dict[str, Any] | None
    blobs: tuple[Blob, ...]


def store(blob_store: BlobStore, parts: Sequence[MadePart]) -> list[Stored]:
    """Move the files that a step made into the store. Raises DiskFull."""
    stored = []
    for part in parts:
        lists = [blob_store.put_bytes(package.piece_list(part.path))] if part.facts["pieces"] else []
        blob = blob_store.put_file(part.path, expect=part.facts["sha256"])
        stored.append(Stored(part.facts, part.index_row, (blob, *lists)))
    return stored


def done(
    context: JobContext, at: At, parts: Sequence[Stored], took_ms: int, *,
    duration_ms: int | None = None, later: Sequence[str] = (),
) -> None:  # fmt: skip
    """The step is done. `later` are the steps that follow a floor, each with its job from now on.

    Raises LeaseLost, JobCancelled; NotFound when the ladder is gone.
    """
    with context.installation.database.write() as session:
        write(session, context, at, parts, took_ms, duration_ms=duration_ms, later=later)


def write(
    session: Session, context: JobContext, at: At, parts: Sequence[Stored], took_ms: int, *,
    duration_ms: int | None = None, later: Sequence[str] = (),
) -> None:  # fmt: skip
    """The same in a transaction that is open already."""
    ladder = _held(session, context, at)
    step = _step(session, at)
    if step.state == "done":
        return
    if step.state != "waiting":
        raise JobCancelled(f"step {at.step} of {at.source_uid} is {step.state}")
    # What it had made before was damaged on the disk.
    session.execute(delete(Rendition).where(
        Rendition.source_uid == at.source_uid, Rendition.recipe == at.recipe_id, Rendition.step == at.step
    ))  # fmt: skip
    for part in parts:
        for blob in part.blobs:
            blobs.remember(session, blob)
        session.add(Rendition(
            source_uid=at.source_uid, recipe=at.recipe_id, name=part.facts["name"], step=at.step,
            sha256=part.facts["sha256"], facts=part.facts, index_row=part.index_row, made_ms=clock.now_ms(),
        ))  # fmt: skip
    step.state, step.error, step.took_ms = "done", None, took_ms
    if at.step == ladders.FLOOR:
        _floor_is_ready(session, ladder, duration_ms, later)
    session.flush()


def failed(context: JobContext, at: At, error: EduHubError, *, refuse: bool = False) -> None:
    """Write the reason on the step; `refuse`: on the source too, of which nothing can be made at all.

    Raises LeaseLost, JobCancelled.
    """
    with context.installation.database.write() as session:
        _held(session, context, at)
        step, reason = _step(session, at), {"code": error.code, "facts": dict(error.facts)}
        if step.state == "waiting":
            step.state, step.error = "failed", reason
        source = session.get_one(Source, at.source_uid, with_for_update=True)
        if refuse and source.state == "arrived":
            source.state, source.refusal = "refused", reason


def looked_at(context: JobContext, at: At, probe: dict[str, Any]) -> None:
    """Keep what was learned of the file, so that nobody looks at it again. Raises LeaseLost, JobCancelled."""
    with context.installation.database.write() as session:
        _held(session, context, at)
        session.get_one(Source, at.source_uid, with_for_update=True).probe = probe


# --- inside -------------------------------------------------------------------------


def _held(session: Session, context: JobContext, at: At) -> LadderRow:
    ladder = ladders.locked(session, at.source_uid, at.recipe_id)
    context.hold(session)
    return ladder


def _step(session: Session, at: At) -> LadderStep:
    step = session.get(LadderStep, (at.source_uid, at.recipe_id, at.step), populate_existing=True)
    if step is None:
        raise NotFound(f"ladder {at.source_uid} {at.recipe_id} has no step {at.step}")
    return step


def _floor_is_ready(session: Session, ladder: LadderRow, duration_ms: int | None, later: Sequence[str]) -> None:
    source = session.get_one(Source, ladder.source_uid, with_for_update=True, populate_existing=True)
    source.state, source.refusal = "prepared", None
    ladder.floor_ready, ladder.duration_ms = True, duration_ms
    known = {step.name for step in ladders.steps_of(session, ladder.source_uid, ladder.recipe)}
    for position, name in enumerate(later, start=1):
        if name in known:
            continue  # only the floor is made anew
        ladders.enqueue(session, source, ladder, ladders.add_step(session, ladder, name, position))
