"""The job `media.prepare`: look at a file, make the floor of a ladder of it, and have the other steps made.

Safe to run twice: blobs are named by their bytes, and what a step leaves behind is written at once
(checkpoints.py). A file that cannot become a lesson is refused as a whole, with the reason for the teacher; an
encoder that fails only fails its step.

This module must not know ffmpeg, HTTP or lessons.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eduhub.delivery import room
from eduhub.errors import BadInput, EncodeFailed, JobCancelled, MediaRefused, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.jobs.models import JobRow
from eduhub.media import checkpoints, ladder, ladders, making, workroom
from eduhub.media.checkpoints import At
from eduhub.media.facts import Probe
from eduhub.media.ladder import Ladder, Step
from eduhub.media.models import LadderStep, Rendition, Source
from eduhub.media.recipes import Recipe

_LOOKED = 0.03  # how much of the work of a floor the first look is
_MADE = 0.99  # how far a step is when its tracks are there


@dataclass(frozen=True)
class Task:
    """A step that is still to be made, and the file it is made of."""

    at: At
    recipe: Recipe
    sha256: str
    language: str
    probe: dict[str, Any] | None


def run(context: JobContext, source_uid: str, recipe: Mapping[str, Any] | None = None) -> None:
    """Make the floor of the source's ladder by this recipe.

    Raises MediaRefused and, for good, EncodeFailed and BadInput, each written down; EncodeInterrupted, NotFound,
    BlobMissing, DiskFull, ToolMissing, JobCancelled, LeaseLost.
    """
    wanted = Recipe.from_json(recipe)
    _make_sure_of_rows(context, source_uid, wanted)
    task = task_of(context.installation, At(source_uid, wanted.id, ladders.FLOOR), wanted)
    if task is None:
        return
    installation = context.installation
    with workroom.staged(installation.blobs.path(task.sha256), work_dir(installation)) as work, written_down(context, task):
        probe = _look(context, task, work)
        chosen = ladder.choose(probe, wanted)
        make(context, task, work, probe, chosen, chosen.steps[0])


def task_of(installation: Installation, at: At, recipe: Recipe) -> Task | None:
    """What is to be done, or None where it is done.

    Raises NotFound, JobCancelled, and what was written down before: MediaRefused, EncodeFailed.
    """
    with installation.database.read() as session:
        source = session.get(Source, at.source_uid)
        if source is None or source.sha256 is None:
            raise NotFound(f"no source {at.source_uid} that has arrived")
        if source.state == "refused":  # killed after it was written down
            raise ladders.known_refusal(source.refusal)
        step = session.get(LadderStep, (at.source_uid, at.recipe_id, at.step))
        if step is None:
            raise NotFound(f"no step {at.step} of source {at.source_uid}")
        if step.state == "done":
            return None
        if step.state == "failed":  # killed after it was written down
            raise EncodeFailed("failed before", **(step.error or {}).get("facts", {}))
        if step.state != "waiting":
            raise JobCancelled(f"step {at.step} of {at.source_uid} is {step.state}")
        return Task(at, recipe, source.sha256, source.language, source.probe)


def make(
    context: JobContext, task: Task, work: Path, probe: Probe, chosen: Ladder, step: Step
) -> None:
    """Make one step and leave it behind. Raises what `run` does."""
    installation, start = context.installation, _LOOKED if step.name == ladders.FLOOR else 0.0
    settings = installation.settings
    with room.reserve(settings.data_dir, ladder.most_bytes(chosen, step), settings.disk_spare_mb << 20):
        made = making.make_step(
            work, settings, probe, chosen, step, language=task.language,
            on_progress=lambda part: context.progress(start + (1 - start) * part),
        )
        parts = [*made.parts]
        if chosen.video and chosen.has_download(step):
            parts.append(_download(context, task, work, chosen, parts[0].path))
        stored = checkpoints.store(installation.blobs, parts)
    later = [other.name for other in chosen.steps[1:]] if step.name == ladders.FLOOR else []
    checkpoints.done(
        context, task.at, stored, round(1000 * made.wall_s), duration_ms=chosen.duration_ms, later=later
    )


@contextmanager
def written_down(context: JobContext, task: Task) -> Iterator[None]:
    """Write a failure that no second attempt can help on the step."""
    try:
        yield
    except (MediaRefused, EncodeFailed, BadInput) as error:
        if not error.retry:
            checkpoints.failed(context, task.at, error)
        raise


def work_dir(installation: Installation) -> Path:
    """Where the work folders are."""
    return installation.settings.data_dir / "work"


# --- inside -------------------------------------------------------------------------


def _make_sure_of_rows(context: JobContext, source_uid: str, recipe: Recipe) -> None:
    """A job that 0.1 left waiting knows no ladder: it gets one, with this job for its floor."""
    with context.installation.database.write() as session:
        source, job = session.get(Source, source_uid), session.get(JobRow, context.job_uid)
        if source is None:
            raise NotFound(f"no source {source_uid}")
        ladders.adopt(session, source, recipe, job)


def _look(context: JobContext, task: Task, work: Path) -> Probe:
    if task.probe is not None:
        return Probe.from_json(task.probe)
    try:
        probe = making.look(work, context.installation.settings, on_progress=lambda part: context.progress(_LOOKED * part))
    except MediaRefused as error:
        checkpoints.failed(context, task.at, error, refuse=True)
        raise
    checkpoints.looked_at(context, task.at, probe.as_json())
    return probe


def _download(context: JobContext, task: Task, work: Path, chosen: Ladder, video: Path) -> making.MadePart:
    """The file for saving: this picture, and the main sound, which the floor has left in the store."""
    installation, sounds = context.installation, []
    if chosen.audio:
        with installation.database.read() as session:
            key = (task.at.source_uid, task.at.recipe_id, chosen.audio[0].name)
            sounds = [installation.blobs.path(session.get_one(Rendition, key).sha256)]
    return making.download_part(
        work, (video, *sounds), chosen, installation.settings, on_tick=lambda: context.progress(_MADE)
    )
