"""`eduhub serve`: real pages and a real worker under the supervisor."""

import json
import os
import signal
import socket
from collections.abc import Callable

import pytest

from eduhub.config import Settings
from tests.ops.commanding import eduhub
from tests.ops.serving import Served

pytestmark = pytest.mark.processes

STOP_LIMIT_S = 60


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
