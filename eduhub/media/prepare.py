"""The job `media.prepare`: from an arrived source to finished renditions, each a blob with a row.

Safe to run twice: blobs are named by their bytes, and the rows are written together, once. Of a file that cannot become a lesson the reason is written on
the source, for the teacher, and the job ends as failed, so that its next job does not follow.

This module must not know ffmpeg, HTTP or lessons.
"""

from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery import blobs, package
from eduhub.delivery.blobs import Blob
from eduhub.errors import EduHubError, EncodeFailed, MediaRefused, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.media import making, workroom
from eduhub.media.models import Rendition, Source


def run(context: JobContext, source_uid: str) -> None:
    """Prepare the source.

    Raises MediaRefused and EncodeFailed, both written on the source; EncodeInterrupted, NotFound, BlobMissing,
    DiskFull, ToolMissing, JobCancelled, LeaseLost.
    """
    installation = context.installation
    with installation.database.read() as session:
        source = session.get(Source, source_uid)
        if source is None or source.sha256 is None:
            raise NotFound(f"no source {source_uid} that has arrived")
        state, sha256, language, refusal = source.state, source.sha256, source.language, source.refusal
    if state == "prepared":
        return
    if state == "refused":  # killed after it was written down
        raise _known_refusal(refusal or {})
    work_dir = installation.settings.data_dir / "work"
    with workroom.staged(installation.blobs.path(sha256), work_dir) as work:
        try:
            made = making.make(
                work, installation.settings, language=language, file_uris=False, on_progress=context.progress
            )
        except (MediaRefused, EncodeFailed) as error:
            if not error.retry:
                _write_refusal(installation, source_uid, error)
            raise
        stored = [blob for part in made.parts for blob in _store(installation, part)]
    with installation.database.write() as session:
        kept = session.get_one(Source, source_uid, with_for_update=True)
        if kept.state != "arrived":
            return  # whoever took the work over from us was quicker, and publishing may be reading its rows
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


def _write_refusal(installation: Installation, source_uid: str, refusal: EduHubError) -> None:
    with installation.database.write() as session:
        source = session.get_one(Source, source_uid, with_for_update=True)
        if source.state == "arrived":
            source.state, source.refusal = "refused", {"code": refusal.code, "facts": dict(refusal.facts)}


def _known_refusal(written: dict[str, Any]) -> EduHubError:
    kind = EncodeFailed if written.get("code") == EncodeFailed.code else MediaRefused
    return kind("refused before", **written.get("facts", {}))
