"""The folder on a stick, as something that nobody may trust: who wrote it, and whether it is still there.

- Everything goes by folder handles and never by paths, no link is followed, and only plain files are read, up to a size and
  a count that the reader knows. So a stick can neither lead out of itself nor keep us reading.
- A file is written under another name, brought onto the stick, and renamed. FAT promises little about a rename when
  the stick is pulled out; so what a file is worth is what its bytes hash to, or who signed them, and readers see to that.

This module must not know what the files are for.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from eduhub import logs
from eduhub.errors import NoCourier, StickBusy, StickFull, StickGone, StickReadOnly
from eduhub.sync.courier.layout import FOLDER, Parts

log = logs.logger(__name__)

BLOCK_BYTES = 1 << 20
_ENDING = ".part"
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the opening of a pipe would wait for ever.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_STRANGE = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EMLINK, errno.ENAMETOOLONG})
# What cannot be read costs itself; when nothing can be read any more, the stick is gone.
_MAX_UNREADABLE = 5


class Stick:
    """The courier's folder on one stick. Use it as a context manager: it is ours alone meanwhile.

    Raises StickGone where there is no folder, StickBusy where another process is at it, and NoCourier where nothing of ours
    is on it, unless it may be made.
    """

    _is_pulled_out = True  # by people, at any moment: so each file is brought onto it before its name is

    def __init__(self, place: Path, *, make: bool = False) -> None:
        self.place = place
        self._unreadable = 0  # in a row
        self._touched: set[Parts] = set()  # folders with names that may not be on the stick yet
        with _named():
            outer = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(FOLDER, 0o755, dir_fd=outer)
                        self._sync(outer)
                try:
                    self._root = os.open(FOLDER, _FOLDER_FLAGS, dir_fd=outer)
                except (FileNotFoundError, NotADirectoryError) as error:
                    raise NoCourier(f"no folder {FOLDER}") from error
            finally:
                os.close(outer)
        try:
            fcntl.flock(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._root)
            raise StickBusy() from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._root)

    # --- reading ---------------------------------------------------------------------

    def read(self, parts: Parts, *, max_bytes: int) -> bytes | None:
        """The bytes of a plain file; None where there is none, it cannot be read, or it has more. Raises StickGone."""
        with self.opened(parts) as file:
            if file is None or os.fstat(file).st_size > max_bytes:
                return None
            found = bytearray()
            while len(found) <= max_bytes:
                block = self.block(file, len(found), min(BLOCK_BYTES, max_bytes + 1 - len(found)))
                if block is None:
                    return None
                if not block:
                    return bytes(found)
                found += block
        return None  # it grows while it is read

    @contextmanager
    def opened(self, parts: Parts) -> Iterator[int | None]:
        """A plain file's handle for reading; None where there is none. Raises StickGone."""
        with contextlib.ExitStack() as handles:
            yield self._open(parts, handles)

    def _open(self, parts: Parts, handles: contextlib.ExitStack) -> int | None:
        folder = handles.enter_context(self._folder(parts[:-1]))
        if folder is None:
            return None
        try:
            file = os.open(parts[-1], _READ_FLAGS, dir_fd=folder)
        except OSError as error:
            self._cannot_read(error)
            return None
        handles.callback(os.close, file)
        return file if stat.S_ISREG(os.fstat(file).st_mode) else None

    def block(self, file: int, at: int, count: int) -> bytes | None:
        """Up to `count` bytes of an open file; None where they cannot be read. Raises StickGone."""
        try:
            found = os.pread(file, count, at)
        except OSError as error:
            self._cannot_read(error)
            return None
        self._unreadable = 0
        return found

    def size(self, parts: Parts) -> int | None:
        """The size of a plain file as its folder says it; None where there is none."""
        with self._folder(parts[:-1]) as folder:
            if folder is None:
                return None
            try:
                facts = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                self._cannot_read(error)
                return None
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None

    def hash_of(self, parts: Parts, size: int) -> str | None:
        """The SHA-256 of a plain file of just that size, in hex; None for another one. Raises StickGone."""
        digest, at = hashlib.sha256(), 0
        with self.opened(parts) as file:
            if file is None or os.fstat(file).st_size != size:
                return None
            while at < size:
                block = self.block(file, at, min(BLOCK_BYTES, size - at))
                if not block:
                    return None
                digest.update(block)
                at += len(block)
        return digest.hexdigest()

    def names(self, parts: Parts, pattern: re.Pattern[str], *, limit: int) -> list[str]:
        """Names in a folder that fit the pattern, sorted; at most `limit` names are looked at."""
        with self._folder(parts) as folder:
            if folder is None:
                return []
            try:
                with os.scandir(folder) as entries:
                    return sorted(entry.name for entry in itertools.islice(entries, limit) if pattern.fullmatch(entry.name))
            except OSError as error:
                self._cannot_read(error)
                return []

    def _cannot_read(self, error: OSError) -> None:
        if error.errno in (errno.ENOENT, *_STRANGE, errno.ENXIO, errno.EACCES, errno.EPERM):
            return  # not there, a link, a folder, a device: not one of ours
        self._unreadable += 1
        log.warning("a file on the stick cannot be read", problem=errno.errorcode.get(error.errno or 0, "?"))
        if self._unreadable >= _MAX_UNREADABLE:
            raise StickGone(str(error)) from error

    # --- writing ---------------------------------------------------------------------

    def free(self) -> int:
        """Bytes that can still be written."""
        with _named():
            facts = os.fstatvfs(self._root)
        return facts.f_bavail * facts.f_frsize

    def write(self, parts: Parts, blocks: Iterable[bytes]) -> None:
        """Write a file, or write it anew; `settle` brings its name onto the stick. Raises StickFull, StickReadOnly, StickGone."""
        name = parts[-1]
        with _named(), self._folder(parts[:-1], make=True) as folder:
            assert folder is not None
            _unlink(folder, name + _ENDING)
            file = os.open(name + _ENDING, _WRITE_FLAGS, 0o644, dir_fd=folder)
            try:
                try:
                    for block in blocks:
                        _write_all(file, block)
                    self._sync(file)
                finally:
                    os.close(file)
                os.replace(name + _ENDING, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    _unlink(folder, name + _ENDING)
                raise
        self._touched.add(parts[:-1])

    def write_blob(self, parts: Parts, blob: BinaryIO) -> None:
        """`write` the bytes of a blob of this machine's store, which nobody ever changes."""
        self.write(parts, iter(lambda: blob.read(BLOCK_BYTES), b""))

    def append(self, parts: Parts, payload: bytes) -> None:
        """Write at the end of a file, and bring it onto the stick. A torn end is the reader's to see."""
        with _named(), self._folder(parts[:-1], make=True) as folder:
            assert folder is not None
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            file = os.open(parts[-1], flags, 0o644, dir_fd=folder)
            try:
                _write_all(file, payload)
                self._sync(file)
            finally:
                os.close(file)

    def remove(self, parts: Parts) -> None:
        """Forget a file. Safe to repeat."""
        with _named(), self._folder(parts[:-1]) as folder:
            if folder is not None:
                _unlink(folder, parts[-1])
        self._touched.add(parts[:-1])

    def settle(self) -> None:
        """Bring every new name onto the stick."""
        with _named():
            for parts in sorted(self._touched, key=len, reverse=True):
                with self._folder(parts) as folder:
                    if folder is not None:
                        self._sync(folder)
            self._sync(self._root)
        self._touched.clear()

    def _sync(self, handle: int) -> None:
        if not self._is_pulled_out:
            return
        try:
            os.fsync(handle)
        except OSError as error:
            is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
            if not is_folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that knows no syncing of folders
                raise

    @contextmanager
    def _folder(self, parts: Parts, *, make: bool = False) -> Iterator[int | None]:
        """The handle of a folder; None where there is none, or something else in its place."""
        with contextlib.ExitStack() as handles:
            here: int | None = self._root
            for name in parts:
                assert here is not None
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=here)
                        self._touched.add(parts[:-1])
                try:
                    here = os.open(name, _FOLDER_FLAGS, dir_fd=here)
                except OSError as error:
                    if make:
                        raise
                    self._cannot_read(error)
                    here = None
                    break
                handles.callback(os.close, here)
            yield here


def _write_all(file: int, payload: bytes) -> None:
    view = memoryview(payload)
    while view:
        view = view[os.write(file, view) :]


def _unlink(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextmanager
def _named() -> Iterator[None]:
    """Raise our errors in place of the system's."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StickFull(str(error)) from error
        if error.errno in _READ_ONLY:
            raise StickReadOnly(str(error)) from error
        if error.errno in _STRANGE:
            raise NoCourier(str(error)) from error
        raise StickGone(str(error)) from error
