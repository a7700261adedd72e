"""Machines that encode for real and are killed: for tests/jobs/test_killed_in_mid_encode.py and benchmarks/bench_jobs.py.

A machine is a data folder and the process on it: `eduhub serve`, or a worker alone. What encodes is
seen in /proc, by the folder it works in, so an encoder that outlived its worker is seen too.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg

from eduhub import config
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.delivery import blobs
from eduhub.installation import open_installation
from eduhub.jobs.models import JobRow
from eduhub.media import ladders
from eduhub.media.models import Source
from eduhub.media.recipes import WHOLE
from eduhub.uids import new_uid

ROOT = Path(__file__).parents[2]
SERVE, WORKER = ("-m", "eduhub", "serve"), ("-m", "eduhub.worker")
PATIENCE_S = 120.0


def clip(target: Path, seconds: int, size: str = "1280x720") -> Path:
    """A recording that takes its time: noise moves everywhere."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y",
        "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds},noise=alls=20:allf=t",
        "-f", "lavfi", "-i", f"sine=f=300:r=44100:d={seconds}",
        "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-c:a", "aac", str(target),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=300, stdin=subprocess.DEVNULL)
    return target


class Machine:
    """One data folder and what runs on it; `log` is where that writes."""

    def __init__(self, settings: Settings, command: Sequence[str], log: Path) -> None:
        self.settings, self._command, self._log = settings, command, log
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start it (again)."""
        with self._log.open("ab") as log:
            self.processes.append(subprocess.Popen(
                [sys.executable, *self._command], cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=config.as_environment(self.settings),
            ))  # fmt: skip

    def worker_pid(self) -> int | None:
        """The worker process of this machine that lives."""
        place = f"EDUHUB_DATA_DIR={self.settings.data_dir}".encode()
        for pid in _pids():
            if b"eduhub.worker" in _read(pid, "cmdline") and place in _read(pid, "environ").split(b"\0") and _lives(pid):
                return pid
        return None

    def kill_worker(self) -> None:
        """kill -9 of the worker alone."""
        pid = self.worker_pid()
        assert pid is not None, self.log()
        os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """kill -9 of what was started: the supervisor where it is `eduhub serve`."""
        self.processes[-1].kill()

    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Leave nothing running."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(40)


def encoders(folders: Sequence[Path]) -> list[int]:
    """The running ffmpeg processes that work below these data folders."""
    work = [str((folder / "work").resolve()) for folder in folders]
    return [pid for pid in _pids() if _is_encoder(pid) and any(_cwd(pid).startswith(each) for each in work)]


class Watch:
    """Looks at the encoders all the time. `at_once` is the most there ever were of one job's."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders, self.at_once = folders, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.03):
            self.at_once = max(self.at_once, len(encoders(self._folders)))


class School:
    """The jobs of one recording, in the database that one or more machines share."""

    def __init__(self, settings: Sequence[Settings], recording: Path) -> None:
        for each in settings:
            installation = open_installation(each)
            copy = each.data_dir / "incoming" / "recording"
            copy.write_bytes(recording.read_bytes())  # the store takes it away
            blob = installation.blobs.put_file(copy)
            installation.database.close()
        self.database = Database(settings[0].database_url)
        self.source_uid = new_uid()
        with self.database.write() as session:
            blobs.remember(session, blob)
            session.add(Source(
                uid=self.source_uid, org_uid=new_uid(), file_name="lesson.mp4", language="bo", state="arrived",
                sha256=blob.sha256, bytes=blob.bytes, made_ms=0,
            ))  # fmt: skip
            session.flush()
            ladders.want(session, session.get_one(Source, self.source_uid), WHOLE, then=None)

    def jobs(self) -> list[JobRow]:
        with self.database.read() as session:
            kinds = (ladders.PREPARE, ladders.ENCODE)  # a worker's timers are jobs too
            return list(session.query(JobRow).filter(JobRow.kind.in_(kinds)).order_by(JobRow.uid))

    def forgive(self) -> None:
        """As many attempts as it takes: a job that kills five workers would be taken for the culprit."""
        with self.database.write() as session:
            session.query(JobRow).filter(JobRow.state.in_(("waiting", "running"))).update({"max_attempts": 1000})

    def running_step(self) -> JobRow | None:
        """The video step that is in work."""
        found = [job for job in self.jobs() if job.state == "running" and job.kind == ladders.ENCODE]
        return found[0] if found else None

    def steps(self) -> dict[str, str]:
        with self.database.read() as session:
            view = ladders.view(session, self.source_uid)
        return {step.name: step.state for step in view.steps} if view else {}


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE_S) -> float:
    """Seconds it took until `holds()`; fails when it does not."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - began


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _is_encoder(pid: int) -> bool:
    return b"ffmpeg" in os.path.basename(_read(pid, "cmdline").split(b"\0")[0]) and _lives(pid)


def _cwd(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def _lives(pid: int) -> bool:
    state = _read(pid, "stat").rpartition(b") ")[2][:1]
    return state not in {b"", b"Z", b"X"}
