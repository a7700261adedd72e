"""How often somebody may try to sign in, whatever the clock says and however many processes count."""

import threading

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts import tries
from eduhub.accounts.models import TryCounter
from eduhub.accounts.tries import Counted, Limit
from eduhub.db import Database
from eduhub.errors import TooManyTries
from tests import meeting

SECRET = b"s" * 32
LIMIT = Limit("name", 3, 60)
TASHI = tries.counted(LIMIT, SECRET, "tashi")
PEMA = tries.counted(LIMIT, SECRET, "pema")


def take(database: Database, now_s: float, *which: Counted) -> None:
    with database.write() as session:
        tries.take(session, now_s, which)


def waits(database: Database, now_s: float, *which: Counted) -> int:
    with pytest.raises(TooManyTries) as refused, database.write() as session:
        tries.take(session, now_s, which)
    return int(refused.value.facts["seconds"])


def test_after_a_few_tries_the_next_has_to_wait_and_is_told_how_long(database: Database) -> None:
    for _ in range(3):
        take(database, 1000, TASHI)
    assert waits(database, 1000, TASHI) == 60
    assert waits(database, 1050.5, TASHI) == 10
    take(database, 1060, TASHI)
    assert waits(database, 1060, TASHI) == 60


def test_one_name_says_nothing_about_another(database: Database) -> None:
    for _ in range(3):
        take(database, 1000, TASHI)
    take(database, 1000, PEMA)


def test_a_try_that_was_right_is_taken_back(database: Database) -> None:
    for _ in range(20):
        take(database, 1000, TASHI)
        with database.write() as session:
            tries.give_back(session, 1000, [TASHI])


@pytest.mark.two_writers
def test_who_makes_a_counter_and_who_holds_one_do_not_wait_for_each_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, turns, others = tries._make_room, iter(("here", "between", "other")), list[meeting.Act]()
    other_came, over = threading.Event(), threading.Event()

    def make_room(session: Session, now_ms: int) -> None:
        turn = next(turns)
        if turn == "here":  # it has found neither counter; now Pema's is made, and somebody finds only Tashi's missing
            take(database, 1000, PEMA)
            others.append(meeting.Act(lambda: take(database, 1000, PEMA, TASHI)))
            assert other_came.wait(60)
        elif turn == "other":
            other_came.set()
            meeting.until(lambda: meeting.waiting(database) > 0 or over.is_set())
        real(session, now_ms)

    monkeypatch.setattr(tries, "_make_room", make_room)
    take(database, 1000, TASHI, PEMA)
    over.set()
    others[0].done()
    assert waits(database, 1000, PEMA) == 60
    take(database, 1000, TASHI)


def test_a_refused_try_counts_nowhere(database: Database) -> None:
    for _ in range(3):
        take(database, 1000, TASHI)
    for _ in range(5):
        waits(database, 1000, PEMA, TASHI)
    for _ in range(3):
        take(database, 1000, PEMA)


def test_what_is_forgotten_is_forgotten_at_once(database: Database) -> None:
    for _ in range(3):
        take(database, 1000, TASHI)
    with database.write() as session:
        tries.forget(session, [TASHI])
    take(database, 1000, TASHI)


def test_a_wrong_wall_clock_keeps_nobody_out_and_lets_nobody_in(database: Database) -> None:
    for _ in range(3):
        take(database, 1000, TASHI)
    clock.freeze(4_070_908_800_000)  # 2099
    assert waits(database, 1000, TASHI) == 60
    clock.freeze(0)
    assert waits(database, 1000, TASHI) == 60


def test_a_steady_clock_that_was_set_up_anew_keeps_nobody_out(database: Database) -> None:
    for _ in range(3):
        take(database, 9_000_000, TASHI)
    for _ in range(3):
        take(database, 5, TASHI)
    assert waits(database, 5, TASHI) == 60


def test_many_tries_at_the_same_moment_are_counted_one_by_one(database: Database) -> None:
    let_through: list[int] = []
    start = threading.Barrier(8)

    def guess() -> None:
        start.wait()
        for _ in range(3):
            try:
                take(database, 1000, TASHI, PEMA)
                let_through.append(1)
            except TooManyTries:
                pass

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_through) == 3


def test_whoever_invents_names_fills_no_disk_and_the_worst_counters_stay(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "MOST_COUNTERS", 50)
    for _ in range(3):
        take(database, 1000, TASHI)
    for number in range(120):
        take(database, 1000 + number / 10, tries.counted(LIMIT, SECRET, f"name{number}"))
        with database.read() as session:
            assert (session.scalar(select(func.count()).select_from(TryCounter)) or 0) <= 50
    assert waits(database, 1012, TASHI) > 0


def test_a_counter_says_nothing_of_the_name(database: Database) -> None:
    take(database, 1000, TASHI)
    with database.read() as session:
        (row,) = session.scalars(select(TryCounter))
    assert "tashi" not in row.key
    assert row.key != tries.counted(LIMIT, b"t" * 32, "tashi").key


