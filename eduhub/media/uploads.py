"""Receive a file: onto the disk while it arrives, then into the blob store, then the row and the job.

Nothing is kept of a file that did not arrive whole. A source row and its job appear in one
transaction, after the bytes are on disk: acknowledged means on disk.

This module must not know HTTP or who sends. See docs/formats/uploads.md.
"""

import fcntl
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery import blobs
from eduhub.delivery.disk import disk_full_named
from eduhub.errors import UploadCutShort, UploadRefused, UploadTooLarge
from eduhub.installation import Installation
from eduhub.jobs import queue
from eduhub.media.intents import UploadIntent
from eduhub.media.models import Source

PREPARE = "media.prepare"
_BUFFER = 1 << 18
_UNSEEN = re.compile(r"[\x00-\x1f\x7f/\\]")


class Stream(Protocol):
    """Where the bytes come from. `read` returns b"" at the end of the whole file and raises UploadCutShort before it."""

    def read(self, size: int, /) -> bytes: ...


def receive(installation: Installation, intent: UploadIntent, stream: Stream, file_name: str) -> Source:
    """Keep the file and enqueue its preparation; returns the source, state `arrived`.

    Raises UploadRefused (this intent was used already), UploadTooLarge, UploadCutShort, DiskFull.
    """
    with installation.database.read() as session:
        _refuse_second(session, intent)
    incoming = installation.settings.data_dir / "incoming" / f"{intent.source_uid}.part"
    with _arriving(incoming) as file:
        sha256, size = _write(stream, file, intent.max_bytes)
        blob = installation.blobs.put_file(incoming, expect=sha256)
    with installation.database.write() as session:
        _refuse_second(session, intent)
        blobs.remember(session, blob)
        source = Source(
            uid=intent.source_uid, org_uid=intent.org_uid, file_name=shown_name(file_name), language=intent.language,
            state="arrived", sha256=blob.sha256, bytes=size, made_ms=clock.now_ms(),
        )
        session.add(source)
        enqueue_preparing(session, source, then=intent.then)
    return source


def enqueue_preparing(session: Session, source: Source, *, then: Mapping[str, Any] | None) -> None:
    """Have an arrived file prepared; once, however often it is asked for while that waits or runs."""
    args = {"source_uid": source.uid}
    queue.enqueue(session, PREPARE, args, then=then, org_uid=source.org_uid, dedupe=f"{PREPARE}:{source.uid}")


def shown_name(file_name: str) -> str:
    """The file's name as it is shown to people; it never becomes a path."""
    last = re.split(r"[/\\]", file_name)[-1]
    return _UNSEEN.sub("", unicodedata.normalize("NFC", last)).strip()[:200] or "-"


def _refuse_second(session: Session, intent: UploadIntent) -> None:
    if session.get(Source, intent.source_uid) is not None:
        raise UploadRefused("this file has arrived already")


@contextmanager
def _arriving(path: Path) -> Iterator[IO[bytes]]:
    """The locked, empty file at `path`; gone afterwards, unless it was moved away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    with disk_full_named():
        while True:
            with path.open("ab") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise UploadRefused("this file is arriving already") from error
                if os.fstat(file.fileno()).st_nlink == 0:
                    continue  # a sweep was quicker than the lock
                try:
                    file.truncate(0)
                    yield file
                finally:
                    path.unlink(missing_ok=True)
                return


def sweep(incoming: Path) -> int:
    """Remove what uploads of processes that are no more left behind; returns how many files."""
    swept = 0
    for left in incoming.glob("*.part"):
        with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
            swept += 1
    return swept


def _write(stream: Stream, file: IO[bytes], most: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while payload := stream.read(_BUFFER):
        size += len(payload)
        if size > most:
            raise UploadTooLarge(f"more than {most} bytes", limit_mb=most >> 20)
        digest.update(payload)
        file.write(payload)
    if size == 0:
        raise UploadCutShort("an empty file")
    file.flush()
    os.fsync(file.fileno())
    return digest.hexdigest(), size
