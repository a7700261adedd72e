"""Back a whole installation up into a folder, and bring it back onto an empty machine.

The folder is independent of the database engine: one file of JSON lines a table, written within one
read transaction; the blobs under their names; the keys, but not the root key; and last of all
`manifest.json` with the hash of everything. A folder whose manifest is missing or older than its
tables is no backup: a backup that was cut short leaves the one before it whole.

A restored hub begins a new epoch, so that its boxes bring back what they hold of the time since. What
the hub alone held since the backup is lost, and `restore` says from when on.

This module must not know the command line. See docs/formats/backup.md.
"""

import json
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from eduhub import __version__, changes, clock
from eduhub.changes import Machine
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.delivery import catalog
from eduhub.delivery.models import BlobRow, PartRow, PinnedRoot
from eduhub.errors import N_, BackupRefused, BadSignature
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from eduhub.ops.backup_files import (
    FORMAT,
    MANIFEST,
    ROWS_AT_ONCE,
    File,
    Progress,
    dump,
    line,
    link_or_copy,
    one_at_a_time,
    read_manifest,
    rows_of,
    sync_folder,
    tables,
    verify,
    write,
)
from eduhub.signing import SigningKey
from eduhub.sync import outbox, restoring
from eduhub.sync.models import JoinCode

_ROOT_KEY = "root.key"
_STEADY = "steady-clock.json"
# Edits made between the restore and the return of lost ones are younger, and have to win over them.
_COUNTER_LEAD = 1 << 20


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds."""

    folder: Path
    made_ms: int
    rows: int
    blobs: int
    blob_bytes: int
    blobs_added: int  # the others were there from an earlier backup


@dataclass(frozen=True)
class RestoreReport:
    """What was restored. Changes that only the hub held are lost from `lost_after_ms` on."""

    made_ms: int
    lost_after_ms: int
    rows: int
    blobs: int
    epoch: int
    catalog_sequence: int


# --- backup -------------------------------------------------------------------------


def backup(installation: Installation, folder: Path, *, on_progress: Progress = lambda _share: None) -> BackupReport:
    """Write a backup into `folder`, which may hold an earlier one of the same machine: blobs are then added only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with one_at_a_time(folder):
        return _backup(installation, folder, on_progress)


def _backup(installation: Installation, folder: Path, on_progress: Progress) -> BackupReport:
    made_ms = clock.now_ms()
    tables_dir = f"tables-{secrets.token_hex(8)}"
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
        blobs = [(row.sha256, row.bytes) for row in session.execute(select(BlobRow.sha256, BlobRow.bytes))]
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
    return BackupReport(folder, made_ms, rows, len(blobs), blob_bytes, added)


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
    """The keys but for the root, which stays where it is kept, and the steady clock, by which passes end."""
    (folder / tables_dir / "keys").mkdir(mode=0o700)
    kept = []
    for path in sorted((installation.settings.data_dir / "keys").glob("*.key")):
        if path.name != _ROOT_KEY:
            name = f"{tables_dir}/keys/{path.name}"
            kept.append(write(folder, name, iter([path.read_bytes()])))
            (folder / name).chmod(0o600)
    steady = json.dumps({"steady_s": installation.steady.now_s()}).encode()
    return [*kept, write(folder, f"{tables_dir}/{_STEADY}", iter([steady]))]


# --- restore ------------------------------------------------------------------------


def restore(
    folder: Path, settings: Settings, root_key: SigningKey | None, *, after_epoch: int = 0,
    on_progress: Progress = lambda _share: None,
) -> RestoreReport:  # fmt: skip
    """Bring a backup back onto an empty machine; nothing is written before every hash was checked.

    A hub needs its root key, which signs the new epoch. `after_epoch`: the highest epoch any box has
    seen, for a second restore from the same backup. Raises BackupRefused, BadSignature (another root).
    """
    manifest = read_manifest(folder)
    if manifest["role"] != settings.role:
        raise BackupRefused("role", reason=N_("it is of the other kind of machine: hub and box are not the same"))
    if manifest["role"] == "hub" and root_key is None:
        raise BackupRefused("root key", reason=N_("the hub's root key is needed to restore it"))
    if manifest["schema"] != migrate.head():
        raise BackupRefused(
            f"schema {manifest['schema']}", reason=N_("it was made by another release; restore it with that one")
        )
    _require_empty(settings)
    blobs = verify(folder, manifest, on_progress)
    _require_root(folder, manifest, root_key)
    _restore_files(folder, manifest, settings)
    installation = open_installation(settings)
    try:
        for sha256, size in blobs:
            _restore_blob(installation, folder, sha256, size)
        migrate.upgrade(installation.database)
        with installation.database.write() as session:
            rows = sum(_load(session, folder, manifest, table) for table in tables())
            if not installation.database.is_sqlite:
                _advance_sequences(session)
            state = _begin_again(session, installation, root_key, after_epoch)
        on_progress(1.0)
        return replace(state, made_ms=manifest["made_ms"], lost_after_ms=manifest["made_ms"], rows=rows, blobs=len(blobs))
    finally:
        installation.database.close()


