"""Half-arrived files on disk: the files of a session, who holds it, and how long it has lain.

`<uid>.part` is the bytes; its length is the offset, and there is no second truth. `<uid>.json` says
what was announced. `<uid>.hold` is locked by whoever works on the session, in whatever process; its
first twelve digits are the steady second of the last byte, and each byte behind them is somebody's
wish that the holder let go. `<uid>.gone` remembers for a while that a session was given up by time.
`<uid>.form` is what a form that is just arriving has announced: it keeps room, and is of no session.

This module must not know HTTP or the database. See docs/formats/uploads.md.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eduhub import clock
from eduhub.delivery.disk import disk_full_named, sync_folder
from eduhub.errors import BadFormat, BadInput, UploadBusy
from eduhub.media import intents, tus
from eduhub.media.intents import UploadIntent
from eduhub.media.tus import Metadata
from eduhub.signing import canonical

FORMAT = "eduhub-upload/1"
WAIT_S = 5.0  # for a holder that was asked to let go
_POLL_S = 0.05
_STAMP = 12  # digits
_UID = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True)
class Record:
    """What was announced, and the hash once the file is whole."""

    intent: UploadIntent
    length: int | None
    metadata: Metadata
    sha256: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As it stands in `<uid>.json`."""
        return {
            "format": FORMAT, "intent": intents.as_json(self.intent), "length": self.length,
            "metadata": self.metadata.raw, "file_name": self.metadata.file_name, "sha256": self.sha256,
        }

    @classmethod
    def from_json(cls, found: Any) -> "Record":
        """Raises BadFormat for what this module did not write."""
        try:
            if found["format"] != FORMAT:
                raise BadFormat("not an upload's record")
            said = replace(tus.parse_metadata(found["metadata"]), file_name=found["file_name"])
            return cls(intents.from_json(found["intent"]), found["length"], said, found["sha256"])
        except (KeyError, TypeError, ValueError, BadInput) as error:
            raise BadFormat(f"not an upload's record: {error!r}") from error


class Held:
    """A session in our hands: nobody else changes its files until we let go."""

    def __init__(self, folder: Path, uid: str, descriptor: int) -> None:
        self._folder, self.uid, self._descriptor = folder, uid, descriptor
        self.part, self._json = folder / f"{uid}.part", folder / f"{uid}.json"
        self._gone, self._form = folder / f"{uid}.gone", folder / f"{uid}.form"
        if os.fstat(descriptor).st_size > _STAMP:
            os.ftruncate(descriptor, _STAMP)  # wishes for the holder before us

    @property
    def is_wanted(self) -> bool:
        """Whether somebody has asked for the session since we took it."""
        return os.fstat(self._descriptor).st_size > _STAMP

    @property
    def offset(self) -> int:
        """How many bytes have arrived."""
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def exists(self) -> bool:
        """Whether anything of a session lies here."""
        return self.part.exists() or self._json.exists() or self._form.exists()

    def record(self) -> Record | None:
        """What was announced; None when there is no session. Raises BadFormat."""
        return read(self._folder, self.uid)

    @property
    def began_ns(self) -> int | None:
        """When the session was made, by the wall: good for telling it from another one; None: there is none."""
        try:
            return self._json.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def write(self, record: Record) -> None:
        """Put the record in place, whole or not at all; on disk when this returns. Raises DiskFull."""
        new, began_ns = self._json.with_suffix(".new"), self.began_ns
        with disk_full_named():
            with new.open("wb") as file:
                file.write(canonical(record.as_json()))
                file.flush()
                if began_ns is not None:
                    os.utime(file.fileno(), ns=(began_ns, began_ns))
                os.fsync(file.fileno())
            new.replace(self._json)
            sync_folder(self._folder)

    def stamp(self, steady_s: float) -> None:
        """Write down that a byte came just now."""
        os.pwrite(self._descriptor, f"{int(steady_s):0{_STAMP}d}".encode(), 0)

    def idle_s(self, steady_s: float) -> float:
        """Seconds since the last byte; a session whose stamp is lost, or ahead, begins to count now."""
        stamped = _read_stamp(self._descriptor)
        if stamped is None or stamped > steady_s:
            self.stamp(steady_s)
            return 0.0
        return steady_s - stamped

    def begin(self, record: Record, steady_s: float) -> None:
        """Make the session: no byte yet. Raises DiskFull."""
        with disk_full_named():
            self.stamp(steady_s)
            os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
            self._gone.unlink(missing_ok=True)
        self.write(record)

    def promise(self, record: Record) -> None:
        """Keep room for a form. It need not outlast a crash: the form does not either. Raises DiskFull."""
        with disk_full_named():
            self._form.write_bytes(canonical(record.as_json()))

    def forget_bytes(self) -> None:
        """Remove what has arrived and what was announced, to begin anew. The record goes first."""
        for path in (self._json, self._form, self.part):
            path.unlink(missing_ok=True)

    def forget_stray(self) -> bool:
        """Remove bytes without a record, and a record that was not put in place; whether there were any."""
        if self._json.exists():
            return False
        strays = [path for path in (self.part, self._form, self._json.with_suffix(".new")) if path.exists()]
        for path in strays:
            path.unlink()
        return bool(strays)

    def forget(self, *, leave_word: bool = False) -> None:
        """Remove the session; `leave_word`: remember that its time was over. The record goes first."""
        if leave_word:
            self._gone.write_bytes(os.pread(self._descriptor, _STAMP, 0))
        else:
            self._gone.unlink(missing_ok=True)
        # `.hold` stays until `hold` lets go: without it the next one would come in while we are still at it.
        for path in (self._json, self._json.with_suffix(".new"), self._form, self.part):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # what comes back with a power cut is found finished, or swept
            sync_folder(self._folder)

    def remembers(self) -> bool:
        """Whether there was a session whose time was over."""
        return self._gone.exists()

    def forget_word(self, steady_s: float, after_s: float) -> bool:
        """Let go of the memory of a session whose last byte came more than `after_s` ago; whether it went."""
        with suppress(FileNotFoundError):
            text = self._gone.read_text("ascii", "replace")
            if not text.isdecimal() or not int(text) - 1 <= steady_s < int(text) + after_s:
                self._gone.unlink()
                return True
        return False


