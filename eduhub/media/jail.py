"""Where media starts child processes, and the only place: argument lists, limits, a sandbox.

A program that reads a stranger's file runs with limits on memory, processor time, file
size and wall clock, at a low priority, with an environment of three variables. Where
bubblewrap works it also sees nothing of this machine but system libraries, the named
inputs (read only) and one work folder, and no network. It dies with this process.

This module must not know ffmpeg, lessons or the database.
"""

import contextlib
import functools
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from eduhub import clock
from eduhub.config import Settings
from eduhub.errors import ToolMissing

Kind = Literal["bubblewrap", "rlimits"]
Outcome = Literal["ended", "timeout", "too_much_output"]

_LAUNCH = Path(__file__).with_name("launch.py")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
_SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
_ERRORS_KEPT = 8 << 10
_STOPPED = {code for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT) for code in (-number, 128 + number)}
_TICK_S = 0.5


@dataclass(frozen=True)
class Limits:
    """What one run may use. Seconds of processor time are per process."""

    cpu_s: int
    wall_s: float
    memory_bytes: int
    file_bytes: int
    output_bytes: int = 64 << 20
    open_files: int = 256
    nice: int = 10


@dataclass(frozen=True)
class Command:
    """One run: `argv[0]` is an absolute path, the rest may name files relative to `work`."""

    argv: tuple[str, ...]
    work: Path | None  # None: no folder of ours at all
    limits: Limits
    readable: tuple[Path, ...] = ()  # files and folders it may read, beside system libraries
    may_write: bool = True  # into `work`; where only rlimits hold, nothing but `file_bytes` keeps it from that
    stdin: bytes = b""  # handed on in memory, never on the disk


@dataclass(frozen=True)
class Finished:
    """How a run ended. `code` is negative when a signal ended it; `errors` is the end of stderr."""

    outcome: Outcome
    code: int
    errors: str
    cpu_s: float
    wall_s: float

    cpu_limit_s: int

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and said it succeeded."""
        return self.outcome == "ended" and self.code == 0

    @property
    def was_interrupted(self) -> bool:
        """Whether something outside ended it, the machine's want of memory say; the same run may succeed later."""
        # A program in bubblewrap reports the signal as 128 + its number. SIGKILL is the processor limit's too.
        from_outside = self.code in _STOPPED and self.cpu_s < self.cpu_limit_s - 1
        return self.outcome == "ended" and from_outside


def kind_of_jail(settings: Settings) -> Kind:
    """Which jail is used here; raises ToolMissing when bubblewrap is demanded and does not work."""
    if settings.jail == "rlimits":
        return "rlimits"
    if bubblewrap_works():
        return "bubblewrap"
    if settings.jail == "bubblewrap":
        raise ToolMissing("bwrap is missing or may not make namespaces here", tool="bubblewrap")
    return "rlimits"


@functools.cache
def bubblewrap_works() -> bool:
    """Tried once a process: in many containers bubblewrap is there and may not do its work."""
    program = shutil.which("bwrap", path=_ENVIRONMENT["PATH"])
    if program is None:
        return False
    argv = [program, *_sandbox(()), "--", "/usr/bin/true"]
    try:
        tried = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, env=_ENVIRONMENT,
                               check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def run(
    kind: Kind, command: Command, *, on_line: Callable[[str], None] = lambda _line: None,
    on_tick: Callable[[], None] = lambda: None,
) -> Finished:
    """Run to the end. `on_line` gets each line of its stdout, `on_tick` is called about twice a second.

    What either raises kills the whole process group first and then goes on up.
    """
    started_s = clock.monotonic_s()
    with _stdin(command.stdin) as stdin:
        process = subprocess.Popen(
            _argv(kind, command), cwd=command.work or "/", env=_ENVIRONMENT, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, close_fds=True,
        )
    watch = _Watch(process, command.limits, on_line, on_tick)
    try:
        outcome = watch.until_closed(started_s + command.limits.wall_s)
        cpu_s = watch.reap(started_s + command.limits.wall_s)
    finally:
        watch.end()
    took_s = clock.monotonic_s() - started_s
    return Finished(outcome, process.returncode, watch.errors, cpu_s, took_s, command.limits.cpu_s)