def _require_empty(settings: Settings) -> None:
    """No tables with rows, no keys, no blobs: a restore never mixes two machines."""
    occupied = list((settings.data_dir / "keys").glob("*.key")) if settings.data_dir.exists() else []
    # The secret is made at the first opening and guards nothing while there is nothing else.
    occupied = [path for path in occupied if path.name != "secret.key"]
    occupied += (settings.data_dir / "blobs").glob("??/*")
    database = Database(settings.database_url)
    try:
        with database.read() as session:
            has_rows = "machine" in inspect(session.connection()).get_table_names() and bool(
                session.scalar(select(func.count()).select_from(Machine))
            )
    finally:
        database.close()
    if occupied or has_rows:
        raise BackupRefused("not empty", reason=N_("this machine is not empty"))


def _require_root(folder: Path, manifest: dict[str, Any], root_key: SigningKey | None) -> None:
    if root_key is None:
        return
    for row in rows_of(folder, manifest, migrate.METADATA.tables[PinnedRoot.__tablename__]):
        if row["public"] != root_key.public.hex():
            raise BadSignature("this is not the root key of the hub in the backup")


def _restore_files(folder: Path, manifest: dict[str, Any], settings: Settings) -> None:
    source = folder / manifest["tables"]
    keys = settings.data_dir / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in sorted((source / "keys").glob("*.key")):
        new = keys / f".{path.name}.new"
        new.touch(mode=0o600)
        shutil.copyfile(path, new)
        os.replace(new, keys / path.name)
    kept = json.loads((source / _STEADY).read_bytes())
    # Another boot, so that counting goes on from here; the form is that of clock.SteadyClock.
    steady = {"boot": "restored", "uptime_s": 0.0, "steady_s": float(kept["steady_s"])}
    (settings.data_dir / _STEADY).write_text(json.dumps(steady), encoding="ascii")


def _restore_blob(installation: Installation, folder: Path, sha256: str, size: int) -> None:
    if installation.blobs.has(sha256):
        return
    work = installation.settings.data_dir / "work" / f"{sha256}.restored"
    work.unlink(missing_ok=True)
    shutil.copyfile(folder / "blobs" / sha256[:2] / sha256, work)
    if installation.blobs.put_file(work, expect=sha256).bytes != size:
        raise BackupRefused(sha256, reason=N_("a file of it is damaged"))


def _load(session: Session, folder: Path, manifest: dict[str, Any], table: Table) -> int:
    count, waiting = 0, []
    connection = session.connection()
    for row in rows_of(folder, manifest, table):
        waiting.append(row)
        count += 1
        if len(waiting) == ROWS_AT_ONCE:
            connection.execute(insert(table), waiting)
            waiting = []
    if waiting:
        connection.execute(insert(table), waiting)
    return count


def _advance_sequences(session: Session) -> None:
    """PostgreSQL counts beside the tables: tell it where the loaded rows end."""
    for table in tables():
        column = table.autoincrement_column
        if column is None:
            continue
        name = session.scalar(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
        )
        highest = session.scalar(select(func.max(column)))
        if name is not None and highest is not None:
            session.execute(text("SELECT setval(:name, :highest)"), {"name": name, "highest": highest})


def _begin_again(
    session: Session, installation: Installation, root_key: SigningKey | None, after_epoch: int
) -> RestoreReport:
    """A new name in versions, links of held parts, and for a hub the new epoch."""
    if installation.settings.role == "node":
        outbox.queue_changes(session, installation.steady)
    session.execute(update(Machine).values(counter=Machine.counter + _COUNTER_LEAD))
    changes.renew_machine(session)
    for row in session.scalars(select(PartRow).where(PartRow.held.is_(True))):
        installation.blobs.link(row.package_id, row.sha256)
    for package_id in session.scalars(select(PartRow.package_id).distinct()):
        if installation.blobs.has(package_id):
            installation.blobs.link(package_id, package_id)
    if installation.settings.role == "hub" and root_key is not None:
        # Codes of before could have been used since; nobody would know.
        for code in session.scalars(select(JoinCode).where(JoinCode.used_by_node_uid.is_(None))):
            session.delete(code)
        catalog.begin_epoch(session, installation.keys, root_key, after_epoch=after_epoch)
        restoring.note_restored(session, installation.settings.data_dir)
    state = catalog.state(session)
    return RestoreReport(0, 0, 0, 0, state.epoch, state.sequence)
