"""Which workers of this machine are alive, told by locks that the kernel drops with the process.

Each worker holds an exclusive `flock` on run/worker-<uid>.lock for as long as it lives. A
process id would not do: a killed worker that nobody has waited for keeps /proc/<pid>, and a
number is handed out again. The file holds the boot in which it lived, so that a worker that a power
cut ended is told from one that its work killed. Workers of other machines (they share a
PostgreSQL database, not this folder) are judged by their lease alone.

This module must not know jobs or the database.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from eduhub import clock
from eduhub.uids import new_uid

_KEEP_LOCK_FILES_S = 24 * 3600


class Worker:
    """This process as a holder of jobs: `name` is what the job table shows.

    Use it as a context manager. A child process that is forked and does not exec inherits the lock
    and keeps the worker looking alive until it ends; the lease still runs out then.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        uid = new_uid()
        self.name = f"{_place_of(run_dir)}/{uid}"
        self._path = _lock_path(run_dir, uid)
        self._descriptor: int | None = None

    def __enter__(self) -> "Worker":
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(self._descriptor, clock.boot_id().encode("ascii"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def knows_dead(self, worker: str) -> bool:
        """Whether `worker` certainly lives no more; False for workers of another machine."""
        return is_alive(self._run_dir, worker) is False

    def knows_alive(self, worker: str) -> bool:
        """Whether `worker` certainly lives; False for workers of another machine."""
        return is_alive(self._run_dir, worker) is True

    def died_with_the_machine(self, worker: str) -> bool:
        """Whether a dead worker of this machine lived before its last boot; False where that is not known."""
        uid = _uid_here(self._run_dir, worker)
        try:
            return uid is not None and _lock_path(self._run_dir, uid).read_text(encoding="ascii") != clock.boot_id()
        except FileNotFoundError:
            return False

    def tidy(self) -> int:
        """Remove the lock files of workers that died more than a day ago; returns how many.

        The younger ones say of lost work whether the machine died with the worker.
        """
        before_s = clock.now_ms() / 1000 - _KEEP_LOCK_FILES_S
        removed = 0
        for path in self._run_dir.glob("worker-*.lock"):
            with suppress(FileNotFoundError):  # another worker tidies too
                if path != self._path and path.stat().st_mtime < before_s and not _is_locked(path):
                    path.unlink()
                    removed += 1
        return removed


def is_alive(run_dir: Path, worker: str) -> bool | None:
    """Whether a worker of this machine lives; None for one of another machine, which only time tells."""
    uid = _uid_here(run_dir, worker)
    return None if uid is None else _is_locked(_lock_path(run_dir, uid))


def any_alive(run_dir: Path) -> bool:
    """Whether a worker lives on this machine, for health pages."""
    return any(_is_locked(path) for path in run_dir.glob("worker-*.lock"))


def lead(run_dir: Path) -> int | None:
    """Try to become the one worker of this machine that fires timers; a descriptor to keep open, or None."""
    run_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run_dir / "timers.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _uid_here(run_dir: Path, worker: str) -> str | None:
    place, _, uid = worker.partition("/")
    return uid if uid and place == _place_of(run_dir) else None


def _lock_path(run_dir: Path, uid: str) -> Path:
    return run_dir / f"worker-{uid}.lock"


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two workers who look at the same moment do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _place_of(run_dir: Path) -> str:
    """The name of this data folder, made once; whoever links it first wins."""
    path = run_dir / "place"
    run_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        new = run_dir / f"place.{new_uid()}.new"
        with new.open("w", encoding="ascii") as file:
            file.write(new_uid())
            file.flush()
            os.fsync(file.fileno())  # an empty name after a power cut would be that of another machine
        try:
            os.link(new, path)
        except FileExistsError:
            pass  # another worker was first; its name is the one
        finally:
            new.unlink()
        # Another name after a power cut would be that of another machine too: lost work would wait for a lease
        # that was counted before the boot.
        folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path.read_text(encoding="ascii")
