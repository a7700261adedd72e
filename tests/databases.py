"""Databases of the chosen engine for tests, and whole machines: each a copy of one that was made once in this process.

What a copy costs is a file or two; what it saves is every migration, and every person, lesson and key of the first.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from eduhub.db import Database
from eduhub.ops import migrate


@dataclass(frozen=True)
class Model:
    """A machine that others are copies of; nothing has it open, and nothing is added to it."""

    data_dir: Path
    database: str  # what the setting says; empty: the file in data_dir
    folders: tuple[str, ...] = ()  # below data_dir, each after the one that it lies in
    files: tuple[tuple[str, ...], ...] = ()  # below data_dir, without the database: the names of each file

    @classmethod
    def of(cls, data_dir: Path, database: str) -> "Model":
        """The machine whose folder this is. Two names of one file are two names of one copy: the blob store has such."""
        folders, files = [], dict[int, list[str]]()
        for at in sorted(data_dir.rglob("*")):
            name = str(at.relative_to(data_dir))
            if at.is_dir():
                folders.append(name)
            elif not name.startswith("eduhub.db"):
                files.setdefault(at.stat().st_ino, []).append(name)
        return cls(data_dir, database, tuple(folders), tuple(tuple(names) for names in files.values()))

    def copy_files(self, target: Path) -> None:
        """All but the database into a folder that is there."""
        for name in self.folders:
            os.mkdir(target / name)
        for first, *others in self.files:
            shutil.copyfile(self.data_dir / first, target / first)
            shutil.copymode(self.data_dir / first, target / first)
            for other in others:
                os.link(target / first, target / other)


class Databases:
    """Makes databases of the chosen engine and takes them away again."""

    def __init__(self, folder: Path, cluster: str | None, worker: str) -> None:
        self._folder, self._cluster, self._worker = folder, cluster, worker
        self._server = create_engine(cluster, isolation_level="AUTOCOMMIT") if cluster else None
        self._count = 0
        self._made: list[str] = []
        self._empty: Model | None = None

    def address(self, data_dir: Path, *, empty: bool = False, like: Model | None = None) -> str:
        """What goes into the setting `database` for a new machine in `data_dir`: with every table and no row, without
        tables (`empty`), or with everything of another, its files too (`like`).
        """
        if like is not None:
            like.copy_files(data_dir)
        model = None if empty else like or self._with_tables()
        if self._cluster is not None:
            return self._make_postgresql(model)
        if model is not None:
            shutil.copyfile(model.data_dir / "eduhub.db", data_dir / "eduhub.db")
        return ""

    def _with_tables(self) -> Model:
        if self._empty is None:
            address = self.address(self._folder, empty=True)
            database = Database(address or f"sqlite:///{self._folder}/eduhub.db")
            migrate.upgrade(database)
            close_for_copying(database)
            self._empty = Model(self._folder, address)
        return self._empty

    def _make_postgresql(self, like: Model | None) -> str:
        assert self._cluster is not None
        self._count += 1
        name = f"eduhub_{self._worker}_{self._count}"
        # The cluster does not sync, so that copying files costs a third of copying by way of the log.
        template = f" TEMPLATE {_name_in(like.database)} STRATEGY FILE_COPY" if like else ""
        self._administer(f"CREATE DATABASE {name}{template}")
        self._made.append(name)
        return self._cluster.replace("@/postgres?", f"@/{name}?")

    def drop(self, addresses: list[str]) -> None:
        """Take away databases that `address` made."""
        for address in addresses:
            if address:
                name = _name_in(address)
                self._administer(f"DROP DATABASE {name} WITH (FORCE)")
                self._made.remove(name)

    def drop_all(self) -> None:
        while self._made:
            self._administer(f"DROP DATABASE {self._made.pop()} WITH (FORCE)")
        if self._server is not None:
            self._server.dispose()

    def _administer(self, statement: str) -> None:
        assert self._server is not None
        with self._server.connect() as connection:
            connection.execute(text(statement))


def _name_in(address: str) -> str:
    return address.split("@/", 1)[1].split("?", 1)[0]


def close_for_copying(database: Database) -> None:
    """Close it, with everything in the one file that is copied."""
    if database.is_sqlite:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
