"""`eduhub serve`: real pages and a real worker under the supervisor."""

import http.client
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from eduhub import clock, config
from eduhub.config import Settings
from tests.ops.commanding import ROOT, eduhub, on_a_free_port

pytestmark = pytest.mark.processes

START_LIMIT_S, STOP_LIMIT_S = 60, 12


class Served:
    """`eduhub serve` in a process of its own."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings, self._log = settings, log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "eduhub", "serve"], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, bufsize=0,
                env=config.as_environment(settings),
            )  # fmt: skip

    def wait_for_address(self) -> str:
        """The line that is printed once the pages answer."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(START_LIMIT_S), self.log()
        return os.read(self.process.stdout.fileno(), 4096).decode()

    def child(self, title: str, other_than: int = 0) -> int:
        """The process id of a running child, as the supervisor logged it."""
        until = clock.monotonic_s() + START_LIMIT_S
        while clock.monotonic_s() < until:
            lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
            started = [line["pid"] for line in lines if line["event"] == "started" and line["service"] == title]
            if started and started[-1] != other_than:
                return int(started[-1])
            clock.sleep_s(0.1)
        raise AssertionError(self.log())

    def wait_until_well(self) -> None:
        """Ask /health until database, disk and worker are well."""
        until = clock.monotonic_s() + START_LIMIT_S
        while self._status() != HTTPStatus.OK:
            assert clock.monotonic_s() < until, self.log()
            clock.sleep_s(0.1)

    def _status(self) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Callable[[], Served]]:
    made: list[Served] = []

    def make() -> Served:
        chosen = on_a_free_port(settings)
        made.append(Served(config.load(json_lines(chosen)), tmp_path / "serve.log"))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.terminate()
        assert one.process.stdout is not None
        one.process.wait(30)
        one.process.stdout.close()


def json_lines(settings: Settings) -> dict[str, str]:
    """The environment of `settings`, with a log that a test can read."""
    environment = config.as_environment(settings)
    return {name: value for name, value in environment.items() if name.startswith("EDUHUB_")} | {
        "EDUHUB_LOG_FORMAT": "json"
    }


def test_the_address_is_printed_once_the_pages_answer(served: Callable[[], Served]) -> None:
    run = served()
    assert run.settings.origin in run.wait_for_address()
    run.wait_until_well()


@pytest.mark.parametrize("title", ["hub pages", "hub worker"])
def test_a_killed_child_comes_back(served: Callable[[], Served], title: str) -> None:
    run = served()
    run.wait_for_address()
    before = run.child(title)
    os.kill(before, signal.SIGKILL)
    assert run.child(title, other_than=before) != before
    run.wait_until_well()


def test_it_stops_cleanly_and_leaves_nothing_running(served: Callable[[], Served]) -> None:
    run = served()
    run.wait_for_address()
    children = [run.child("hub pages"), run.child("hub worker")]
    run.process.terminate()
    assert run.process.wait(STOP_LIMIT_S) == 0
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.settings.port)) != 0


def test_a_port_that_is_taken_is_said_in_three_sentences(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = eduhub(settings, "serve", EDUHUB_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "already uses the address" in done.stderr
    assert "EDUHUB_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_steady_clock_is_written_down_at_the_start(served: Callable[[], Served]) -> None:
    run = served()
    run.wait_for_address()
    kept = json.loads((run.settings.data_dir / "steady-clock.json").read_text(encoding="ascii"))
    assert kept["steady_s"] >= 0
