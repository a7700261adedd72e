"""Files that are whole or not there, whatever cut their writing: for the launcher, which knows nothing but the standard library.

This module must not know versions or steps.
"""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO

FACTS = "release.json"


def write_whole(path: Path, payload: bytes) -> None:
    """Write a file so that a cut leaves the one before or this one."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync_folder(path.parent)


def link_to(path: Path, target: str) -> None:
    """Let the link `path` lead to `target`, at once."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    os.replace(new, path)
    sync_folder(path.parent)


def put_back(kept: Path, database: Path) -> None:
    """The kept copy becomes the database, as readable as that was. Safe to repeat and to cut: the copy stays.

    What goes may have filled the disk: where there is no room for both, it goes first. Nothing else uses it meanwhile.
    """
    new = database.with_name(f".{database.name}.back")
    for path in files_of(database)[1:]:  # what belongs to the one that goes; with the copy it would be nonsense
        path.unlink(missing_ok=True)
    try:
        _copy(kept, new)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        new.unlink(missing_ok=True)
        database.unlink(missing_ok=True)
        _copy(kept, new)
    os.replace(new, database)
    sync_folder(database.parent)


def _copy(kept: Path, new: Path) -> None:
    new.unlink(missing_ok=True)
    with kept.open("rb") as source, private(new) as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    shutil.copymode(kept, new)


def private(path: Path) -> BinaryIO:
    """A new file that no other user of the machine may read: databases hold names and verifiers. Raises FileExistsError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def files_of(database: Path) -> list[Path]:
    """An SQLite file, and what can lie beside it."""
    return [database, *(database.with_name(f"{database.name}{ending}") for ending in ("-wal", "-shm", "-journal"))]


def sync_file(path: Path) -> None:
    """Bring a file's bytes onto the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's names onto the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def facts(version: Path) -> dict[str, Any] | None:
    """What a version says of itself; None while it is not installed whole."""
    try:
        found = json.loads((version / FACTS).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
