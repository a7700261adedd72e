"""The job `media.check_attachment`: look at a file that was sent to stand beside a lesson, and write a picture anew.

Content decides, never the name. What is neither a PDF nor a picture is refused with a reason for the teacher. The
file's source is `checked` then: its blob is what children get, and its `probe` says what kind it is.

Safe to run twice. This module must not know lessons or HTTP. See docs/formats/uploads.md.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import logs
from eduhub.config import Settings
from eduhub.delivery import blobs, package
from eduhub.delivery.blobs import Blob, BlobStore
from eduhub.errors import N_, AttachmentRefused, EncodeInterrupted, NotFound
from eduhub.installation import JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.media import jail, ladders, prepare, probe, workroom
from eduhub.media.models import Source

CHECK = "media.check_attachment"
MOST_BYTES = 20 << 20
MOST_PIXELS, MOST_SIDE = 50_000_000, 20_000
LONGEST_SIDE = 2560  # what a page of a worksheet needs to be read
CHECKED, REFUSED = "checked", "refused"

NOT_OPENED = N_("it is neither a PDF nor a picture that can be opened here")
BROKEN_PDF = N_("it is a PDF that is not whole")
LOCKED_PDF = N_("it is a PDF with a password or a lock")
HIDDEN_PDF = N_("it is a PDF that cannot be looked through here; saving it anew as a PDF may help")
PROGRAM = N_("it is a PDF with a program or another file inside")
TOO_MANY_PIXELS = N_("the picture has more points than any page needs")
TOO_LARGE = N_("it is larger than an attachment may be")
TOO_MUCH_WORK = N_("reading it takes more time or memory than an attachment needs")
_REASONS = {
    "not_opened": NOT_OPENED, "broken_pdf": BROKEN_PDF, "locked_pdf": LOCKED_PDF, "hidden_pdf": HIDDEN_PDF, "program": PROGRAM, "too_many_pixels": TOO_MANY_PIXELS,
}  # fmt: skip
_TYPES = {"pdf": "application/pdf", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_CHILD = Path(__file__).with_name("attachment_child.py")
_PYTHON_FAILED = 1

log = logs.logger(__name__)


def run(context: JobContext, source_uid: str) -> None:
    """Check the file of a source.

    Raises AttachmentRefused, written down; EncodeInterrupted, NotFound, BlobMissing, DiskFull, ToolMissing, JobCancelled.
    """
    installation = context.installation
    with installation.database.read() as session:
        source = session.get(Source, source_uid)
        if source is None or source.sha256 is None:
            raise NotFound(f"no source {source_uid} that has arrived")
        state, sha256, size = source.state, source.sha256, source.bytes or 0
    if state in {CHECKED, REFUSED}:
        return
    try:
        with workroom.staged(installation.blobs.path(sha256), prepare.work_dir(installation)) as work:
            facts = look(work, installation.settings, size)
            made = work / "made"
            blob = Blob(sha256, size) if facts["kind"] == "pdf" else installation.blobs.put_file(made)
    except AttachmentRefused as error:
        _write(context, source_uid, REFUSED, refusal={"code": error.code, "facts": dict(error.facts)})
        raise
    pieces = _piece_list(installation.blobs, blob)
    facts |= {"type": _TYPES[facts.pop("kind")], "pieces": pieces.sha256 if pieces else None}
    _write(context, source_uid, CHECKED, blob=blob, pieces=pieces, facts=facts)


def ask(session: Session, source: Source, *, then: Mapping[str, Any] | None) -> None:
    """Have a file looked at; `then` is the next job. Asking twice is asking once."""
    if source.uid not in being_looked_at(session):
        queue.enqueue(
            session, CHECK, {"source_uid": source.uid}, then=then, org_uid=source.org_uid,
            priority=ladders.PRIORITIES[ladders.FLOOR],
        )  # fmt: skip


def being_looked_at(session: Session) -> set[str]:
    """The sources for which a look waits or is under way. One that is not there, and is neither CHECKED nor REFUSED, has failed."""
    jobs = session.scalars(select(JobRow).where(JobRow.kind == CHECK, JobRow.state.in_(["waiting", "running"])))
    return {str(job.args.get("source_uid")) for job in jobs}


def look(work: Path, settings: Settings, size: int) -> dict[str, Any]:
    """What the file INPUT in `work` is; a picture lies there as `made` afterwards. Raises AttachmentRefused."""
    if size > MOST_BYTES:
        raise _refused(TOO_LARGE, f"{size} bytes")
    options = {"max_pixels": MOST_PIXELS, "max_side": MOST_SIDE, "longest_side": LONGEST_SIDE}
    lines: list[str] = []
    finished = jail.run(
        jail.kind_of_jail(settings),
        jail.Command(
            (sys.executable, "-I", str(_CHILD), json.dumps(options)), work,
            jail.Limits(cpu_s=60, wall_s=180, memory_bytes=2 << 30, file_bytes=4 * MOST_BYTES, output_bytes=64 << 10, open_files=64),
            readable=(*probe.python_folders(), _CHILD, (work / workroom.INPUT).resolve()),
        ),
        on_line=lines.append,
    )  # fmt: skip
    if finished.was_interrupted:
        raise EncodeInterrupted(f"the look was ended by signal, code {finished.code}")
    if finished.outcome == "ended" and finished.code == _PYTHON_FAILED and "MemoryError" not in finished.errors:
        # A decoder that falls over a file, or a program of ours that is wrong: nobody should wait for it for ever.
        log.error("an attachment could not be looked at", errors=finished.errors[-1000:])
        raise _refused(NOT_OPENED, "the look failed")
    if not finished.ok:
        raise _refused(TOO_MUCH_WORK, f"{finished.outcome} {finished.code}")
    return _judged(lines, work)


# --- inside -------------------------------------------------------------------------


def _judged(lines: list[str], work: Path) -> dict[str, Any]:
    """The child's answer, which is a stranger's word too: a decoder that was taken over could print anything."""
    try:
        said = json.loads(lines[0])
        if "refused" in said:
            raise _refused(_REASONS[said["refused"]], str(said.get("detail", "")))
        if said["kind"] == "pdf":
            return {"kind": "pdf"}
        kind, width, height = str(said["kind"]), int(said["width"]), int(said["height"])
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise _refused(NOT_OPENED, "the answer cannot be read") from error
    workroom.check_made(work)
    if kind not in _TYPES or not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE):
        raise _refused(NOT_OPENED, "the answer cannot be right")
    if (work / "made").stat().st_size > 2 * MOST_BYTES:
        raise _refused(TOO_LARGE, "what was made of it")
    return {"kind": kind, "width": width, "height": height}


def _piece_list(store: BlobStore, blob: Blob) -> Blob | None:
    return store.put_bytes(package.piece_list(store.path(blob.sha256))) if blob.bytes > package.PIECE_BYTES else None


def _write(
    context: JobContext, source_uid: str, state: str, *, blob: Blob | None = None, pieces: Blob | None = None,
    facts: dict[str, Any] | None = None, refusal: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    with context.installation.database.write() as session:
        context.hold(session)
        source = session.get_one(Source, source_uid, with_for_update=True)
        source.state, source.refusal, source.probe = state, refusal, facts
        for stored in (blob, pieces):
            if stored is not None:
                blobs.remember(session, stored)
        if blob is not None:
            source.sha256, source.bytes = blob.sha256, blob.bytes


def _refused(reason: str, detail: str) -> AttachmentRefused:
    return AttachmentRefused(detail, reason=reason)
