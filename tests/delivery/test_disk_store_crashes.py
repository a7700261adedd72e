"""kill -9 and power cuts at every line of the disk store leave a whole store behind."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from eduhub.delivery.blobs_disk import DiskStore
from tests.delivery.crashing import MOVED, PACKAGE, WRITTEN

PROGRAM = Path(__file__).with_name("crashing.py")
ROOT = PROGRAM.parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the machine has that: what was synced is read from a diary, not from the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


# Every line takes a minute: the ordinary run takes every seventh.
EVERY_LINE = pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])


def crash_everywhere(scenario: str, folder: Path, *, program: Path = PROGRAM, first: int = 1, step: int = 1) -> range:
    """The lines before which it was killed; at the last of them it had ended already."""
    child = subprocess.run(
        [sys.executable, str(program), scenario, str(folder), str(first), str(step)], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300,
    )  # fmt: skip
    return range(first, int(child.stdout) + 1, step)


def assert_whole(data: Path) -> DiskStore:
    """Every blob and every link has the bytes of its name, and the next start leaves no rubbish."""
    store = DiskStore(data)
    files = [file for file in (data / "blobs").rglob("*") if file.is_file()]
    links = [file for file in (data / "packages").rglob("*") if file.is_file()]
    for file in files + links:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name, file
    assert {len(folder.name) for folder in (data / "packages").iterdir()} <= {64}
    assert store.has(hashlib.sha256(b"held before").hexdigest())
    return store


@EVERY_LINE
def test_what_was_acknowledged_is_whole_after_a_crash_at_any_line_of_putting(folder: Path, step: int) -> None:
    lines = crash_everywhere("put", folder, step=step)
    assert lines[-1] > 60
    acknowledged_counts = set()
    for line in lines:
        acknowledged = (folder / f"{line}.acknowledged").read_text().splitlines()
        acknowledged_counts.add(len(acknowledged))
        for state in ("killed", "power"):
            data = folder / f"{line}-{state}"
            store = assert_whole(data)
            for promise in acknowledged:
                kind, sha256 = promise.split()
                assert store.has(sha256), (line, state, promise)
                assert kind == "blob" or (data / "packages" / PACKAGE / sha256).is_file(), (line, state, promise)
    assert acknowledged_counts == {0, 1, 2, 3, 4, 5}


@EVERY_LINE
def test_a_package_is_there_with_all_its_parts_or_gone_after_a_crash_at_any_line_of_taking_it_away(
    folder: Path, step: int
) -> None:
    seen = set()
    for line in crash_everywhere("take away", folder, step=step):
        acknowledged = (folder / f"{line}.acknowledged").read_text()
        assert_whole(folder / f"{line}-killed")
        package = folder / f"{line}-killed" / "packages" / PACKAGE
        held = {file.name for file in package.iterdir()} if package.exists() else set()
        if "linked" in acknowledged:
            both = {hashlib.sha256(payload).hexdigest() for payload in (WRITTEN, MOVED)}
            assert held in (both, set()), line
            seen.add(len(held))
        if "unlinked" in acknowledged:
            assert not held
    assert seen == {0, 2}


def test_a_start_does_not_sweep_what_another_process_is_writing(tmp_path: Path) -> None:
    DiskStore(tmp_path)
    busy, left = tmp_path / "blobs" / ".new-busy", tmp_path / "blobs" / ".new-left"
    left.write_bytes(b"of a process that died")
    with busy.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        DiskStore(tmp_path)
        assert busy.exists()
        assert not left.exists()
    assert DiskStore(tmp_path).sweep() == 0
    assert not busy.exists()


def test_the_crash_program_would_notice_a_store_that_does_not_sync(folder: Path) -> None:
    changed = folder / "program.py"
    text = PROGRAM.read_text()
    assert "        real_fsync(handle)\n" in text
    changed.write_text(text.replace("        real_fsync(handle)\n", "        return\n"))
    assert list(crash_everywhere("put", folder, program=changed, first=100_000)) == [100_000]  # it was not killed
    promised = [promise.split()[1] for promise in (folder / "100000.acknowledged").read_text().splitlines()]
    store = DiskStore(folder / "100000-power")
    assert len(promised) == 5
    assert not any(store.has(sha256) for sha256 in promised)
