"""The launcher as a program: versions are real processes, and signals end it.

This module must not know the steps of changing over; see `launcher`.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from eduhub.ops.launching.launcher import Launcher, Patience, Stopped

LOCK = "launch.lock"


class Processes:
    """Versions as environments below `folder`, each with bin/eduhub."""

    def __init__(self, folder: Path, environment: dict[str, str], stop_s: float, tables_s: float) -> None:
        self._folder, self._environment = folder, environment
        self._stop_s, self._tables_s = stop_s, tables_s
        self._serving: subprocess.Popen[bytes] | None = None
        self._proving: dict[str, str] = {}
        self.is_stopped: Callable[[], bool] = lambda: False

    def tables(self, name: str) -> bool:
        """See `launcher.Versions`."""
        return self._command(name, "tables", self._environment, self._tables_s)

    def look(self, name: str) -> bool:
        """See `launcher.Versions`."""
        return self._command(name, "look", self._environment | self._proving, 60.0)

    def start(self, name: str, *, proving: bool) -> None:
        """See `launcher.Versions`."""
        self._proving = closed_doors() if proving else {}
        self._serving = self._begin([str(self._folder / name / "bin" / "eduhub"), "serve"], self._environment | self._proving)

    def is_running(self) -> bool:
        """See `launcher.Versions`."""
        return self._serving is not None and self._serving.poll() is None

    def stop(self) -> None:
        """See `launcher.Versions`."""
        if self._serving is not None:
            self._end(self._serving, self._stop_s)
            self._serving = None

    def _command(self, name: str, word: str, environment: dict[str, str], lasts_s: float) -> bool:
        process = self._begin([str(self._folder / name / "bin" / "eduhub"), "release", word], environment)
        until = time.monotonic() + lasts_s
        try:
            while process.poll() is None and time.monotonic() < until and not self.is_stopped():
                time.sleep(0.05)
            return process.poll() == 0
        finally:
            self._end(process, 5.0)

    def _begin(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        own = os.getpid()
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, process_group=0,
            preexec_fn=lambda: _die_with(own),  # noqa: PLW1509 - this process has one thread
        )  # fmt: skip

    def _end(self, process: subprocess.Popen[bytes], within_s: float) -> None:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(within_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_libc = ctypes.CDLL(None, use_errno=True)


def _die_with(parent: int) -> None:
    _libc.prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def closed_doors() -> dict[str, str]:
    """Settings of a version that proves itself: a free port that only this machine reaches, and no work."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "EDUHUB_PROVING": "yes", "EDUHUB_BIND": "127.0.0.1", "EDUHUB_PORT": str(port), "EDUHUB_WEB_SERVER": "gunicorn",
        "EDUHUB_TLS_CERTIFICATE": "", "EDUHUB_TLS_KEY": "", "EDUHUB_HTTP_PORT": "0", "EDUHUB_WEB_PROCESSES": "1",
    }  # fmt: skip


def database_of(environment: dict[str, str]) -> Path | None:
    """The SQLite file of an installation with these variables; None: another engine."""
    address = environment.get("EDUHUB_DATABASE", "")
    if address.startswith("sqlite:///"):
        return Path(address.removeprefix("sqlite:///")).absolute()
    return None if address else Path(environment.get("EDUHUB_DATA_DIR", "media")).absolute() / "eduhub.db"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One launcher in a folder; the lock ends with the process, and shows the program that there is one."""
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another launcher runs in {folder}")
        yield


def main(folder: Path, patience: Patience | None = None) -> None:
    """Run until SIGTERM or SIGINT; what is under way then is taken up, or back, at the next start."""
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: stop.append(number))
    patient = patience or Patience()
    # What tells Python where one version lies would have the other one run its code.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    versions = Processes(folder, environment, patient.stop, patient.tables)
    versions.is_stopped = lambda: bool(stop)

    def wait(seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            if stop:
                raise Stopped
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.2, left))

    with alone(folder):
        try:
            Launcher(
                folder, database_of(environment), versions, patient, now=time.monotonic, wait=wait,
                say=lambda text: print(f"launcher: {text}", file=sys.stderr, flush=True),
            ).run()  # fmt: skip
        except Stopped:
            versions.stop()
