"""Blobs: immutable bytes, named by their SHA-256. The port, and the row that says one is here.

A store keeps bytes under their name and lends them out; which store is used is decided in
`installation.py` alone. Order matters everywhere: first the bytes are on disk (`put_*` returns
after they are synced), then the row is written (`remember`), and a row is removed before its
bytes are. So a row promises bytes, and a crash leaves at worst bytes without a row.

This module must not know packages, lessons or HTTP. See docs/formats/blobs.md.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery.disk import Mark as Mark
from eduhub.delivery.models import BlobRow, DamagedBlob
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
        """Keep `payload`; it is on disk when this returns. Raises DiskFull.

        Where the blob lies already it is read, and replaced when it is damaged, in every package too.
        """

    def put_file(self, path: Path, *, expect: str | None = None) -> Blob:
        """Move the file at `path` in; it is on disk, and gone from `path`, when this returns.

        Nobody may write to the file any more. Raises HashMismatch when its bytes are not `expect`,
        and DiskFull; in both cases the file stays where it was.
        """

    def has(self, sha256: str) -> bool:
        """Whether the blob is here, whole."""

    def take(self, sha256: str) -> bool:
        """`has` for who is about to refer to the blob: it is on disk, and counts as put just now. Raises DiskFull."""

    def open(self, sha256: str) -> BinaryIO:
        """The blob for reading. Raises BlobMissing."""

    def path(self, sha256: str) -> Path:
        """Where the blob lies as a file, never to be written to. Raises BlobMissing."""

    def link(self, package_id: str, sha256: str) -> None:
        """Let the blob be read as a part of the package; safe to repeat. Raises BlobMissing, DiskFull."""

    def unlink(self, package_id: str, sha256: str) -> None:
        """End one `link`; the blob stays. Safe to repeat."""

    def unlink_package(self, package_id: str) -> None:
        """End every `link` of the package; the blobs stay. Safe to repeat."""

    def packages(self) -> Iterator[tuple[str, Mark]]:
        """Every package that has links here, with its mark, which changes with each new link."""

    def unlink_untouched(self, package_id: str, since: Mark | None, unneeded: Callable[[], bool]) -> bool:
        """`unlink_package`, when no link was made since its mark was `since` and `unneeded` says so. Returns whether.

        No link of the package comes between the question and the end of it.
        """

    def names(self) -> Iterator[str]:
        """Every blob that lies here, with a row or without, in no order."""

    def mark(self, sha256: str) -> Mark | None:
        """What changes whenever somebody puts or links the blob, also when it is here already; None: it is not here."""

    def remove(self, sha256: str) -> None:
        """Forget the blob at once; nobody can be about to need it. Safe to repeat."""

    def remove_untouched(self, sha256: str, since: Mark, unneeded: Callable[[], bool]) -> bool:
        """`remove`, when nobody took the blob since its mark was `since` and `unneeded` says so. Returns whether.

        No put and no link of the blob comes between the question and the removing. `unneeded` may read the
        database, and must not write to it.
        """

    def file_id(self, sha256: str) -> int | None:
        """Which file the blob is now: another one after it was removed and put again; None: it is not here."""

    def quarantine(self, sha256: str, file_id: int | None) -> bool:
        """Let nobody read a damaged blob any more, in no package; it is kept apart. Raises DiskFull.

        `file_id` says which file was found damaged (None: none was there). False: another one lies there now.
        """

    def drop_quarantined(self, sha256: str) -> None:
        """Delete what `quarantine` kept. Safe to repeat."""


def is_name(sha256: object) -> bool:
    """Whether this is the name of a blob: 64 lower-case hex digits."""
    return isinstance(sha256, str) and _NAME.fullmatch(sha256) is not None


def checked_name(sha256: str) -> str:
    """`sha256` when it is the name of a blob, else BadFormat: a name becomes a path."""
    if not is_name(sha256):
        raise BadFormat(f"not a SHA-256: {str(sha256)[:80]!r}")
    return sha256


def remember(session: Session, blob: Blob) -> BlobRow:
    """Write down that the blob is on disk, after it was put or linked. Safe to repeat and to race.

    It comes with what refers to the blob, in one transaction, and soon: nobody else knows that the bytes are needed.
    """
    # Locked, so that a row which is being forgotten is either waited for, and made anew, or stays.
    row = session.get(BlobRow, blob.sha256, with_for_update={"read": True}, populate_existing=True)
    if row is None:
        now_ms = clock.now_ms()
        try:
            with session.begin_nested():
                row = BlobRow(
                    sha256=checked_name(blob.sha256), bytes=blob.bytes, stored_ms=now_ms, verified_ms=now_ms
                )
                session.add(row)
        except IntegrityError:  # another process put the same bytes at the same moment
            row = session.get_one(BlobRow, blob.sha256, with_for_update={"read": True})
        damaged = session.get(DamagedBlob, blob.sha256)
        if damaged is not None and damaged.mended_ms is None:
            damaged.mended_ms = now_ms
            session.flush()
    return row
