"""The blob store on a local disk: `blobs/ab/<sha256>`, and hard links in `packages/<id>/<sha256>`.

Bytes become visible under their name in one step: a temporary file on the same file system,
hashed while it is written, fsync, rename, fsync of the folder. A power cut at any point leaves
either the whole blob or a temporary file that the next start sweeps away. A temporary file is
locked by the process that writes it, so that sweeping never needs to trust a clock.

Whoever puts, links or removes a blob holds the lock of its folder meanwhile, and putting and linking change
its `mark`. So who removes what nobody needs sees, under the lock, whether somebody took it since.

Hard links need a file system that has them (ext4, xfs, btrfs, f2fs; not FAT).

This module must not know the database. Only composition points may import it.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, BinaryIO

from eduhub.delivery.blobs import Blob, Mark, checked_name, is_name
from eduhub.delivery.disk import disk_full_named, file_id_of, is_unreadable, locked_folder, mark_of, sync_folder, touch
from eduhub.errors import BlobMissing, HashMismatch

_BUFFER = 1 << 20
_TEMPORARY = ".new-"
_GONE = ".gone-"
_QUARANTINE = "quarantine"


class DiskStore:
    """Blobs in a folder of this machine."""

    def __init__(self, data_dir: Path) -> None:
        self._blobs, self._packages = data_dir / "blobs", data_dir / "packages"
        self._quarantine = self._blobs / _QUARANTINE
        with disk_full_named():
            self._blobs.mkdir(parents=True, exist_ok=True)
            for missing in {f"{number:02x}" for number in range(256)} - set(os.listdir(self._blobs)):
                (self._blobs / missing).mkdir(exist_ok=True)
            for folder in (self._packages, self._quarantine):
                folder.mkdir(exist_ok=True)
            for folder in (self._blobs, data_dir, data_dir.parent):
                sync_folder(folder)
        self.sweep()

    # --- putting and reading ---------------------------------------------------------

    def put_bytes(self, payload: bytes) -> Blob:
        """See BlobStore."""
        blob = Blob(hashlib.sha256(payload).hexdigest(), len(payload))
        kept, damaged = self._keep(blob)
        if not kept:
            with disk_full_named(), self._temporary() as file:
                file.write(payload)
                file.flush()
                self._reveal(file.fileno(), Path(file.name), blob, damaged)
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
                kept, damaged = self._keep(blob)
                if not kept and self._reveal(source.fileno(), path, blob, damaged):
                    return blob
        path.unlink()
        return blob

    def has(self, sha256: str) -> bool:
        """See BlobStore."""
        return self._place(sha256).is_file()

    def take(self, sha256: str) -> bool:
        """See BlobStore."""
        place = self._place(sha256)
        with disk_full_named(), locked_folder(place.parent) as handle:
            try:
                touch(place)
            except FileNotFoundError:
                return False
            os.fsync(handle)  # who found it here does not know whether its putter came so far
        return True

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

    def names(self) -> Iterator[str]:
        """See BlobStore."""
        for number in range(256):
            for name in os.listdir(self._blobs / f"{number:02x}"):
                if is_name(name):
                    yield name

    def mark(self, sha256: str) -> Mark | None:
        """See BlobStore."""
        return mark_of(self._place(sha256))

    # --- packages --------------------------------------------------------------------

    def link(self, package_id: str, sha256: str) -> None:
        """See BlobStore."""
        folder, place = self._packages / checked_name(package_id), self._place(sha256)
        with disk_full_named(), locked_folder(place.parent) as of_blob, locked_folder(self._packages) as of_packages:
            folder.mkdir(exist_ok=True)
            try:
                touch(place)
                os.link(place, folder / sha256)
            except FileExistsError:
                touch(folder)  # a new link does it by itself
                self._replace_link(place, folder / sha256)
            except FileNotFoundError as error:
                with suppress(OSError):
                    folder.rmdir()  # unless it held something already
                raise BlobMissing(sha256) from error
            sync_folder(folder)
            # The blob's own folder too: who found the blob here does not know whether its putter came so far.
            for handle in (of_packages, of_blob):
                os.fsync(handle)

    def unlink(self, package_id: str, sha256: str) -> None:
        """See BlobStore."""
        folder = self._packages / checked_name(package_id)
        with suppress(FileNotFoundError), locked_folder(self._packages):
            (folder / checked_name(sha256)).unlink()
            sync_folder(folder)

    def packages(self) -> Iterator[tuple[str, Mark]]:
        """See BlobStore."""
        for name in os.listdir(self._packages):
            mark = mark_of(self._packages / name) if is_name(name) else None
            if mark is not None:
                yield name, mark

    def unlink_package(self, package_id: str) -> None:
        """See BlobStore. One rename hides the whole package, so that no half of one is ever read."""
        self.unlink_untouched(package_id, None, lambda: True)

    def unlink_untouched(self, package_id: str, since: Mark | None, unneeded: Callable[[], bool]) -> bool:
        """See BlobStore."""
        folder = self._packages / checked_name(package_id)
        gone = self._packages / f"{_GONE}{package_id}-{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):
            with locked_folder(self._packages) as handle:
                if (since is not None and mark_of(folder) != since) or not unneeded():
                    return False
                os.rename(folder, gone)
                os.fsync(handle)
            shutil.rmtree(gone)
            return True
        return False

    # --- taking away -----------------------------------------------------------------

    def remove(self, sha256: str) -> None:
        """See BlobStore."""
        with locked_folder(self._place(sha256).parent) as handle:
            self._place(sha256).unlink(missing_ok=True)
            os.fsync(handle)

    def remove_untouched(self, sha256: str, since: Mark, unneeded: Callable[[], bool]) -> bool:
        """See BlobStore."""
        with locked_folder(self._place(sha256).parent) as handle:
            if self.mark(sha256) != since or not unneeded():
                return False
            self._place(sha256).unlink()
            os.fsync(handle)
        return True

    def file_id(self, sha256: str) -> int | None:
        """See BlobStore."""
        return file_id_of(self._place(sha256))

    def quarantine(self, sha256: str, file_id: int | None) -> bool:
        """See BlobStore."""
        place = self._place(sha256)
        with disk_full_named(), locked_folder(place.parent) as of_blob:
            if file_id_of(place) != file_id:
                return False
            for link in list(self._packages.glob(f"[0-9a-f]*/{sha256}")):
                link.unlink(missing_ok=True)
                sync_folder(link.parent)
            if file_id is not None:
                os.rename(place, self._quarantine / sha256)
                sync_folder(self._quarantine)
                os.fsync(of_blob)
        return True

    def drop_quarantined(self, sha256: str) -> None:
        """See BlobStore."""
        (self._quarantine / checked_name(sha256)).unlink(missing_ok=True)

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

    # --- inside ----------------------------------------------------------------------

    def _place(self, sha256: str) -> Path:
        return self._blobs / checked_name(sha256)[:2] / sha256

    def _keep(self, blob: Blob) -> tuple[bool, int | None]:
        """Whether the very bytes are here already, and taken; if not, which damaged file is in their place.

        They are read: a file that a broken disk changed is replaced by the good bytes in hand.
        """
        place = self._place(blob.sha256)
        try:
            with place.open("rb") as file:
                facts = os.fstat(file.fileno())
                whole = facts.st_size == blob.bytes and _hash(file) == blob
        except FileNotFoundError:
            return False, None
        except OSError as error:
            if not is_unreadable(error):
                raise
            return False, file_id_of(place)
        if not whole:
            return False, facts.st_ino
        with disk_full_named(), locked_folder(place.parent) as handle:
            if file_id_of(place) != facts.st_ino:
                return False, None  # it was removed meanwhile
            touch(place)
            os.fsync(handle)
        return True, None

    def _reveal(self, file: int, path: Path, blob: Blob, damaged: int | None) -> bool:
        """Move the whole file at `path` to its name; False: somebody else put the same bytes there meanwhile."""
        place = self._place(blob.sha256)
        os.fchmod(file, 0o444)
        os.fsync(file)
        with locked_folder(place.parent) as handle:
            there = file_id_of(place)
            revealed = there is None or there == damaged
            if revealed:
                os.rename(path, place)
            else:
                touch(place)
            os.fsync(handle)
            if revealed and there is not None:
                for link in list(self._packages.glob(f"[0-9a-f]*/{blob.sha256}")):
                    self._replace_link(place, link)
                    sync_folder(link.parent)
        return revealed

    def _replace_link(self, place: Path, link: Path) -> None:
        """Let `link` be the file at `place`, where it is still an older, damaged one. In one step: it may be read."""
        if file_id_of(link) == file_id_of(place):
            return
        while link.parent.is_dir():
            new = self._blobs / f"{_TEMPORARY}{secrets.token_hex(8)}"
            os.link(place, new)
            with suppress(FileNotFoundError):  # a start swept the new name away, or the package went
                os.rename(new, link)
                return
            new.unlink(missing_ok=True)

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

    def _copy_in(self, source: BinaryIO, expect: str | None) -> Blob:
        digest, size = hashlib.sha256(), 0
        with self._temporary() as file:
            while found := source.read(_BUFFER):
                digest.update(found)
                size += len(found)
                file.write(found)
            file.flush()
            blob = Blob(digest.hexdigest(), size)
            _require(blob, expect)
            kept, damaged = self._keep(blob)
            if not kept:
                self._reveal(file.fileno(), Path(file.name), blob, damaged)
        return blob


def _hash(source: BufferedReader) -> Blob:
    digest = hashlib.file_digest(source, "sha256")
    return Blob(digest.hexdigest(), source.tell())


def _require(blob: Blob, expect: str | None) -> None:
    if expect is not None and blob.sha256 != expect:
        raise HashMismatch(f"{blob.sha256} arrived, {expect} was promised")
