"""Back a whole installation up into a folder.

The folder is independent of the database engine: one file of JSON lines a table, written within one
read transaction; the blobs under their names; the keys, but not the root key; and last of all
`manifest.json` with the hash of everything. A folder whose manifest is missing or older than its
tables is no backup: a backup that was cut short leaves the one before it whole.

This module must not know the command line. See docs/formats/backup.md.
"""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from eduhub import __version__, clock
from eduhub.delivery.disk import disk_full_named
from eduhub.delivery.models import BlobRow
from eduhub.installation import Installation
from eduhub.ops import migrate
from eduhub.ops.backup_files import (
    FORMAT,
    MANIFEST,
    STEADY,
    File,
    Progress,
    dump,
    line,
    link_or_copy,
    one_at_a_time,
    sync_folder,
    tables,
    write,
)
from eduhub.sync.homeward import outbox

# The root key is kept elsewhere, and a hub that is restored makes a publishing key of its own.
_STAY = frozenset({"root.key", "publishing.key", "publishing-next.key"})


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds."""

    folder: Path
    made_ms: int
    rows: int
    blobs: int
    blob_bytes: int
    blobs_added: int  # the others were there from an earlier backup
    blobs_missing: int  # this machine should have them and has not: they are in no backup of now



def backup(installation: Installation, folder: Path, *, on_progress: Progress = lambda _share: None) -> BackupReport:
    """Write a backup into `folder`, which may hold an earlier one of the same machine: blobs are then added only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    tables_dir = f"tables-{secrets.token_hex(8)}"
    with one_at_a_time(folder), disk_full_named():
        try:
            return _backup(installation, folder, tables_dir, on_progress)
        except BaseException:
            if tables_dir.encode() not in _manifest_of(folder):
                shutil.rmtree(folder / tables_dir, ignore_errors=True)
            raise


def _manifest_of(folder: Path) -> bytes:
    (folder / f"{MANIFEST}.new").unlink(missing_ok=True)
    return (folder / MANIFEST).read_bytes() if (folder / MANIFEST).exists() else b""


def _backup(installation: Installation, folder: Path, tables_dir: str, on_progress: Progress) -> BackupReport:
    made_ms = clock.now_ms()
    (folder / tables_dir).mkdir(mode=0o700)  # names of children, verifiers of passwords
    if installation.settings.role == "node":
        with installation.database.write() as session:
            # Numbered now: this machine and one restored from here must not number different things alike.
            outbox.queue_changes(session, installation.steady)
    files, rows = [], 0
    with installation.database.read() as session:
        for table in tables():
            file, count = dump(session, table, folder, tables_dir)
            files.append(file)
            rows += count
        listed = [(row.sha256, row.bytes) for row in session.execute(select(BlobRow.sha256, BlobRow.bytes))]
    blobs = [(sha256, size) for sha256, size in listed if installation.blobs.has(sha256)]
    added, blob_bytes = _copy_blobs(installation, blobs, folder, on_progress)
    files.append(write(folder, f"{tables_dir}/blobs.jsonl", (line([name, size]) for name, size in blobs)))
    files += _copy_keys(installation, folder, tables_dir)
    manifest = {
        "format": FORMAT, "version": __version__, "schema": migrate.head(), "role": installation.settings.role,
        "made_ms": made_ms, "tables": tables_dir, "files": [file.__dict__ for file in files],
    }  # fmt: skip
    write(folder, f"{MANIFEST}.new", iter([json.dumps(manifest, indent=1).encode()]))
    os.replace(folder / f"{MANIFEST}.new", folder / MANIFEST)
    sync_folder(folder)
    for older in folder.glob("tables-*"):
        if older.name != tables_dir:
            shutil.rmtree(older)
    on_progress(1.0)
    return BackupReport(folder, made_ms, rows, len(blobs), blob_bytes, added, len(listed) - len(blobs))


def _copy_blobs(
    installation: Installation, blobs: list[tuple[str, int]], folder: Path, on_progress: Progress
) -> tuple[int, int]:
    """Every blob into blobs/ab/<sha256>: a hard link where that is possible, for a blob never changes."""
    added = copied_bytes = 0
    total = sum(size for _name, size in blobs) or 1
    for sha256, size in blobs:
        target = folder / "blobs" / sha256[:2] / sha256
        copied_bytes += size
        if not target.exists() or target.stat().st_size != size:
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(installation.blobs.path(sha256), target)
            added += 1
        on_progress(min(0.99, copied_bytes / total))
    return added, copied_bytes


def _copy_keys(installation: Installation, folder: Path, tables_dir: str) -> list[File]:
    """The keys but for those that a restored machine must not have, and the steady clock, by which passes end."""
    (folder / tables_dir / "keys").mkdir(mode=0o700)
    kept = []
    for path in sorted((installation.settings.data_dir / "keys").glob("*.key")):
        if path.name not in _STAY:
            name = f"{tables_dir}/keys/{path.name}"
            kept.append(write(folder, name, iter([path.read_bytes()])))
            (folder / name).chmod(0o600)
    steady = json.dumps({"steady_s": installation.steady.now_s()}).encode()
    return [*kept, write(folder, f"{tables_dir}/{STEADY}", iter([steady]))]
