"""Which function does a job of which name: the one table that workers read.

A handler is called as `handler(context, **args of the job)`. Names are stable: jobs that wait
in a database when a new release starts still carry them. docs/commands.md lists them.
"""

from collections.abc import Callable, Mapping

from eduhub.courses import forgetting, publishing, search
from eduhub.installation import JobContext
from eduhub.media import attachments, encode_step, prepare
from eduhub.ops import certify_job, release_job, upkeep
from eduhub.sync import meeting
from eduhub.sync.boxes import first_start
from eduhub.sync.courier import jobs as courier

Handler = Callable[..., object]


def sync_round(context: JobContext) -> None:
    """One meeting of this box with its hub: a poll, or a round."""
    meeting.turns.take(context.installation, context.progress)


HANDLERS: Mapping[str, Handler] = {
    "media.prepare": prepare.run,
    "media.encode": encode_step.run,
    "media.check_attachment": attachments.run,
    "media.forget_replaced": forgetting.forget_replaced,
    "courses.publish_if_ready": publishing.publish_if_ready,
    "search.refresh": search.refresh,
    "blobs.scrub": upkeep.scrub_slice,
    "blobs.sweep": upkeep.sweep,
    "sync.certificates": certify_job.begin_due,
    "sync.certify": certify_job.make,
    "sync.fetch_certificate": certify_job.fetch,
    "sync.join": first_start.run,
    "sync.round": sync_round,
    "release.put_in": release_job.put_in,
    courier.EXPORT: courier.export,
    courier.IMPORT: courier.take_in,
}
