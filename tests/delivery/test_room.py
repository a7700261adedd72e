"""Room is promised once, to living processes only, and what must stay free stays free."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eduhub.delivery import room
from eduhub.errors import DiskFull

HOLDER = """
import sys
from pathlib import Path
from eduhub.delivery import room
with room.reserve(Path(sys.argv[1]), int(sys.argv[2]), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(data_dir: Path, count: int) -> subprocess.Popen[str]:
    """Another process that has reserved room, and keeps it until its input ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_what_one_process_reserved_another_is_not_promised(tmp_path: Path) -> None:
    half = room.free(tmp_path) * 6 // 10
    child = holder(tmp_path, half)
    assert room.reserved(tmp_path) == half
    with pytest.raises(DiskFull), room.reserve(tmp_path, half, 0):
        pytest.fail("the same room was promised twice")
    child.communicate()
    with room.reserve(tmp_path, half, 0):
        assert room.reserved(tmp_path) == half
    assert room.reserved(tmp_path) == 0


def test_what_a_killed_process_reserved_is_free_at_once(tmp_path: Path) -> None:
    half = room.free(tmp_path) * 6 // 10
    child = holder(tmp_path, half)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with room.reserve(tmp_path, half, 0):
        assert room.reserved(tmp_path) == half
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["room.lock"]


def test_the_spare_room_is_promised_to_nobody(tmp_path: Path) -> None:
    free = room.free(tmp_path)
    with pytest.raises(DiskFull), room.reserve(tmp_path, 1 << 20, free):
        pytest.fail("the spare room was promised")
    with pytest.raises(DiskFull), room.reserve(tmp_path, free * 2, 0):
        pytest.fail("more than there is was promised")
    assert room.reserved(tmp_path) == 0


def test_what_was_written_already_is_reserved_no_more(tmp_path: Path) -> None:
    with room.reserve(tmp_path, 1000, 0) as mine, room.reserve(tmp_path, 500, 0):
        mine.left(400)
        assert room.reserved(tmp_path) == 900
        mine.left(-3)
        assert room.reserved(tmp_path) == 500


def test_a_reservation_ends_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), room.reserve(tmp_path, 1000, 0):
        raise RuntimeError("the encoder died")
    assert room.reserved(tmp_path) == 0


def test_a_child_program_does_not_keep_the_reservation_of_its_parent(tmp_path: Path) -> None:
    with room.reserve(tmp_path, 1000, 0):
        child = subprocess.Popen(["sleep", "60"])
    try:
        assert room.reserved(tmp_path) == 0
        assert os.listdir(tmp_path / "run") == ["room.lock"]
    finally:
        child.kill()
        child.wait()
