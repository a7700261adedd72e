"""The blob store on a local disk: `blobs/ab/<sha256>`, and hard links in `packages/<id>/<sha256>`.

Bytes become visible under their name in one step: a temporary file on the same file system,
hashed while it is written, fsync, rename, fsync of the folder. A power cut at any point leaves
either the whole blob or a temporary file that the next start sweeps away. A temporary file is
locked by the process that writes it, so that sweeping never needs to trust a clock.

Hard links need a file system that has them (ext4, xfs, btrfs, f2fs; not FAT).

This module must not know the database. Only composition points may import it.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, BinaryIO

from eduhub.delivery.blobs import Blob, checked_name
from eduhub.delivery.disk import disk_full_named, sync_folder
from eduhub.errors import BlobMissing, HashMismatch

_BUFFER = 1 << 20
_TEMPORARY = ".new-"
_GONE = ".gone-"


class DiskStore:
    """Blobs in a folder of this machine."""

    def __init__(self, data_dir: Path) -> None:
        self._blobs, self._packages = data_dir / "blobs", data_dir / "packages"
        with disk_full_named():
            for number in range(256):
                (self._blobs / f"{number:02x}").mkdir(parents=True, exist_ok=True)
            self._packages.mkdir(exist_ok=True)
            for folder in (self._blobs, data_dir):
                sync_folder(folder)
        self.sweep()

    def put_bytes(self, payload: bytes) -> Blob:
        """See BlobStore."""
        blob = Blob(hashlib.sha256(payload).hexdigest(), len(payload))
        if not self._holds(blob):
            with disk_full_named(), self._temporary() as file:
                file.write(payload)
                self._reveal(file, blob)
        return blob

    def put_file(self, path: Path, *, expect: str | None = None) -> Blob:
        """See BlobStore."""
        with disk_full_named(), open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source:
            # A file with a second name, or on another file system, cannot be moved in: it is copied.
            facts = os.fstat(source.fileno())
            if facts.st_nlink > 1 or facts.st_dev != os.stat(self._blobs).st_dev:
                blob = self._copy_in(source, expect)
            else:
                blob = _hash(source)
                _require(blob, expect)
                if not self._holds(blob):
                    os.fchmod(source.fileno(), 0o444)
                    os.fsync(source.fileno())
                    os.rename(path, self._place(blob.sha256))
                    sync_folder(self._place(blob.sha256).parent)
                    return blob
        path.unlink()
        return blob

    def has(self, sha256: str) -> bool:
        """See BlobStore."""
        return self._place(sha256).is_file()

    def open(self, sha256: str) -> BinaryIO:
        """See BlobStore."""
        try:
            return self._place(sha256).open("rb")
        except FileNotFoundError as error:
            raise BlobMissing(sha256) from error

    def path(self, sha256: str) -> Path:
        """See BlobStore."""
        if not self.has(sha256):
            raise BlobMissing(sha256)
        return self._place(sha256)

    def link(self, package_id: str, sha256: str) -> None:
        """See BlobStore."""
        folder = self._packages / checked_name(package_id)
        with disk_full_named():
            folder.mkdir(exist_ok=True)
            try:
                os.link(self._place(sha256), folder / sha256)
            except FileExistsError:
                pass
            except FileNotFoundError as error:
                raise BlobMissing(sha256) from error
            sync_folder(folder)
            sync_folder(self._packages)

    def unlink_package(self, package_id: str) -> None:
        """See BlobStore. One rename hides the whole package, so that no half of one is ever read."""
        gone = self._packages / f"{_GONE}{checked_name(package_id)}-{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):
            os.rename(self._packages / package_id, gone)
            sync_folder(self._packages)
            shutil.rmtree(gone)

    def remove(self, sha256: str) -> None:
        """See BlobStore."""
        self._place(sha256).unlink(missing_ok=True)
        sync_folder(self._place(sha256).parent)

    def sweep(self) -> int:
        """Clear away what a crash left behind; returns how many things that were."""
        swept = 0
        for left in self._blobs.glob(f"{_TEMPORARY}*"):
            with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
                swept += 1
        for folder in self._packages.glob(f"{_GONE}*"):
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
        return swept

    def _place(self, sha256: str) -> Path:
        return self._blobs / checked_name(sha256)[:2] / sha256

    def _holds(self, blob: Blob) -> bool:
        # The size too: a file that a broken disk cut short is replaced by the good bytes in hand.
        try:
            return self._place(blob.sha256).stat().st_size == blob.bytes
        except FileNotFoundError:
            return False

    @contextmanager
    def _temporary(self) -> Iterator[IO[bytes]]:
        """A locked file in the store's folder, for writing; gone afterwards unless it was revealed."""
        while True:
            path = self._blobs / f"{_TEMPORARY}{secrets.token_hex(8)}"
            with path.open("x+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink == 0:
                    continue  # a sweep was quicker than the lock
                try:
                    yield file
                finally:
                    path.unlink(missing_ok=True)
                return

    def _reveal(self, file: IO[bytes], blob: Blob) -> None:
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
        os.rename(file.name, self._place(blob.sha256))
        sync_folder(self._place(blob.sha256).parent)

    def _copy_in(self, source: BinaryIO, expect: str | None) -> Blob:
        digest, size = hashlib.sha256(), 0
        with self._temporary() as file:
            while found := source.read(_BUFFER):
                digest.update(found)
                size += len(found)
                file.write(found)
            blob = Blob(digest.hexdigest(), size)
            _require(blob, expect)
            if not self._holds(blob):
                self._reveal(file, blob)
        return blob


def _hash(source: BufferedReader) -> Blob:
    digest = hashlib.file_digest(source, "sha256")
    return Blob(digest.hexdigest(), source.tell())


def _require(blob: Blob, expect: str | None) -> None:
    if expect is not None and blob.sha256 != expect:
        raise HashMismatch(f"{blob.sha256} arrived, {expect} was promised")
