"""Bring the tables of a database to this release: Alembic, set up in code so that no file has to be found.

The list of model modules below is the list of everything that has tables; `migrations/env.py`
and the tests take `METADATA` from here.

An upgrade is one transaction on both engines: it happens whole or not at all, and a second
process that starts one waits for the first.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.orm import Session

import eduhub
import eduhub.accounts.models
import eduhub.changes
import eduhub.courses.models
import eduhub.delivery.models
import eduhub.jobs.models
import eduhub.learning.models
import eduhub.media.models
import eduhub.schools.models
import eduhub.sync.mirrors.models
import eduhub.sync.models
import eduhub.sync.releases.models
from eduhub import changes
from eduhub.db import Base, Database
from eduhub.errors import NewerTables
from eduhub.ops.launching.files import sync_folder, write_whole

METADATA = Base.metadata

_NOTE = "tables.json"
_OLDER = "older.json"  # what a program knew that ran on newer tables than its own
_LOCK = 0x656475687562  # 'eduhub': the name of PostgreSQL's advisory lock that an upgrade holds


def folder() -> Path:
    """Where the migrations lie: inside the installed package, or beside it in a checkout."""
    package = Path(eduhub.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def head() -> str:
    """The newest revision this release knows."""
    found = _scripts(folder()).get_current_head()
    if found is None:
        raise RuntimeError(f"no migrations in {folder()}")
    return found


def current(database: Database) -> str | None:
    """The revision a database is at; None when it has no tables yet."""
    with database.read() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def upgrade(database: Database) -> None:
    """Bring a database to `head()`; does nothing to one that is there.

    What had come for tables and columns that are new, while an older program ran, is taken up in the same transaction.
    """

    def act(config: Config) -> None:
        connection = config.attributes["connection"]
        before = _columns(connection)
        alembic.command.upgrade(config, "head")
        if before:
            added = {name: columns - before.get(name, set()) for name, columns in _columns(connection).items()}
            with Session(bind=connection) as session:
                changes.take_up(session, {name: columns for name, columns in added.items() if columns})
                session.flush()

    if current(database) != head():
        _run(database, act)


def _columns(connection: Connection) -> dict[str, set[str]]:
    """The columns of every table that is there now."""
    there = inspect(connection)
    return {name: {column["name"] for column in there.get_columns(name)} for name in there.get_table_names()}


def goes_back_to() -> list[str]:
    """The newest migrations of older programs that run on the tables of this release, the latest first.

    A migration says `ADDITIVE = True` when the program before it runs on what it leaves. See docs/adding-a-table.md.
    """
    found = []
    for script in _scripts(folder()).walk_revisions():
        if not getattr(script.module, "ADDITIVE", False) or not isinstance(script.down_revision, str):
            break
        found.append(script.down_revision)
    return found


def bring_up(database: Database, folder: Path) -> None:
    """`upgrade`, but for tables that a newer program left and that this one runs on: it is back after that one failed.

    Which those are, the newer program noted in `folder`. Raises NewerTables for all others.
    """
    present = current(database)
    if present is not None and present not in _known():
        noted = _noted(folder)
        if noted.get("revision") != present or head() not in noted.get("goes_back_to", []):
            raise NewerTables(f"revision {present}; this program knows {head()}")
        _note_what_is_known(folder)
        return
    upgrade(database)
    _catch_up(database, folder)
    note = {"revision": head(), "goes_back_to": goes_back_to()}
    if _noted(folder) != note:
        write_whole(folder / _NOTE, json.dumps(note).encode())


def _known() -> set[str]:
    return {script.revision for script in _scripts(folder()).walk_revisions()}


def _note_what_is_known(folder: Path) -> None:
    """For the newer program that comes again: what comes now for the columns that are not among these, nobody takes up meanwhile."""
    noted = _noted(folder, _OLDER)
    known = {
        name: [column.name for column in table.columns if not noted or column.name in noted.get(name, [])]
        for name, table in METADATA.tables.items()
    }
    if noted != known:
        write_whole(folder / _OLDER, json.dumps(known).encode())


def _catch_up(database: Database, folder: Path) -> None:
    """Take up what came while an older program ran on these tables. Safe to repeat."""
    known = _noted(folder, _OLDER)
    if not known:
        return
    missed = {name: {column.name for column in table.columns} - set(known.get(name, [])) for name, table in METADATA.tables.items()}
    with database.write() as session:
        changes.take_up(session, {name: columns for name, columns in missed.items() if columns})
    (folder / _OLDER).unlink(missing_ok=True)
    sync_folder(folder)


def _noted(folder: Path, name: str = _NOTE) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def draft(database: Database, message: str) -> Path:
    """Write the next migration: what the models have and `database` has not. To be read before it is committed."""
    known = len(_known())
    before = set(folder().glob("versions/*.py"))
    _run(
        database,
        lambda config: alembic.command.revision(config, message, autogenerate=True, rev_id=f"{known + 1:04d}"),
    )
    return (set(folder().glob("versions/*.py")) - before).pop()


@cache
def _scripts(where: Path) -> ScriptDirectory:
    """All migrations there, read and compiled once: a start asks for them four times."""
    return ScriptDirectory.from_config(_config(where))


def _config(where: Path, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(where).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _run(database: Database, act: Callable[[Config], object]) -> None:
    with database.engine.connect() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        act(_config(folder(), connection))
        connection.commit()