def _argv(kind: Kind, command: Command) -> list[str]:
    limits = command.limits
    wanted = {
        "as": limits.memory_bytes, "cpu": limits.cpu_s, "fsize": limits.file_bytes, "nofile": limits.open_files,
        "core": 0, "nice": limits.nice, "parent": os.getpid(),
    }
    argv = [sys.executable, "-I", "-S", str(_LAUNCH), json.dumps(wanted)]
    if kind == "bubblewrap":
        program = shutil.which("bwrap", path=_ENVIRONMENT["PATH"]) or "/usr/bin/bwrap"
        argv += [program, *_sandbox(command.readable), *_workplace(command), "--"]
    return [*argv, *command.argv]


def _workplace(command: Command) -> list[str]:
    if command.work is None:
        return ["--chdir", "/"]
    work = str(command.work.resolve())
    return ["--bind" if command.may_write else "--ro-bind", work, work, "--chdir", work]


@contextlib.contextmanager
def _stdin(payload: bytes) -> Iterator[int]:
    """What a program reads as its standard input: a file that is nowhere but in memory, or nothing."""
    if not payload:
        yield subprocess.DEVNULL
        return
    with open(os.memfd_create("stdin"), "wb", buffering=0) as held:
        written = memoryview(payload)
        while written:
            written = written[held.write(written) :]
        held.seek(0)
        yield held.fileno()


def _sandbox(readable: Iterable[Path]) -> list[str]:
    argv = ["--unshare-all", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev",
            "--tmpfs", "/tmp"]  # noqa: S108 - a private one, inside the sandbox
    for folder in _SYSTEM_FOLDERS:
        argv += ["--ro-bind-try", folder, folder]
    for path in readable:
        argv += ["--ro-bind", str(path), str(path)]
    return argv


class _Watch:
    """Reads both pipes of one process, keeps the time, and leaves nothing running."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: Limits, on_line: Callable[[str], None],
        on_tick: Callable[[], None],
    ) -> None:
        self._process, self._limits, self._on_line, self._on_tick = process, limits, on_line, on_tick
        self._line, self._errors, self._seen = b"", b"", 0
        self._cpu_s = 0.0

    @property
    def errors(self) -> str:
        return self._errors.decode("utf-8", "replace").strip()

    def until_closed(self, deadline_s: float) -> Outcome:
        """Until both pipes are closed, the time is over, or too much was written."""
        with selectors.DefaultSelector() as selector:
            for pipe in (self._process.stdout, self._process.stderr):
                assert pipe is not None  # both were asked for
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                if clock.monotonic_s() > deadline_s:
                    return self._stop("timeout")
                for key, _events in selector.select(_TICK_S):
                    self._take(selector, key.fileobj)  # type: ignore[arg-type]
                if self._seen > self._limits.output_bytes:
                    return self._stop("too_much_output")
                self._on_tick()
        return "ended"

    def _take(self, selector: selectors.BaseSelector, pipe: IO[bytes]) -> None:
        payload = os.read(pipe.fileno(), 1 << 16)
        if not payload:
            selector.unregister(pipe)
        elif pipe is self._process.stderr:
            self._errors = (self._errors + payload)[-_ERRORS_KEPT:]
        else:
            self._seen += len(payload)
            *lines, self._line = (self._line + payload).split(b"\n")
            for line in lines:
                self._on_line(line.decode("utf-8", "replace"))

    def _stop(self, outcome: Outcome) -> Outcome:
        self._kill()
        return outcome

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def reap(self, deadline_s: float) -> float:
        """Wait for the end (a program may close its pipes and go on) and return its processor seconds."""
        while self._process.returncode is None:
            pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self._cpu_s = used.ru_utime + used.ru_stime
                break
            if clock.monotonic_s() > deadline_s:
                self._kill()
            self._on_tick()
            clock.sleep_s(0.01)
        return self._cpu_s

    def end(self) -> None:
        """Whatever happened: no process, no open pipe."""
        if self._process.returncode is None:
            self._kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
