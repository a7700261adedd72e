"""The supervisor keeps its children running, and leaves none behind."""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

TIMEOUT_S = 90
ROOT = Path(__file__).parents[2]


class Run:
    """A supervisor in a process of its own, whose children tell of themselves on its standard output."""

    def __init__(self, case: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ops.supervised", case], cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self._rest = b""
        self.errors = b""
        self.seen: list[int] = []

    def line(self) -> str:
        """The next line of its output; fails when none comes."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                assert selector.select(TIMEOUT_S), f"nothing came; so far {self._rest!r}"
                read = os.read(self.process.stdout.fileno(), 4096)
                assert read, f"it ended; so far {self._rest!r}"
                self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def up(self, name: str) -> int:
        """Wait until a child of this name is up; returns its process id."""
        while True:
            found, _, pid = self.line().partition(" ")
            self.seen.append(int(pid))
            if found == name:
                return int(pid)

    def end(self) -> None:
        """Leave nothing running, whatever the test did."""
        if self.process.poll() is None:
            self.process.terminate()  # a kill would leave grandchildren
        _, self.errors = self.process.communicate(timeout=TIMEOUT_S)
        for pid in self.seen:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def supervise() -> Iterator[Callable[[str], Run]]:
    runs: list[Run] = []

    def start(case: str) -> Run:
        runs.append(Run(case))
        return runs[-1]

    yield start
    for run in runs:
        run.end()


def is_alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process that is no child of ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        gone = selector.select(TIMEOUT_S)
    os.close(handle)
    assert gone, f"process {pid} lives on"


def test_a_killed_child_comes_back(supervise: Callable[[str], Run]) -> None:
    run = supervise("steady")
    first = run.up("steady")
    os.kill(first, signal.SIGKILL)
    assert run.up("steady") != first


def test_a_child_that_keeps_dying_is_started_after_growing_pauses(supervise: Callable[[str], Run]) -> None:
    run = supervise("failing")
    for _ in range(3):
        run.up("failing")
    run.process.terminate()
    _, errors = run.process.communicate(timeout=TIMEOUT_S)
    pauses = [part.split(b",")[0].split(b"}")[0] for part in errors.split(b'"starts_again_in_s": ')[1:]]
    assert [float(pause) for pause in pauses][:2] == [0.1, 0.2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_and_its_children(supervise: Callable[[str], Run], number: signal.Signals) -> None:
    run = supervise("steady")
    child = run.up("steady")
    run.process.send_signal(number)
    assert run.line() == "ended well"
    assert run.process.wait(TIMEOUT_S) == 0
    assert not is_alive(child)


def test_a_child_that_hears_no_signal_is_killed_in_the_end(supervise: Callable[[str], Run]) -> None:
    run = supervise("deaf")
    child = run.up("deaf")
    run.process.terminate()
    assert run.process.wait(TIMEOUT_S) == 0
    assert not is_alive(child)


def test_what_a_dead_child_had_started_is_ended_too(supervise: Callable[[str], Run]) -> None:
    run = supervise("parent")
    told = dict(run.line().split() for _ in range(2))
    run.seen += [int(pid) for pid in told.values()]
    os.kill(int(told["parent"]), signal.SIGKILL)
    wait_until_gone(int(told["grandchild"]))


def test_a_killed_supervisor_takes_its_children_along(supervise: Callable[[str], Run]) -> None:
    run = supervise("steady")
    child = run.up("steady")
    run.process.kill()
    wait_until_gone(child)


def test_what_follows_a_service_that_runs_once_is_started_when_that_ended_well(
    supervise: Callable[[str], Run],
) -> None:
    run = supervise("brief")
    run.up("brief")
    run.up("steady")
