"""Which function does a job of which name: the one table that workers read.

A handler is called as `handler(context, **args of the job)`. Names are stable: jobs that wait
in a database when a new release starts still carry them. docs/commands.md lists them.
"""

from collections.abc import Callable, Mapping

from eduhub.courses import publishing
from eduhub.installation import JobContext
from eduhub.media import prepare
from eduhub.sync import rounds

Handler = Callable[..., object]


def sync_round(context: JobContext) -> None:
    """One meeting of this box with its hub."""
    rounds.run(context.installation, on_progress=context.progress)


HANDLERS: Mapping[str, Handler] = {
    "media.prepare": prepare.run,
    "courses.publish_if_ready": publishing.publish_if_ready,
    "sync.round": sync_round,
}
