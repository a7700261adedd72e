"""Tables and bars on a terminal."""

import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from eduhub.ops.showing import amount, parts_bar, table
from tests.ops.commanding import ROOT


def test_columns_stand_under_each_other_also_in_chinese_and_tibetan() -> None:
    shown = table(("WHO", "HOW"), [("白玛", "pema"), ("ལྷ་མོ།", "lhamo"), ("Tenzin", "tenzin")])
    assert shown.splitlines() == [
        "WHO     HOW",
        "------  ------",
        "白玛    pema",
        "ལྷ་མོ།    lhamo",
        "Tenzin  tenzin",
    ]


def shown_on(terminal: bool) -> str:
    """What the bar of a round writes to standard error, on a terminal or into a file."""
    script = (
        "from eduhub import clock; from eduhub.ops.showing import fetching_bar\n"
        "with fetching_bar('Syncing') as (move, came):\n"
        "    came(200_000); move(0.2); clock.sleep_s(1.2); came(1_000_000); move(0.6); clock.sleep_s(0.2)\n"
    )
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    try:
        command = [sys.executable, "-c", script]
        if not terminal:
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stderr
        with subprocess.Popen(command, cwd=ROOT, stderr=slave, stdout=subprocess.DEVNULL) as child:
            assert child.wait(60) == 0
        os.set_blocking(master, False)  # a bar that wrote nothing must not be waited for
        return os.read(master, 20_000).decode()
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.processes
def test_on_a_terminal_the_bar_of_a_round_shows_bytes_rate_and_what_is_left_of_the_time() -> None:
    shown = shown_on(terminal=True)
    assert "Syncing  60%" in shown
    assert re.search(r"1\.2 MB, \d+ kB/s", shown)
    assert re.search(r"about \d\d:\d\d left", shown)


@pytest.mark.processes
def test_where_nobody_looks_there_is_no_bar() -> None:
    assert shown_on(terminal=False) == ""


def test_a_share_is_drawn_within_its_frame() -> None:
    assert [parts_bar(share, 4) for share in (-1, 0, 0.5, 1, 7)] == ["[----]", "[----]", "[##--]", "[####]", "[####]"]
    assert [amount(12_300_000, seconds) for seconds in (0, 60)] == ["12.3 MB", "12.3 MB, 205 kB/s"]
