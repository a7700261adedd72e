"""The folder of a backup: its files, their hashes, and how a table is written as lines of JSON.

`manifest.json` is written last and names every file with its hash. A table is one file: the names of
its columns, then one list a row; bytes are {"base64": ...}. See docs/formats/backup.md.

This module must not know what a backup is made from or restored into.
"""

import base64
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import LargeBinary, Table, select
from sqlalchemy.orm import Session

from eduhub.delivery import disk
from eduhub.errors import N_, BackupRefused
from eduhub.ops import migrate

FORMAT = "eduhub-backup/1"
MANIFEST = "manifest.json"
STEADY = "steady-clock.json"
ROWS_AT_ONCE = 500

Progress = Callable[[float], None]


@dataclass(frozen=True)
class File:
    """A file of a backup: its path in the folder, size and hash."""

    path: str
    bytes: int
    sha256: str


def tables() -> list[Table]:
    """Every table of this release, those that others refer to first."""
    return list(migrate.METADATA.sorted_tables)


def dump(session: Session, table: Table, folder: Path, tables_dir: str) -> tuple[File, int]:
    """Write one table; returns its file and how many rows it has."""
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        order = list(table.primary_key.columns)
        for row in session.execute(select(table).order_by(*order).execution_options(yield_per=ROWS_AT_ONCE)):
            count += 1
            yield line([_outward(value) for value in row])

    names = [column.name for column in table.columns]
    file = write(folder, f"{tables_dir}/{table.name}.jsonl", _with_header(line(names), lines()))
    return file, count


def _with_header(header: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield header
    yield from lines


def _outward(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes | memoryview) else value


def line(value: Any) -> bytes:
    """A value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def write(folder: Path, path: str, blocks: Iterator[bytes]) -> File:
    """Write a file of the backup; it is on disk when this returns."""
    digest, size = hashlib.sha256(), 0
    with (folder / path).open("wb") as file:
        for block in blocks:
            digest.update(block)
            size += len(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    sync_folder((folder / path).parent)
    return File(path, size, digest.hexdigest())


def read_manifest(folder: Path) -> dict[str, Any]:
    """The list of files of the backup in a folder. Raises BackupRefused."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise BackupRefused("no manifest", reason=N_("it was never finished, or this is no backup")) from error
    except ValueError as error:
        raise BackupRefused("manifest", reason=N_("its list of files cannot be read")) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BackupRefused("format", reason=N_("it has a form that this release does not know"))
    return manifest


def verify(folder: Path, manifest: dict[str, Any], on_progress: Progress) -> list[tuple[str, int]]:
    """Check every byte of the backup; returns its blobs that are whole.

    A damaged table or key raises BackupRefused. A damaged blob is left out instead: one lesson must not
    keep a whole school from coming back.
    """
    listed = {str(file["path"]): File(**file) for file in manifest["files"]}
    for file in listed.values():
        path = folder / file.path
        if ".." in Path(file.path).parts or Path(file.path).is_absolute() or not path.is_file():
            raise BackupRefused(file.path, reason=N_("a file of it is missing"))
        if sha256_of(path) != file.sha256:
            raise BackupRefused(file.path, reason=N_("a file of it is damaged"))
    missing = [table.name for table in tables() if f"{manifest['tables']}/{table.name}.jsonl" not in listed]
    if missing or f"{manifest['tables']}/blobs.jsonl" not in listed:
        raise BackupRefused(f"tables {missing}", reason=N_("a file of it is missing"))
    with (folder / manifest["tables"] / "blobs.jsonl").open("rb") as lines:
        blobs = [(str(name), int(size)) for name, size in map(json.loads, lines)]
    whole = []
    for at, (sha256, size) in enumerate(blobs):
        path = folder / "blobs" / sha256[:2] / sha256
        if path.is_file() and sha256_of(path) == sha256:
            whole.append((sha256, size))
        on_progress(0.5 * at / len(blobs))
    return whole


def sha256_of(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows_of(folder: Path, manifest: dict[str, Any], table: Table) -> Iterator[dict[str, Any]]:
    """The rows of one table of a backup, by the names of their columns."""
    binary = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
    with (folder / manifest["tables"] / f"{table.name}.jsonl").open("rb") as lines:
        names = json.loads(next(lines))
        for line in lines:
            row = dict(zip(names, json.loads(line), strict=True))
            for name in binary & row.keys():
                row[name] = None if row[name] is None else base64.b64decode(row[name]["base64"])
            yield row


def link_or_copy(source: Path, target: Path) -> None:
    """`target` becomes `source`, whole or not at all: a hard link where that is possible."""
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        os.link(source, new)
    except OSError:  # another file system, or one without hard links
        try:
            shutil.copyfile(source, new)
            with new.open("rb") as file:
                os.fsync(file.fileno())
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    os.replace(new, target)
    sync_folder(target.parent)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until nobody else is at work in `folder`: of two backups, say, whichever ends first would clear the other's tables away."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a folder of a network that cannot be locked
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names onto the disk, where the file system can do that."""
    with suppress(OSError):  # a stick with FAT cannot do it
        disk.sync_folder(folder)
