"""The job `media.encode`: one more rendition of a ladder whose floor is ready.

Each is a job of its own, so that one that fails or is killed costs itself alone. The first picture brings the file for
saving along, which holds it and the sound.

This module must not know ffmpeg, HTTP or lessons.
"""

from collections.abc import Mapping
from typing import Any

from eduhub.installation import JobContext
from eduhub.media import ladder, prepare, workroom
from eduhub.media.checkpoints import At
from eduhub.media.facts import Probe
from eduhub.media.recipes import Recipe


def run(context: JobContext, source_uid: str, recipe: Mapping[str, Any], step: str) -> None:
    """Make one step; what is done already is left alone.

    Raises EncodeFailed for good, written on the step; EncodeInterrupted, NotFound, BlobMissing, DiskFull,
    ToolMissing, JobCancelled, LeaseLost.
    """
    installation, wanted = context.installation, Recipe.from_json(recipe)
    task = prepare.task_of(installation, At(source_uid, wanted.id, step), wanted)
    if task is None or task.probe is None:
        return
    with (
        workroom.staged(installation.blobs.path(task.sha256), prepare.work_dir(installation)) as work,
        prepare.written_down(context, task),
    ):
        probe = Probe.from_json(task.probe)
        chosen = ladder.choose(probe, wanted)
        for found in chosen.steps[1:]:
            if found.name == step:
                prepare.make(context, task, work, probe, chosen, found)
