"""The shelf of what is the same for many: made once, bounded, and never stopped by a failure."""

import threading

import pytest

from eduhub.web.kept import Shelf

THREADS = 20


def together(shelf: Shelf, make: object) -> tuple[list[object], list[Exception]]:
    """Twenty threads ask for one key at once: what they got, and what they were told."""
    got: list[object] = []
    told: list[Exception] = []
    start = threading.Barrier(THREADS)

    def ask() -> None:
        start.wait()
        try:
            got.append(shelf.take("key", make))  # type: ignore[arg-type]
        except ValueError as error:
            told.append(error)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return got, told


def test_twenty_who_want_the_same_make_it_once() -> None:
    shelf, made, everyone_waits = Shelf(10), [], threading.Event()

    def make() -> object:
        made.append(1)
        everyone_waits.wait(0.2)  # long enough for the others to come and wait
        return made

    got, told = together(shelf, make)
    assert (len(made), len(got), told) == (1, THREADS, [])
    assert all(value is made for value in got)


def test_what_is_too_much_for_the_shelf_is_still_made_once_for_those_who_wait() -> None:
    shelf, made, pause = Shelf(10), [], threading.Event()

    def make() -> str:
        made.append(1)
        pause.wait(0.2)
        return "much"

    shelf.take("other", lambda: "small")
    start = threading.Barrier(2)

    def ask() -> None:
        start.wait()
        assert shelf.take("key", make, lambda _value: 11) == "much"

    thread = threading.Thread(target=ask)
    thread.start()
    ask()
    thread.join()
    assert len(made) == 1
    shelf.take("key", make, lambda _value: 11)
    assert len(made) == 2


def test_a_failure_is_told_to_each_and_kept_for_nobody() -> None:
    shelf, tried = Shelf(10), []

    def make() -> object:
        tried.append(1)
        raise ValueError(len(tried))

    got, told = together(shelf, make)
    assert (got, len(told), len(tried)) == ([], THREADS, THREADS)
    assert shelf.take("key", lambda: "now") == "now"


def test_after_one_failure_the_next_of_those_who_wait_makes_it() -> None:
    shelf, tried, pause = Shelf(10), [], threading.Event()

    def make() -> str:
        tried.append(1)
        pause.wait(0.1)
        if len(tried) == 1:
            raise ValueError
        return "made"

    got, told = together(shelf, make)
    assert (len(tried), len(told), got) == (2, 1, ["made"] * (THREADS - 1))


def test_one_key_does_not_wait_for_another() -> None:
    shelf, first_runs, second_is_done = Shelf(10), threading.Event(), threading.Event()

    def slow() -> str:
        first_runs.set()
        assert second_is_done.wait(10)
        return "slow"

    thread = threading.Thread(target=lambda: shelf.take("slow", slow))
    thread.start()
    assert first_runs.wait(10)
    assert shelf.take("quick", lambda: "quick") == "quick"
    second_is_done.set()
    thread.join()


def test_the_least_recently_used_goes_first_and_the_weight_stays_below_the_limit() -> None:
    shelf = Shelf(10)
    for name in ("a", "b"):
        shelf.take(name, lambda name=name: name, lambda _value: 4)
    shelf.take("a", lambda: pytest.fail("it is kept"))
    shelf.take("c", lambda: "c", lambda _value: 4)
    assert shelf.take("a", lambda: "made anew") == "a"
    assert shelf.take("b", lambda: "made anew") == "made anew"


def test_a_shelf_that_was_emptied_makes_everything_anew() -> None:
    shelf = Shelf(10)
    shelf.take("a", lambda: "old")
    shelf.forget()
    assert shelf.take("a", lambda: "new") == "new"
