"""The early look: some pieces of a file that is still at its sender's, probed as a sparse copy.

A wrong file is refused after a megabyte instead of after three hours. "refused" is said only where a
full look would refuse as surely; the rest is "fine" as far as one can see, or "unknown".

This module must not know HTTP or the database. See docs/formats/uploads.md.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Literal

from eduhub import clock, logs
from eduhub.delivery.disk import disk_full_named
from eduhub.errors import EncodeFailed, MediaRefused, UploadBusy, UploadCutShort
from eduhub.installation import Installation
from eduhub.media import judging, probe, workroom
from eduhub.media.body import BLOCK, Stream

MOST_RANGES, MOST_BYTES = 4, 8 << 20
LONGEST_S = 20.0
_AT_ONCE = BoundedSemaphore(2)  # in this process: a look takes a processor for a second
_PREFIX = ".early-look-"
# What ffmpeg reads to tell the format; a file that shows no known one in it has none.
_TELLS_FORMAT = 1 << 20
_SURE_BY_SIZE = frozenset({probe.TOO_LARGE, probe.EMPTY})
# Sure where the header lists every track: what such a header does not name is not in the file.
_SURE_BY_HEADER = frozenset({
    judging.NO_STREAM, judging.TOO_MANY_STREAMS, judging.BAD_VIDEO_CODEC, judging.BAD_AUDIO_CODEC, judging.BAD_SIZE, judging.TOO_LONG,
})  # fmt: skip

log = logs.logger(__name__)

Range = tuple[int, int]


@dataclass(frozen=True)
class Look:
    """What an early look saw."""

    verdict: Literal["fine", "unknown", "refused"]
    refusal: MediaRefused | None = None
    duration_ms: int | None = None


UNKNOWN = Look("unknown")


class _TookTooLong(Exception):
    """The look has had its time."""


def look(installation: Installation, source_uid: str, length: int, ranges: Sequence[Range], stream: Stream) -> Look:
    """Probe a file of `length` bytes of which `stream` brings the `ranges` (start, end behind), one after the other.

    Raises UploadBusy (another look at this file runs), UploadCutShort, DiskFull.
    """
    if length > installation.settings.upload_max_mb << 20:
        return Look("refused", MediaRefused(f"{length} bytes", reason=probe.TOO_LARGE))
    work = installation.settings.data_dir / "work"
    with _sparse(work, source_uid) as (path, descriptor):
        _fill(descriptor, length, ranges, stream)
        if not _AT_ONCE.acquire(blocking=False):
            return UNKNOWN
        try:
            return _probed(installation, path, os.pread(descriptor, 16, 0), _shows_format(length, ranges))
        finally:
            _AT_ONCE.release()


def _shows_format(length: int, ranges: Sequence[Range]) -> bool:
    """Whether enough of the beginning was sent to say that the file is of no known format."""
    return bool(ranges) and ranges[0][0] == 0 and ranges[0][1] >= min(length, _TELLS_FORMAT)


def _probed(installation: Installation, path: Path, head: bytes, shows_format: bool) -> Look:
    until_s = clock.monotonic_s() + LONGEST_S

    def not_for_ever() -> None:
        if clock.monotonic_s() > until_s:
            raise _TookTooLong

    try:
        with workroom.staged(path, path.parent) as work:
            seen = probe.probe(work, installation.settings, headers_only=True, on_tick=not_for_ever)
    except MediaRefused as error:
        return Look("refused", error) if _is_sure(error, head, shows_format) else UNKNOWN
    except (_TookTooLong, EncodeFailed):
        log.info("early look given up", bytes=path.stat().st_size)
        return UNKNOWN
    return Look("fine", duration_ms=seen.duration_ms or None)


def _is_sure(error: MediaRefused, head: bytes, shows_format: bool) -> bool:
    reason = error.facts.get("reason")
    if reason in _SURE_BY_SIZE:
        return True
    if reason == judging.NOT_MEDIA:
        # A container whose index was not sent cannot be opened either.
        return shows_format and not _is_container(head)
    return reason in _SURE_BY_HEADER and _lists_its_tracks(head)


def _lists_its_tracks(head: bytes) -> bool:
    return head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"} or head.startswith(b"\x1a\x45\xdf\xa3")


def _is_container(head: bytes) -> bool:
    begins = (
        b"RIFF", b"RF64", b"OggS", b"FLV", b"fLaC", b"ID3", b"#!AMR", b"\x30\x26\xb2\x75", b"\x00\x00\x01", b"\x47", b"\xff",
    )  # fmt: skip
    return _lists_its_tracks(head) or head.startswith(begins) or head[4:5] == b"\x47"


def _fill(descriptor: int, length: int, ranges: Sequence[Range], stream: Stream) -> None:
    with disk_full_named():
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, length)
        for start, end in ranges:
            at = start
            while at < end:
                block = stream.read(min(BLOCK, end - at))
                if not block:
                    raise UploadCutShort("fewer bytes than the ranges say")
                at += os.pwrite(descriptor, block, at)


@contextmanager
def _sparse(work: Path, source_uid: str) -> Iterator[tuple[Path, int]]:
    """A file for one look, ours alone and gone afterwards. Raises UploadBusy."""
    path = work / f"{_PREFIX}{source_uid}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink == 0:
            raise BlockingIOError
        try:
            yield path, descriptor
        finally:
            path.unlink(missing_ok=True)
    except BlockingIOError as error:
        raise UploadBusy("another look at this file runs") from error
    finally:
        os.close(descriptor)


def sweep(installation: Installation) -> int:
    """Remove what looks of killed processes left behind; returns how many."""
    swept = 0
    for left in (installation.settings.data_dir / "work").glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
            swept += 1
    return swept
