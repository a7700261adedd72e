"""A class writes at once: the writers of one process stand in line and share a sync of the disk (SQLite only)."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from eduhub import writers
from eduhub.accounts.models import AuditEntry
from eduhub.db import Database
from eduhub.errors import DiskFull
from eduhub.uids import new_uid
from eduhub.writers import Line

pytestmark = pytest.mark.one_writer
SOON_S = 60


def _note(session: Session, at_ms: int) -> None:
    session.add(AuditEntry(uid=new_uid(), at_ms=at_ms, by_uid=None, org_uid=None, action="a.b", subject_uid=None))
    session.flush()


def _noted(database: Database) -> list[int]:
    with database.read() as session:
        return sorted(session.scalars(text("SELECT at_ms FROM audit_entry")))


@contextmanager
def _commits(database: Database) -> Iterator[list[Connection]]:
    found: list[Connection] = []
    note = found.append
    event.listen(database.engine, "commit", note)
    yield found
    event.remove(database.engine, "commit", note)


class Class:
    """Children who want to write at the same moment: the first one does, and the others come while it is at it."""

    def __init__(self, database: Database, count: int, act: Callable[[Session, int], None] = _note) -> None:
        self.errors: dict[int, BaseException] = {}
        self.done: list[int] = []
        self._database, self._act = database, act
        self._first_is_in, self._others_wait = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(count)]

    def begin(self) -> None:
        """Start everybody; the first ends when all others stand in line, in the order of their numbers."""
        line = self._database._writers._line  # type: ignore[union-attr]
        self._threads[0].start()
        assert self._first_is_in.wait(SOON_S)
        for number, thread in enumerate(self._threads[1:], start=1):
            thread.start()
            while len(line._waiting) < number:
                thread.join(0.001)
        self._others_wait.set()

    def end(self) -> None:
        for thread in self._threads:
            thread.join(SOON_S)
            assert not thread.is_alive()

    def _write(self, number: int) -> None:
        try:
            with self._database.write() as session:
                if number == 0:
                    self._first_is_in.set()
                    assert self._others_wait.wait(SOON_S)
                self._act(session, number)
            self.done.append(number)
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.errors[number] = error


def test_a_class_that_writes_at_once_waits_for_the_disk_once(database: Database) -> None:
    with _commits(database) as commits:
        children = Class(database, 30)
        children.begin()
        children.end()
    assert children.errors == {}
    assert _noted(database) == list(range(30))
    assert len(commits) == 1


def test_who_comes_while_the_disk_is_waited_for_makes_the_next_transaction(database: Database) -> None:
    held, going_on = threading.Event(), threading.Event()

    def wait(_connection: Connection) -> None:
        held.set()
        assert going_on.wait(SOON_S)

    event.listen(database.engine, "commit", wait)
    children, late = Class(database, 3), threading.Thread(target=_one, args=(database, 9))
    children.begin()
    assert held.wait(SOON_S)
    late.start()
    assert _noted(database) == []  # nobody sees what is not on the disk yet,
    assert children.done == []  # and nobody is told that it was kept
    going_on.set()
    children.end()
    late.join(SOON_S)
    event.remove(database.engine, "commit", wait)
    assert _noted(database) == [0, 1, 2, 9]


def _one(database: Database, number: int) -> None:
    with database.write() as session:
        _note(session, number)


@pytest.mark.parametrize("unlucky", [0, 1, 4])
def test_who_fails_takes_nobody_elses_along(database: Database, unlucky: int) -> None:
    def act(session: Session, number: int) -> None:
        _note(session, number)
        if number == unlucky:
            raise ZeroDivisionError

    children = Class(database, 5, act)
    children.begin()
    children.end()
    assert {number: type(error) for number, error in children.errors.items()} == {unlucky: ZeroDivisionError}
    assert _noted(database) == [number for number in range(5) if number != unlucky]


def test_everybody_hears_of_a_commit_that_failed(database: Database) -> None:
    def fail(_connection: Connection) -> None:
        raise DiskFull("no room")

    event.listen(database.engine, "commit", fail)
    children = Class(database, 4)
    children.begin()
    children.end()
    event.remove(database.engine, "commit", fail)
    assert {number: type(error) for number, error in children.errors.items()} == dict.fromkeys(range(4), DiskFull)
    assert _noted(database) == []
    _one(database, 7)
    assert _noted(database) == [7]


def test_when_the_whole_transaction_ends_early_nobody_is_told_that_it_was_kept(database: Database) -> None:
    def act(session: Session, number: int) -> None:
        _note(session, number)
        if number == 2:  # what SQLite does by itself when it finds no room for a page
            session.connection().exec_driver_sql("ROLLBACK")
            raise DiskFull("no room")

    children = Class(database, 3, act)
    children.begin()
    children.end()
    assert set(children.errors) == {0, 1, 2}
    assert children.done == []
    assert _noted(database) == []
    _one(database, 7)
    assert _noted(database) == [7]


def test_the_turn_goes_by_who_came_first(database: Database) -> None:
    order: list[int] = []
    children = Class(database, 12, lambda _session, number: order.append(number))
    children.begin()
    children.end()
    assert order == list(range(12))


def test_two_processes_take_turns(database: Database) -> None:
    other = Database(database.url)  # a process has one of its own
    both = [threading.Thread(target=_some, args=(place, first)) for place, first in ((database, 0), (other, 100))]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(SOON_S)
    other.close()
    assert _noted(database) == [*range(40), *range(100, 140)]


def _some(database: Database, first: int) -> None:
    for number in range(first, first + 40):
        _one(database, number)


def test_a_write_inside_a_write_says_so_at_once(database: Database) -> None:
    with pytest.raises(RuntimeError, match="waits for itself"), database.write(), database.write():
        pass
    _one(database, 1)
    assert _noted(database) == [1]


def test_who_waits_too_long_is_told_that_the_database_is_locked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "WAIT_S", 0.05)
    told: list[BaseException] = []

    def write() -> None:
        try:
            _one(database, 2)
        except OperationalError as error:
            told.append(error)

    with database.write() as session:
        _note(session, 1)
        waiting = threading.Thread(target=write)
        waiting.start()
        waiting.join(SOON_S)
    assert "database is locked" in str(told[0])
    assert _noted(database) == [1]


def test_ctrl_c_while_others_pass_is_raised_when_none_is_in_the_middle_of_a_write(request: pytest.FixtureRequest) -> None:
    line, seen = Line(), list[str]()
    # A shell lets what it runs in the background ignore Ctrl-C.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler)))

    def pass_by() -> None:
        line.enter(SOON_S)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        threading.Event().wait(0.1)
        seen.append("passed")
        line.leave()

    line.enter(SOON_S)
    other = threading.Thread(target=pass_by)
    other.start()
    while not line._waiting:
        other.join(0.001)
    with pytest.raises(KeyboardInterrupt):
        line.let_pass()
    seen.append("raised")
    line.leave()
    other.join(SOON_S)
    assert seen == ["passed", "raised"]
    assert line.enter(0)


def test_sixty_threads_lose_nothing_and_keep_their_order(database: Database) -> None:
    def count(number: int) -> None:
        with database.write() as session:
            highest = session.scalar(text("SELECT coalesce(max(at_ms), 0) FROM audit_entry"))
            _note(session, highest + 1)
            if number % 7 == 0:
                raise ZeroDivisionError

    def come(number: int) -> None:
        try:
            count(number)
        except ZeroDivisionError:
            failed.append(number)

    failed: list[int] = []
    threads = [threading.Thread(target=come, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    found = _noted(database)
    assert len(failed) == 9
    assert len(found) == 51
    assert all(later == earlier + 1 for earlier, later in pairwise(found))
