"""A week of changes at once, and two boxes that come home at the same moment."""

import threading
from collections.abc import Callable

from sqlalchemy import event, func, select

from eduhub import changes
from eduhub.accounts.models import Person
from eduhub.changes import Change, FieldChange
from eduhub.db import Database
from eduhub.uids import make_uid

ORG, FIRST, SECOND = make_uid(1, 1), make_uid(3, 1), make_uid(3, 2)


def _people(count: int, machine: str, counter: int, name: str) -> list[FieldChange]:
    return [
        FieldChange("person", make_uid(2, number), field, counter, machine, ORG, value, 0)
        for number in range(count)
        for field, value in (("org_uid", ORG), ("name", f"{name} {number}"), ("language", "bo"), ("picture", None))
    ]


def test_five_thousand_changes_need_few_statements_each_row(database: Database) -> None:
    statements = 0

    def count(*_arguments: object) -> None:
        nonlocal statements
        statements += 1

    arrived = _people(1250, FIRST, 1, "Dolma")
    event.listen(database.engine, "before_cursor_execute", count)
    with database.write() as session:
        assert len(changes.merge(session, arrived)) == 1250
    first, statements = statements, 0
    with database.write() as session:
        assert changes.merge(session, arrived) == set()
    event.remove(database.engine, "before_cursor_execute", count)
    # SQLite cannot hand back the places of many rows in order, so there each change is one statement.
    each_change = 5000 if database.is_sqlite else 0
    assert first < each_change + 1250 + 200, "one to write each row, and little beside"
    assert statements < 50, "what is known costs no writing"
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Person)) == 1250


def test_two_merges_at_the_same_time_leave_the_winner_that_one_after_the_other_would(database: Database) -> None:
    batches = [_people(60, FIRST, 7, "first"), _people(60, SECOND, 7, "second"), _people(60, FIRST, 3, "late")]
    ready = threading.Barrier(len(batches))
    failures: list[BaseException] = []

    def merge(batch: list[FieldChange]) -> None:
        try:
            ready.wait(timeout=60)
            with database.write() as session:
                changes.merge(session, batch)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=merge, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as session:
        assert {person.name.split()[0] for person in session.scalars(select(Person))} == {"second"}
        assert session.scalar(select(func.count()).select_from(Change)) == 3 * 60 * 4


def test_writers_on_one_machine_never_share_a_version(database: Database) -> None:
    ready = threading.Barrier(4)
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            ready.wait(timeout=60)
            for turn in range(5):
                with database.write() as session:
                    session.add(Person(org_uid=ORG, name=f"{number} {turn}"))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as session:
        rows = session.execute(select(Change.seq, Change.counter, Change.machine_uid, Change.row_uid).order_by(Change.seq)).all()
    assert len({row.machine_uid for row in rows}) == 1
    assert len({(row.counter, row.row_uid) for row in rows}) == len({row.counter for row in rows}) == 20
    assert [row.counter for row in rows] == sorted(row.counter for row in rows), "the log has the order of the commits"


def test_a_person_who_is_written_while_being_merged_is_right_on_both(
    database: Database, second_database: Callable[[], Database]
) -> None:
    other = second_database()
    with database.write() as session:
        changes.merge(session, _people(1, FIRST, 1, "Dolma"))
    with database.write() as session:
        dolma = session.get_one(Person, make_uid(2, 0))
        dolma.language = "zh"
        changes.merge(session, _people(1, SECOND, 1, "Dolkar"))
        dolma.picture = "yak"
    with database.read() as session:
        log = [changes.FieldChange.from_json(c.as_json()) for c in changes.history(session, "person", make_uid(2, 0))]
        here = [c.value for c in changes.versions(session, "person", make_uid(2, 0))]
    with other.write() as session:
        changes.merge(session, log)
        assert [c.value for c in changes.versions(session, "person", make_uid(2, 0))] == here
        assert session.get_one(Person, make_uid(2, 0)).picture == "yak"
