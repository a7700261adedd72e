"""A disk that spoils what it holds, and the look that finds it."""

from sqlalchemy import select

from eduhub.delivery import scrub
from eduhub.delivery.models import BlobRow
from eduhub.installation import Installation, JobContext
from eduhub.ops import upkeep
from eduhub.uids import new_uid


def rot(here: Installation, sha256: str) -> None:
    """One bit in the middle of a blob is another, and nobody is told."""
    path = here.blobs.path(sha256)
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def scrubbed(here: Installation) -> None:
    """Ten days later every blob is due, and is read."""
    with here.database.write() as session:
        for row in session.scalars(select(BlobRow)):
            row.verified_ms -= scrub.AGAIN_AFTER_MS + 1000
    upkeep.scrub_slice(JobContext(here, new_uid(), lambda _done: None))