def _read_stamp(descriptor: int) -> int | None:
    text = os.pread(descriptor, _STAMP, 0).decode("ascii", "replace")
    return int(text) if len(text) == _STAMP and text.isdecimal() and text.isascii() else None


@contextmanager
def hold(folder: Path, uid: str, *, wait_s: float = WAIT_S) -> Iterator[Held]:
    """Take the session (there may be none yet); asks a holder to let go and waits `wait_s`. Raises UploadBusy."""
    with disk_full_named():
        descriptor = _lock(folder / f"{uid}.hold", wait_s)
    held = Held(folder, uid, descriptor)
    try:
        yield held
    finally:
        if not held.exists():
            (folder / f"{uid}.hold").unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path, wait_s: float) -> int:
    until, asked = clock.monotonic_s() + wait_s, False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # the session ended while we waited
        except BlockingIOError:
            os.close(descriptor)
            if clock.monotonic_s() >= until:
                raise UploadBusy("another connection holds it") from None
            if not asked:
                asked = True
                _wish(path)
            clock.sleep_s(_POLL_S)


def _wish(path: Path) -> None:
    with suppress(FileNotFoundError), open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), "wb") as file:
        missing = _STAMP - os.fstat(file.fileno()).st_size
        file.write(b"+" * (1 + max(0, missing)))


def read(folder: Path, uid: str) -> Record | None:
    """What was announced for `uid`; None when there is no session. Raises BadFormat."""
    return _read(folder / f"{uid}.json")


def _read(path: Path) -> Record | None:
    try:
        return Record.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadFormat(f"the record of {path.stem}: {error}") from error


def idle_s(folder: Path, uid: str, steady_s: float) -> float:
    """Seconds since the last byte of a session that is not in our hands."""
    try:
        with (folder / f"{uid}.hold").open("rb") as file:
            stamped = _read_stamp(file.fileno())
    except FileNotFoundError:
        stamped = None
    return 0.0 if stamped is None else max(0.0, steady_s - stamped)


def offset(folder: Path, uid: str, record: Record) -> int:
    """How many bytes of a session have arrived; its file may have been moved away already."""
    try:
        return (folder / f"{uid}.part").stat().st_size
    except FileNotFoundError:
        return (record.length or 0) if record.sha256 else 0


def anything(folder: Path, uid: str) -> bool:
    """Whether there is a session, or the memory of one that was given up."""
    return (folder / f"{uid}.json").exists() or (folder / f"{uid}.gone").exists()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process and thread at a time, for every session of the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def all_uids(folder: Path) -> list[str]:
    """Every uid that a file in the folder is named after."""
    return sorted({path.stem for path in folder.iterdir() if _UID.fullmatch(path.stem)})


def live(folder: Path) -> Iterator[tuple[Record, int]]:
    """Every announced file that is not stored yet, with its offset."""
    # Forms are looked for first, and each uid once: one that has come whole is a session before it is stored.
    announced = {path.stem: path for path in (*folder.glob("*.form"), *folder.glob("*.json"))}
    for _uid, path in sorted(announced.items()):
        with suppress(BadFormat):
            record = _read(path)
            if record is not None:
                yield record, offset(folder, path.stem, record)
