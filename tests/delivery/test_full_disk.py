"""A full disk is an error with a name, and nothing half-done is left."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eduhub.delivery.blobs_disk import DiskStore
from eduhub.errors import DiskFull

BIG = b"x" * 3_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, where this machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs root; the limit on a file's size is tested all the same")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def files_in(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def test_bytes_that_do_not_fit_are_refused_and_leave_nothing(small_disk: Path) -> None:
    store = DiskStore(small_disk / "data")
    held = store.put_bytes(b"held before")
    with pytest.raises(DiskFull):
        store.put_bytes(BIG)
    assert [file.name for file in files_in(small_disk)] == [held.sha256]
    assert store.put_bytes(b"still room for this").bytes == 19


def test_a_file_from_another_disk_that_does_not_fit_stays_where_it_was(small_disk: Path, tmp_path: Path) -> None:
    store = DiskStore(small_disk / "data")
    incoming = tmp_path / "incoming"
    incoming.write_bytes(BIG)
    with pytest.raises(DiskFull):
        store.put_file(incoming)
    assert incoming.read_bytes() == BIG
    assert files_in(small_disk) == []


def test_a_limit_on_the_size_of_files_is_a_full_disk_too(tmp_path: Path) -> None:
    def limited(store: DiskStore) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        with pytest.raises(DiskFull):
            store.put_bytes(BIG)

    store = DiskStore(tmp_path / "data")
    assert in_child(lambda: limited(store)) == 0
    assert files_in(tmp_path) == []


def in_child(run: Callable[[], None]) -> int:
    """The exit code of a child that ran it: limits of a process cannot be taken back."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - a child of fork may only end by _exit
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
