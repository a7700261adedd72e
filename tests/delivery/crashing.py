"""Kills a process at every line of the disk store, one after the other, and cuts the power there.

Run as a program: `python crashing.py SCENARIO FOLDER FIRST STEP`. For n = FIRST, FIRST + STEP, ... a child runs the
scenario on a fresh folder and is killed (SIGKILL) when it is about to run the n-th line of the store. Each folder
is left in two states, and the first n at which there was nothing to kill is printed:

- `<n>-killed`: as the kill left it;
- `<n>-power`: as a power cut may leave it: what was not fsynced in a file is gone, and so is a name
  in a folder that was not fsynced since.

`<n>.acknowledged` lists what the store had promised by then, one line each.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from eduhub.delivery import blobs_disk, disk
from eduhub.delivery.blobs_disk import DiskStore

PACKAGE = "c" * 64
WRITTEN, MOVED, COPIED = b"written" * 9000, b"moved" * 9000, b"copied" * 9000


def main(scenario: str, folder: Path, first: int, step: int) -> int:
    """The first line at which there was nothing to kill any more."""
    line = first
    while _one_crash(scenario, folder, line):
        line += step
    return line


def _one_crash(scenario: str, folder: Path, line: int) -> bool:
    """Whether the child was killed before it had finished."""
    work = folder / "work"
    data = _prepare(work)
    diary = os.open(folder / "diary", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    child = os.fork()
    if child == 0:
        _run(scenario, work, diary, line)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    os.close(diary)
    lines = [json.loads(text) for text in (folder / "diary").read_text().splitlines()]
    acknowledged = [fact["done"] for fact in lines if "done" in fact]
    (folder / f"{line}.acknowledged").write_text("\n".join(acknowledged))
    os.rename(data, folder / f"{line}-killed")
    shutil.copytree(folder / f"{line}-killed", folder / f"{line}-power")
    _cut_power(folder / f"{line}-killed", folder / f"{line}-power", lines)
    shutil.rmtree(work)
    return os.WIFSIGNALED(status)


def _prepare(work: Path) -> Path:
    data = work / "data"
    store = DiskStore(data)
    store.put_bytes(b"held before")
    (work / "moved").write_bytes(MOVED)
    (work / "copied").write_bytes(COPIED)
    os.link(work / "copied", work / "copied too")
    return data


def _run(scenario: str, work: Path, diary: int, line: int) -> None:
    def note(**fact: Any) -> None:
        os.write(diary, json.dumps(fact).encode() + b"\n")

    real_fsync = os.fsync

    def fsync(handle: int) -> None:
        real_fsync(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_dir():
            entries = {name: (path / name).lstat().st_ino for name in os.listdir(path)}
            note(folder=str(path.relative_to(work / "data")), entries=entries)
        else:
            note(inode=os.fstat(handle).st_ino)

    store = DiskStore(work / "data")
    blobs_disk.os.fsync = fsync
    left = line

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in {blobs_disk.__file__, disk.__file__}:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    for done in _put(store, work) if scenario == "put" else _take_away(store):
        note(done=done)
    sys.settrace(None)


def _put(store: DiskStore, work: Path) -> Any:
    written = store.put_bytes(WRITTEN)
    yield f"blob {written.sha256}"
    moved = store.put_file(work / "moved", expect=None)
    yield f"blob {moved.sha256}"
    copied = store.put_file(work / "copied")
    yield f"blob {copied.sha256}"
    for blob in (written, moved):
        store.link(PACKAGE, blob.sha256)
        yield f"link {blob.sha256}"


def _take_away(store: DiskStore) -> Any:
    blobs = [store.put_bytes(WRITTEN), store.put_bytes(MOVED)]
    for blob in blobs:
        store.link(PACKAGE, blob.sha256)
    yield "linked"
    store.unlink_package(PACKAGE)
    yield "unlinked"
    for blob in blobs:
        store.remove(blob.sha256)
    yield "removed"


def _cut_power(killed: Path, power: Path, diary: list[dict[str, Any]]) -> None:
    synced = {fact["inode"] for fact in diary if "inode" in fact}
    durable = {fact["folder"]: fact["entries"] for fact in diary if "folder" in fact}
    before = {file for file in power.rglob("*") if file.is_file() and file.read_bytes() == b"held before"}
    for file in sorted(power.rglob("*")):
        original = killed / file.relative_to(power)
        if not file.is_file() or file in before:
            continue
        inode = original.stat().st_ino
        if durable.get(str(file.relative_to(power).parent), {}).get(file.name) != inode:
            file.unlink()
        elif inode not in synced:
            file.chmod(0o600)
            file.write_bytes(b"")
    for folder in (power / "packages").iterdir():
        if folder.name not in durable.get("packages", {}):
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))}\n")
