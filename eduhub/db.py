"""The database: SQLite (embedded) or PostgreSQL (large), through SQLAlchemy.

`with database.write() as session:` opens one transaction at the edge (a view, a job, a
command) and commits it once; domain functions take the session and never commit.

SQLite runs in WAL mode with `synchronous=FULL`: what was acknowledged is on disk. A write
begins with BEGIN IMMEDIATE, so that two writers queue up and never fail half-way; Python's
own transaction handling is switched off for that (`isolation_level=None`).

This module must not know any table.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, Engine, Integer, MetaData, create_engine, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.pool import ConnectionPoolEntry

from eduhub.errors import DiskFull
from eduhub.writers import WAIT_S, Writers

# Types that serve both engines. SQLite counts up a primary key only if it is spelled INTEGER,
# which there holds 64 bits all the same. none_as_null: Python's None is SQL's NULL.
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = BigInteger().with_variant(Integer(), "sqlite")

_AT_ONCE = 400  # values in one IN (...); SQLite takes 32,766 in one statement

# The second: not even the file that connections share can grow.
_NO_ROOM = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"})


def portions(values: Iterable[str]) -> Iterator[list[str]]:
    """Each of some values once, in order, as many at a time as one question takes."""
    ordered = sorted(set(values))
    for at in range(0, len(ordered), _AT_ONCE):
        yield ordered[at : at + _AT_ONCE]


class Base(DeclarativeBase):
    """The parent of every table class."""

    registry = registry(
        type_annotation_map={dict[str, Any]: Json, list[Any]: Json, dict[str, str]: Json, list[str]: Json, list[int]: Json, int: BigInt},
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
    )


class Database:
    """One database and its connections."""

    def __init__(self, url: str) -> None:
        if url.startswith("sqlite:///"):
            file = Path(url.removeprefix("sqlite:///"))
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():  # SQLite would let every user of the machine read names and verifiers
                file.touch(mode=0o600)
        self.url = url
        # Called before a write: its thread may have to wait for others, and for the disk.
        self.on_write: Callable[[], None] = lambda: None
        self.engine: Engine = create_engine(url, **_engine_options(url))
        event.listen(self.engine, "handle_error", _hide_values)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
        self._writers = Writers(self.engine) if self.is_sqlite else None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded engine."""
        return self.url.startswith("sqlite")

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, rolled back by an exception.

        On SQLite the writers of this process come one after the other and may share a sync of the disk (`writers`).
        """
        self.on_write()
        if self._writers is not None:
            with self._writers.turn() as session:
                yield session
            return
        with Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that sees one state of the database and keeps nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            self._begin(session)
            yield session
            session.expunge_all()  # rows that were read stay readable; a rollback would empty them
            session.rollback()

    def _begin(self, session: Session) -> None:
        if self.is_sqlite:
            session.connection().exec_driver_sql("BEGIN")
        else:
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _engine_options(url: str) -> dict[str, Any]:
    # Errors are logged, and what a statement carries may be a child's name.
    quiet: dict[str, Any] = {"hide_parameters": True}
    if url.startswith("sqlite"):
        return quiet | {"connect_args": {"isolation_level": None, "timeout": WAIT_S, "check_same_thread": False}}
    return quiet | {"pool_size": 20, "max_overflow": 60, "pool_pre_ping": True}


def _hide_values(context: ExceptionContext) -> None:
    """Call a full disk by its name, and cut PostgreSQL's errors down to their first line: the DETAIL below it shows
    the row, names and all.
    """
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    if getattr(error, "sqlite_errorname", None) in _NO_ROOM or getattr(error, "sqlstate", None) == "53100":
        raise DiskFull("the database has no room") from error
    diagnosis = getattr(error, "diag", None)
    if diagnosis is None or not diagnosis.message_primary:
        return
    # Class 22 (a value that does not fit) shows the value in the first line too.
    shows_value = str(diagnosis.sqlstate).startswith("22")
    told = f"SQLSTATE {diagnosis.sqlstate}" if shows_value else diagnosis.message_primary
    error.args = (told,)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__module__}.{type(error).__name__}) {told}",)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=60000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
