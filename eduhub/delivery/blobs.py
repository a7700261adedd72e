"""Blobs: immutable bytes, named by their SHA-256. The port, and the row that says one is here.

A store keeps bytes under their name and lends them out; which store is used is decided in
`installation.py` alone. Order matters everywhere: first the bytes are on disk (`put_*` returns
after they are synced), then the row is written (`remember`), and a row is removed before its
bytes are. So a row promises bytes, and a crash leaves at worst bytes without a row.

This module must not know packages, lessons or HTTP. See docs/formats/blobs.md.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery.models import BlobRow
from eduhub.errors import BadFormat

_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Blob:
    """The name and the size of some immutable bytes."""

    sha256: str
    bytes: int


class BlobStore(Protocol):
    """Where blobs lie. Every store passes tests/conformance/test_blob_stores.py."""

    def put_bytes(self, payload: bytes) -> Blob:
        """Keep `payload`; it is on disk when this returns. Raises DiskFull."""

    def put_file(self, path: Path, *, expect: str | None = None) -> Blob:
        """Move the file at `path` in; it is on disk, and gone from `path`, when this returns.

        Nobody may write to the file any more. Raises HashMismatch when its bytes are not `expect`,
        and DiskFull; in both cases the file stays where it was.
        """

    def has(self, sha256: str) -> bool:
        """Whether the blob is here, whole."""

    def open(self, sha256: str) -> BinaryIO:
        """The blob for reading. Raises BlobMissing."""

    def path(self, sha256: str) -> Path:
        """Where the blob lies as a file, never to be written to. Raises BlobMissing."""

    def link(self, package_id: str, sha256: str) -> None:
        """Let the blob be read as a part of the package; safe to repeat. Raises BlobMissing, DiskFull."""

    def unlink_package(self, package_id: str) -> None:
        """End every `link` of the package; the blobs stay. Safe to repeat."""

    def remove(self, sha256: str) -> None:
        """Forget the blob; its row is gone already. Safe to repeat."""


def checked_name(sha256: str) -> str:
    """`sha256` when it is 64 lower-case hex digits, else BadFormat: a name becomes a path."""
    if not isinstance(sha256, str) or not _NAME.fullmatch(sha256):
        raise BadFormat(f"not a SHA-256: {str(sha256)[:80]!r}")
    return sha256


def remember(session: Session, blob: Blob) -> BlobRow:
    """Write down that the blob is on disk, after it is. Safe to repeat and to race."""
    now_ms = clock.now_ms()
    row = session.get(BlobRow, blob.sha256)
    if row is None:
        try:
            with session.begin_nested():
                row = BlobRow(
                    sha256=checked_name(blob.sha256), bytes=blob.bytes, stored_ms=now_ms, verified_ms=now_ms
                )
                session.add(row)
        except IntegrityError:  # another process put the same bytes at the same moment
            row = session.get_one(BlobRow, blob.sha256)
    else:
        row.verified_ms = now_ms
        session.flush()
    return row
