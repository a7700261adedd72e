"""The job `media.prepare`: from an arrived source to finished renditions, each a blob with a row.

Safe to run twice: the same source gives the same files, blobs are named by their bytes, and
the rows are replaced together. A file that cannot become a lesson is not a failure of the
job: the reason is written on the source, for the teacher, and the next job decides what it means.

This module must not know ffmpeg, HTTP or lessons.
"""

from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery import blobs, package
from eduhub.delivery.blobs import Blob
from eduhub.errors import MediaRefused, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.media import making, workroom
from eduhub.media.models import Rendition, Source


def run(context: JobContext, source_uid: str) -> None:
    """Prepare the source. Raises NotFound, BlobMissing, EncodeFailed, DiskFull, ToolMissing, JobCancelled, LeaseLost."""
    installation = context.installation
    with installation.database.read() as session:
        source = session.get(Source, source_uid)
        if source is None or source.sha256 is None:
            raise NotFound(f"no source {source_uid} that has arrived")
        state, sha256, language = source.state, source.sha256, source.language
    if state in ("prepared", "refused"):
        return
    work_dir = installation.settings.data_dir / "work"
    with workroom.staged(installation.blobs.path(sha256), work_dir) as work:
        try:
            made = making.make(
                work, installation.settings, language=language, file_uris=False, on_progress=context.progress
            )
        except MediaRefused as refusal:
            _write_refusal(installation, source_uid, refusal)
            return
        stored = [blob for part in made.parts for blob in _store(installation, part)]
    with installation.database.write() as session:
        kept = session.get_one(Source, source_uid)
        kept.state, kept.probe, kept.refusal = "prepared", made.probe.as_json(), None
        session.execute(delete(Rendition).where(Rendition.source_uid == source_uid))
        for blob in stored:
            blobs.remember(session, blob)
        for part in made.parts:
            _add(session, source_uid, part.facts)


def _store(installation: Installation, part: making.MadePart) -> list[Blob]:
    """The part's blob and, of a large one, that of its piece list."""
    pieces = part.facts["pieces"]
    lists = [installation.blobs.put_bytes(package.piece_list(part.path))] if pieces else []
    return [installation.blobs.put_file(part.path, expect=part.facts["sha256"]), *lists]


def _add(session: Session, source_uid: str, facts: dict[str, Any]) -> None:
    session.add(Rendition(
        source_uid=source_uid, name=facts["name"], sha256=facts["sha256"], facts=facts, made_ms=clock.now_ms()
    ))


def _write_refusal(installation: Installation, source_uid: str, refusal: MediaRefused) -> None:
    with installation.database.write() as session:
        source = session.get_one(Source, source_uid)
        source.state, source.refusal = "refused", {"code": refusal.code, "facts": dict(refusal.facts)}
