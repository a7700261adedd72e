"""Keep a few child processes running, in the foreground, until told to stop.

A child that dies comes back after a pause that doubles with each quick death. Every child
has a process group of its own, so that Ctrl-C reaches only the supervisor and what a dead
child left behind (an encoder, say) can be ended with it. A supervisor that is killed takes
its children along: the kernel sends them SIGTERM (PR_SET_PDEATHSIG).

One thread, no polling of the children: signals are blocked and waited for.

This module must not know what the children are.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eduhub import clock, logs

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0  # an encoding waits for the worker that comes back
LIVED_LONG_S = 10.0  # after this the next death counts as the first one
WAKE_EVERY_S = 0.25

_AWAITED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_log = logs.logger(__name__)


@dataclass(frozen=True)
class Service:
    """What to run. A `once` child is not started again when it ended well; then `then()` gives what follows."""

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    once: bool = False
    then: Callable[[], list["Service"]] = list


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    quick_deaths: int = 0
    start_at_s: float = field(default_factory=clock.monotonic_s)


class Supervisor:
    """Runs services until SIGTERM, SIGINT or SIGHUP. `on_tick` is called four times a second, and must be quick."""

    def __init__(
        self, services: list[Service], on_tick: Callable[[], None] = lambda: None, *, stop_within_s: float = 9.0
    ) -> None:
        self._stop_within_s = stop_within_s
        self._children = [_Child(service) for service in services]
        self._on_tick = on_tick
        self._own_pid = os.getpid()

    def add(self, services: list[Service]) -> None:
        """Run these too, from now on."""
        self._children += [_Child(service) for service in services]

    def run(self) -> None:
        """Block until a signal says stop; returns when every child is gone."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
        try:
            self._watch()
        finally:
            self._stop_all()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _watch(self) -> None:
        while True:
            for child in list(self._children):
                self._look_at(child)
            self._on_tick()
            seen = signal.sigtimedwait(_AWAITED, WAKE_EVERY_S)
            if seen is not None and seen.si_signo != signal.SIGCHLD:
                return

    def _look_at(self, child: _Child) -> None:
        if child.process is not None and child.process.poll() is not None:
            self._bury(child)
        if child.process is None and child in self._children and clock.monotonic_s() >= child.start_at_s:
            self._start(child)

    def _start(self, child: _Child) -> None:
        child.process = subprocess.Popen(
            child.service.command,
            env=dict(child.service.environment),
            cwd=child.service.folder,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=self._prepare_child,  # noqa: PLW1509 - this process has one thread
        )
        child.started_s = clock.monotonic_s()
        _log.info("started", service=child.service.title, pid=child.process.pid)

    def _prepare_child(self) -> None:
        """Between fork and exec: die with the supervisor, and hear signals again."""
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != self._own_pid:  # it died before the line above
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)

    def _bury(self, child: _Child) -> None:
        assert child.process is not None
        code, pid = child.process.returncode, child.process.pid
        _kill_group(pid, signal.SIGKILL)  # whatever it had started
        child.process = None
        if child.service.once and code == 0:
            self._children.remove(child)
            self.add(child.service.then())
            return
        if clock.monotonic_s() - child.started_s > LIVED_LONG_S:
            child.quick_deaths = 0
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**child.quick_deaths)
        child.quick_deaths += 1
        child.start_at_s = clock.monotonic_s() + pause_s
        _log.warning("ended by itself", service=child.service.title, exit_code=code, starts_again_in_s=pause_s)

    def _stop_all(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = clock.monotonic_s() + self._stop_within_s
        for process in running:
            try:
                process.wait(max(0.0, deadline - clock.monotonic_s()))
            except subprocess.TimeoutExpired:
                _log.warning("did not stop in time; killed", pid=process.pid)
            _kill_group(process.pid, signal.SIGKILL)
            process.wait()


def _kill_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # nothing is left of it, as it should be
