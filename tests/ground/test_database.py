"""Transactions on both engines, and the fence around the tests."""

import socket
import threading
import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from eduhub.accounts.models import AuditEntry, Person
from eduhub.db import Database
from eduhub.uids import make_uid, new_uid


def _entry(action: str) -> AuditEntry:
    return AuditEntry(uid=new_uid(), at_ms=1, by_uid=None, org_uid=None, action=action, subject_uid=None)


def _count(database: Database) -> int:
    with database.read() as session:
        return session.query(AuditEntry).count()


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as session:
            session.add(_entry("a.b"))
            session.flush()
            raise ZeroDivisionError

    with database.write() as session:
        session.add_all([_entry("a.b"), _entry("a.c")])
    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert _count(database) == 2


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    with database.read() as reader:
        before = reader.query(AuditEntry).count()
        with database.write() as writer:
            writer.add(_entry("a.b"))
        assert reader.query(AuditEntry).count() == before == 0
    assert _count(database) == 1


def test_what_a_reader_writes_is_not_kept(database: Database) -> None:
    def write_in_a_reading_transaction() -> None:
        with database.read() as session:
            session.add(_entry("a.b"))
            session.flush()

    if database.is_sqlite:
        write_in_a_reading_transaction()
    else:
        with pytest.raises(SQLAlchemyError):
            write_in_a_reading_transaction()
    assert _count(database) == 0


def test_rows_that_were_read_can_be_shown_after_the_transaction(database: Database) -> None:
    with database.write() as session:
        session.add(Person(org_uid=make_uid(1, 1), name="Dolma"))
    with database.read() as session:
        dolma = session.query(Person).one()
    assert dolma.name == "Dolma"


def test_two_writers_wait_for_each_other_instead_of_failing(database: Database) -> None:
    failures: list[BaseException] = []
    ready = threading.Barrier(4)

    def add_one() -> None:
        try:
            ready.wait(timeout=60)
            with database.write() as session:
                number = session.query(AuditEntry).count() if database.is_sqlite else 0
                session.add(_entry(f"a.{'x' * number or 'y'}"))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert _count(database) == 4


def test_what_is_acknowledged_is_on_the_disk(database: Database) -> None:
    with database.read() as session:
        if database.is_sqlite:
            assert session.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
            assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        else:
            assert session.execute(text("SHOW transaction_isolation")).scalar() == "repeatable read"


def test_no_test_reaches_another_machine() -> None:
    with socket.socket() as outside, pytest.raises(AssertionError, match="another machine"):
        outside.connect(("192.0.2.1", 80))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside, pytest.raises(AssertionError):
        outside.sendto(b"x", ("192.0.2.1", 53))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as inside:
        inside.connect(server.getsockname())


def test_an_error_of_the_database_shows_no_value(database: Database) -> None:
    secret = new_uid()  # a word that does not stand in this file, whose lines are in the traceback

    def add_twice() -> None:
        statement = text("INSERT INTO audit_entry (uid, at_ms, action) VALUES (:uid, 1, :action)")
        for _ in range(2):
            with database.write() as session:
                session.execute(statement, {"uid": secret, "action": secret})

    def read_wrongly() -> None:
        statement = "SELECT :value FROM no_such_table" if database.is_sqlite else "SELECT CAST(:value AS bigint)"
        with database.read() as session:
            session.execute(text(statement), {"value": secret})

    for call in (add_twice, read_wrongly):
        with pytest.raises(SQLAlchemyError) as failed:
            call()
        told = "".join(traceback.format_exception(failed.value))
        assert "SQL" in told
        assert secret not in told
