"""The jobs that look after what is stored: find damage, have it mended, do away with what nobody needs.

Here meet the rooms that must not know each other: who finds, who makes anew, and who refers to blobs.
"""

from pathlib import Path

from sqlalchemy.orm import Session

from eduhub.courses import materials, rebinding
from eduhub.delivery import holding, scrub, sweeping
from eduhub.installation import Installation, JobContext
from eduhub.media import incoming, mending, uploads
from eduhub.sync.courier import jobs as courier
from eduhub.sync.releases import holding as releases

_scrubbers: dict[Path, scrub.Scrubber] = {}  # one for a store: it remembers where it stands in a large blob


def scrub_slice(context: JobContext) -> None:
    """The job `blobs.scrub`: read a slice of what is stored, and have mended what is damaged."""
    here = context.installation
    scrubber = _scrubbers.setdefault(here.settings.data_dir, scrub.Scrubber(here.database, here.blobs))
    try:
        scrubber.run(mb_s=here.settings.scrub_mb_s, progress=context.progress)
    finally:
        mend(here)


def mend(here: Installation) -> None:
    """Have made anew what can be, and show again what is back. Safe to repeat."""
    with here.database.read() as session:
        damaged, returned = bool(mending.unmended(session)), holding.any_returned(session)
    if damaged and scrub.restore_piece_lists(here.database, here.blobs):
        returned = True
    if damaged and here.settings.role == "hub":
        with here.database.write() as session:
            mending.mend(session, here.blobs)
            rebinding.rebind(session, here)
            returned = True
    if returned:
        with here.database.write() as session:
            holding.reveal_returned(session, here.blobs)


def sweep(context: JobContext) -> None:
    """The job `blobs.sweep`: look once for what nobody needs."""
    here = context.installation

    def on_their_way(_session: Session) -> set[str]:
        """Uploads that were stored and have no row yet: their record is all that knows of the blob."""
        folder = uploads.folder(here)
        records = (incoming.read(folder, uid) for uid in incoming.all_uids(folder))
        return {record.sha256 for record in records if record is not None and record.sha256 is not None}

    sweeping.run(
        here.database, here.blobs, here.settings.data_dir / "run" / "unneeded.json",
        now_steady_s=here.steady.now_s(), referrers=(mending.blobs_in_use, materials.blobs_in_use, releases.blobs_in_use, on_their_way),
    )  # fmt: skip
    courier.sweep(here)
