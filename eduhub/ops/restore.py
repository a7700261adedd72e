"""Bring a backup back onto an empty machine.

A restored hub begins a new epoch and signs with a new key, so that its boxes bring back what they hold of the time since. What
the hub alone held since the backup is lost, and `restore` says from when on.

This module must not know the command line. See docs/formats/backup.md.
"""

import json
import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.changes import Machine
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.delivery import blobs as blob_store
from eduhub.delivery import catalog, keys, theft
from eduhub.delivery.models import BlobRow, PackageRow, PartRow, PinnedRoot
from eduhub.errors import N_, BackupRefused, BadInput, BadSignature
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from eduhub.ops.backup_files import ROWS_AT_ONCE, STEADY, Progress, read_manifest, rows_of, tables, verify
from eduhub.ops.launching.files import sync_folder, write_whole
from eduhub.signing import SigningKey
from eduhub.sync.boxes import restoring
from eduhub.sync.courier import sealing
from eduhub.sync.homeward import outbox
from eduhub.sync.models import JoinCode

# Edits made between the restore and the return of lost ones are younger, and have to win over them.
_COUNTER_LEAD = 1 << 20
# Backups of earlier releases hold these; a restored hub makes its own.
_NOT_TAKEN = frozenset({"publishing.key", "publishing-next.key"})
# Whoever has it can make cookies, passes and reports of anybody.
_OF_THE_STOLEN = frozenset({"secret.key"})


@dataclass(frozen=True)
class RestoreReport:
    """What was restored. Changes that only the hub held are lost from `lost_after_ms` on."""

    made_ms: int
    lost_after_ms: int
    rows: int
    blobs: int
    blobs_missing: int  # damaged in the backup, or not in it; their lessons are hidden where they need them
    epoch: int
    catalog_sequence: int



def restore(
    folder: Path, settings: Settings, root_key: SigningKey | None, *, after_epoch: int = 0, revoked: Collection[str] = (),
    is_stolen: bool = False, on_progress: Progress = lambda _share: None,
) -> RestoreReport:  # fmt: skip
    """Bring a backup back onto an empty machine; nothing is written before every hash was checked.

    A hub needs its root key, which signs the new epoch. `after_epoch`: the highest epoch any box has
    seen, for a second restore from the same backup. `revoked`: ids of publishing keys that were revoked since the backup, so that
    nothing signed by them is taken back. `is_stolen`: the machine of before may be in other hands, so that none of its keys counts
    any more. Raises BackupRefused, BadSignature (another root), BadInput (`revoked` holds what is no key id).
    """
    revoked = [keys.checked_id(key) for key in revoked]
    if settings.role != "hub" and (revoked or is_stolen):
        raise BadInput("only a hub has keys that were shut out; a box that was stolen is replaced")
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
    _restore_files(folder, manifest, settings, but=_NOT_TAKEN | (_OF_THE_STOLEN if is_stolen else frozenset()))
    installation = open_installation(settings)
    try:
        for sha256, size in blobs:
            _restore_blob(installation, folder, sha256, size)
        migrate.upgrade(installation.database)
        with installation.database.write() as session:
            rows = sum(_load(session, folder, manifest, table) for table in tables())
            if not installation.database.is_sqlite:
                _advance_sequences(session)
            missing = _forget_missing_blobs(session, {sha256 for sha256, _size in blobs})
            state = _begin_again(session, installation, root_key, after_epoch, revoked, is_stolen=is_stolen)
        sync_folder(settings.data_dir)  # whoever is told that a machine is back may lose its power at once
        on_progress(1.0)
        made_ms = manifest["made_ms"]
        return replace(
            state, made_ms=made_ms, lost_after_ms=made_ms, rows=rows, blobs=len(blobs), blobs_missing=missing
        )
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


def _restore_files(folder: Path, manifest: dict[str, Any], settings: Settings, *, but: Collection[str]) -> None:
    source = folder / manifest["tables"]
    key_folder = settings.data_dir / "keys"
    key_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in sorted((source / "keys").glob("*.key")):
        if path.name in but:
            continue
        new = key_folder / f".{path.name}.new"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(path.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, key_folder / path.name)
    for name in but:  # what a restore that was cut has made or brought back
        (key_folder / name).unlink(missing_ok=True)
    sync_folder(key_folder)
    kept = json.loads((source / STEADY).read_bytes())
    # Another boot, so that counting goes on from here; the form is that of clock.SteadyClock.
    steady = {"boot": "restored", "uptime_s": 0.0, "steady_s": float(kept["steady_s"])}
    write_whole(settings.data_dir / STEADY, json.dumps(steady).encode("ascii"))
    sync_folder(settings.data_dir.parent)


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


def _forget_missing_blobs(session: Session, restored: set[str]) -> int:
    """Make the tables say what is on disk; returns how many blobs are not. A lesson without its floor is hidden."""
    missing = [row for row in session.scalars(select(BlobRow)) if row.sha256 not in restored]
    lost = {row.sha256 for row in missing}
    for row in missing:
        session.delete(row)
    for part in session.scalars(select(PartRow).where(PartRow.held.is_(True))):
        if part.sha256 in lost:
            part.held = False
            if part.is_floor:
                session.get_one(PackageRow, part.package_id).floor_held = False
    session.flush()
    return len(missing)


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
    session: Session, installation: Installation, root_key: SigningKey | None, after_epoch: int, revoked: Collection[str], *,
    is_stolen: bool,
) -> RestoreReport:
    """A new name in versions, links of held parts, and for a hub the new epoch, a new publishing key, and the revocations its backup does not know."""
    begins_after = catalog.sequence(session)
    if installation.settings.role == "node":
        outbox.queue_changes(session, installation.steady)
    session.execute(update(Machine).values(counter=Machine.counter + _COUNTER_LEAD))
    changes.renew_machine(session)
    for row in session.scalars(select(PartRow).where(PartRow.held.is_(True))):
        installation.blobs.link(row.package_id, row.sha256)
    for package in session.scalars(select(PackageRow)):
        # The manifest stands in its row too, so that its file is there again even where that was lost.
        blob_store.remember(session, installation.blobs.put_bytes(package.manifest))
        installation.blobs.link(package.id, package.id)
    if installation.settings.role == "hub" and root_key is not None:
        # Codes of before could have been used since; nobody would know.
        for code in session.scalars(select(JoinCode).where(JoinCode.used_by_node_uid.is_(None))):
            session.delete(code)
        catalog.begin_epoch(session, None, root_key, after_epoch=after_epoch)
        # Never the key of before: it may have been revoked since the backup, of which boxes know and this hub does not.
        keys.state_key(session, installation.keys, root_key, installation.keys.make_publishing().public)
        for key in {*revoked, *(keys.beside_the_present(session, installation.keys) if is_stolen else ())}:
            keys.revoke(session, installation.keys, root_key, key)
        if is_stolen:
            theft.note(session, installation.keys)
            sealing.rotate(session, installation)  # what boxes write onto sticks from now on is not for the old machine's eyes
        restoring.note_restored(session, installation.settings.data_dir)
    return RestoreReport(0, 0, 0, 0, 0, catalog.state(session).epoch, begins_after)
