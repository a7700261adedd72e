"""SQLite's writers: in what order they come, and one sync of the disk for all who came meanwhile.

SQLite has one writer at a time, and what is acknowledged must be on the disk: a sync takes a few milliseconds, on a
memory card fifty. Sixty children who sign in at one moment would wait for sixty of them. So the writers of one process
that stand in line share a transaction: each works in a savepoint of its own, and the one who opened the transaction
commits it for all of them, after those who stood in line when it was done itself. None goes on before that commit is on
the disk, and no reader sees anything earlier. Whoever fails takes back its own savepoint and nobody else's.

This module must not know any table. See docs/decisions/0015-a-class-at-once.md.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, get_ident

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from eduhub import clock

WAIT_S = 60  # for another writer
# Between two looks whether another process is done. SQLite's own waiting sleeps up to 100 ms, in which others are served.
_LOOK_EVERY_S = 0.002


class Line:
    """Threads that take turns, in the order in which they came."""

    def __init__(self) -> None:
        self._lock, self._waiting = Lock(), deque[Lock]()
        self._holder: int | None = None  # a thread, or 0 while the turn is on its way to the next one

    def enter(self, timeout_s: float) -> bool:
        """Wait for the turn; False when it did not come in time. Raises RuntimeError for who has it already."""
        with self._lock:
            if self._holder == get_ident():
                raise RuntimeError("a write inside a write waits for itself")
            if self._holder is None:
                self._holder = get_ident()
                return True
            mine = self._queued()
        came = False
        try:
            came = mine.acquire(timeout=timeout_s)
        finally:
            if not came:
                came = self._give_up(mine)
        if came:
            self._holder = get_ident()
        return came

    def leave(self) -> None:
        """Give the turn to whoever waits longest."""
        with self._lock:
            self._hand_on()

    def let_pass(self) -> None:
        """Let those who wait now go first. Whatever happens meanwhile, the turn is held again afterwards."""
        with self._lock:
            if not self._waiting:
                return
            mine = self._queued()
            self._hand_on()
        interrupted: BaseException | None = None
        while True:
            try:
                mine.acquire()
                break
            except BaseException as error:  # noqa: BLE001 - Ctrl-C: raised below, when nobody is in the middle of a write
                interrupted = error
        self._holder = get_ident()
        if interrupted is not None:
            raise interrupted

    def _queued(self) -> Lock:
        mine = Lock()
        mine.acquire()
        self._waiting.append(mine)
        return mine

    def _give_up(self, mine: Lock) -> bool:
        """Whether the turn came at this very moment."""
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True

    def _hand_on(self) -> None:
        self._holder = 0 if self._waiting else None
        if self._waiting:
            self._waiting.popleft().release()


class _Shared:
    """A transaction that others may still join."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.over = connection, Event()
        self.error: BaseException | None = None


class Writers:
    """The writers of one process at one SQLite database."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._line = engine, Line()
        self._shared: _Shared | None = None

    @contextmanager
    def turn(self) -> Iterator[Session]:
        """A session that may write; what it wrote is on the disk at the end. An exception takes it back."""
        if not self._line.enter(WAIT_S):
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))
        joining = self._join if self._shared is not None else self._open
        with joining() as session:
            yield session

    @contextmanager
    def _open(self) -> Iterator[Session]:
        try:
            with self._engine.connect() as connection:
                _begin(connection)
                with _session(connection, "rollback_only") as session:
                    yield session
                    session.commit()
                self._commit(connection)
        finally:
            self._line.leave()

    def _commit(self, connection: Connection) -> None:
        shared = self._shared = _Shared(connection)
        try:
            self._line.let_pass()
            self._shared = None
            if shared.error is not None:
                raise shared.error
            connection.commit()
        except BaseException as error:
            shared.error = error
            _driver(connection).rollback()  # a commit that failed leaves the transaction open
            raise
        finally:
            self._shared = None
            shared.over.set()

    @contextmanager
    def _join(self) -> Iterator[Session]:
        shared = self._shared
        assert shared is not None
        try:
            with _session(shared.connection, "create_savepoint") as session:
                yield session
                session.commit()
        except BaseException as error:
            if not _is_open(shared.connection):  # a full disk can end the whole transaction: then nobody's was kept
                shared.error = error
            raise
        finally:
            self._line.leave()
        shared.over.wait()
        if shared.error is not None:
            raise shared.error


def _session(connection: Connection, mode: str) -> Session:
    return Session(connection, expire_on_commit=False, join_transaction_mode=mode)  # type: ignore[arg-type]


def _begin(connection: Connection) -> None:
    """Wait for other processes, looking often, and begin."""
    driver = _driver(connection)
    driver.execute("PRAGMA busy_timeout=0")
    try:
        until_s = clock.monotonic_s() + WAIT_S
        while not _began(driver) and clock.monotonic_s() < until_s:
            clock.sleep_s(_LOOK_EVERY_S)
    finally:
        driver.execute(f"PRAGMA busy_timeout={WAIT_S * 1000}")
    if driver.in_transaction:
        connection.begin()
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # says what is wrong


def _began(driver: sqlite3.Connection) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return True


def _is_open(connection: Connection) -> bool:
    return _driver(connection).in_transaction


def _driver(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found
