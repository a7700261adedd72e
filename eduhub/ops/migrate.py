"""Bring the tables of a database to this release: Alembic, set up in code so that no file has to be found.

The list of model modules below is the list of everything that has tables; `migrations/env.py`
and the tests take `METADATA` from here.

An upgrade is one transaction on both engines: it happens whole or not at all, and a second
process that starts one waits for the first.
"""

from collections.abc import Callable
from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

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
from eduhub.db import Base, Database

METADATA = Base.metadata

_LOCK = 0x656475687562  # 'eduhub': the name of PostgreSQL's advisory lock that an upgrade holds


def folder() -> Path:
    """Where the migrations lie: inside the installed package, or beside it in a checkout."""
    package = Path(eduhub.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def head() -> str:
    """The newest revision this release knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise RuntimeError(f"no migrations in {folder()}")
    return found


def current(database: Database) -> str | None:
    """The revision a database is at; None when it has no tables yet."""
    with database.read() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def upgrade(database: Database) -> None:
    """Bring a database to `head()`; does nothing to one that is there."""
    _run(database, lambda config: alembic.command.upgrade(config, "head"))


def draft(database: Database, message: str) -> Path:
    """Write the next migration: what the models have and `database` has not. To be read before it is committed."""
    known = len(list(ScriptDirectory.from_config(_config()).walk_revisions()))
    before = set(folder().glob("versions/*.py"))
    _run(
        database,
        lambda config: alembic.command.revision(config, message, autogenerate=True, rev_id=f"{known + 1:04d}"),
    )
    return (set(folder().glob("versions/*.py")) - before).pop()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
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
        act(_config(connection))
        connection.commit()
