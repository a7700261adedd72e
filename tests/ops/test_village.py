"""`make run-village`: a hub and a box that joins it by itself, in real processes."""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select

from eduhub import config
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.ops import village
from eduhub.ops.demo import school
from eduhub.ops.opening import ready
from eduhub.schools.models import Group
from eduhub.sync.models import Node
from tests.ops.commanding import ROOT, on_a_free_port

pytestmark = pytest.mark.processes

LIMIT_S = 240


@pytest.fixture
def hub(settings: Settings) -> Settings:
    """A hub with the demo's people and no lesson."""
    chosen = on_a_free_port(settings)
    with ready(chosen) as installation, installation.database.write() as session:
        school.write(session)
    return chosen


@pytest.fixture
def start(hub: Settings) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        made.append(
            subprocess.Popen(
                [sys.executable, "-m", "eduhub.ops.village"], cwd=ROOT, stdout=subprocess.PIPE,
                env=config.as_environment(hub), bufsize=0,
            )
        )
        return made[-1]

    yield run
    for process in made:
        if process.poll() is None:
            process.terminate()
            process.wait(LIMIT_S)
        assert process.stdout is not None
        process.stdout.close()


def said(process: subprocess.Popen[bytes], words: str) -> str:
    """Read its output until these words come; returns all of it."""
    assert process.stdout is not None
    read = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while words.encode() not in read:
            assert selector.select(LIMIT_S), read
            more = os.read(process.stdout.fileno(), 4096)
            assert more, read
            read += more
    return read.decode()


def test_the_box_joins_once_reads_its_school_and_both_stop_together(
    hub: Settings, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    first = start()
    assert "The box has joined" in said(first, "The box is running")
    first.send_signal(signal.SIGINT)
    assert first.wait(LIMIT_S) == 0

    database = Database(village.box_settings(hub).database_url)
    with database.read() as session:
        assert [node.name for node in session.scalars(select(Node))] == [village.BOX_NAME]
        assert session.scalars(select(Group)).all()
    database.close()

    again = start()
    assert "has joined" not in said(again, "The box is running")
    again.terminate()
    assert again.wait(LIMIT_S) == 0
