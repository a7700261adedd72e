"""Thirty children at one moment: a few requests are worked on at once, and nobody can hold the door shut."""

import threading
from collections.abc import Callable, Iterable

import pytest

from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.web.few_at_once import FewAtOnce

SOON_S = 60


class Crowd:
    """Requests, each in a thread of its own."""

    def __init__(self, few: FewAtOnce) -> None:
        self._few, self._threads = few, list[threading.Thread]()

    def send(self, name: str) -> threading.Thread:
        made = threading.Thread(target=self._few, args=({"name": name}, lambda *_: None))
        self._threads.append(made)
        made.start()
        return made

    def send_in_line(self, name: str) -> None:
        """One that has to wait, and does before the next is sent."""
        before = len(self._few._waiting)
        self.send(name)
        while len(self._few._waiting) == before:
            threading.Event().wait(0.001)

    def end(self) -> None:
        for thread in self._threads:
            thread.join(SOON_S)
            assert not thread.is_alive()


class Work:
    """What a request does: it tells that it has begun, and ends when it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.most, self._inside, self._lock = 0, 0, threading.Lock()
        self._told, self._go = threading.Condition(), threading.Event()
        self.while_inside: Callable[[str], None] = lambda _name: None

    def __call__(self, environ: dict[str, str], _start: object) -> Iterable[bytes]:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        with self._told:
            self.begun.append(environ["name"])
            self._told.notify_all()
        try:
            self.while_inside(environ["name"])
            assert self._go.wait(SOON_S)
        finally:
            with self._lock:
                self._inside -= 1
        return [b"made"]

    def wait_for(self, *names: str) -> None:
        with self._told:
            assert self._told.wait_for(lambda: set(names) <= set(self.begun), SOON_S)

    def let_go(self) -> None:
        self._go.set()


def test_of_thirty_children_four_are_served_at_once() -> None:
    work = Work()
    crowd = Crowd(FewAtOnce(work, most=4, counts_for_s=SOON_S))
    for name in "abcd":
        crowd.send(name)
        work.wait_for(name)
    for number in range(26):
        crowd.send_in_line(f"{number:02}")
    assert work.begun == ["a", "b", "c", "d"]
    work.let_go()
    crowd.end()
    assert work.most == 4
    assert len(work.begun) == 30


def test_whoever_came_first_is_served_first() -> None:
    work = Work()
    crowd = Crowd(FewAtOnce(work, most=1, counts_for_s=SOON_S))
    crowd.send("first")
    work.wait_for("first")
    for number in range(20):
        crowd.send_in_line(f"{number:02}")
    work.let_go()
    crowd.end()
    assert work.begun == ["first", *(f"{number:02}" for number in range(20))]


def test_slow_lines_hold_their_places_for_a_moment_only() -> None:
    work = Work()
    crowd = Crowd(FewAtOnce(work, most=2, counts_for_s=0.05))
    for name in ("slow", "slower", "quick", "quicker"):
        crowd.send(name)
    work.wait_for("slow", "slower", "quick", "quicker")  # and none of them has ended
    work.let_go()
    crowd.end()


def test_a_request_that_fails_makes_room() -> None:
    def fail(_environ: object, _start: object) -> Iterable[bytes]:
        raise ZeroDivisionError

    few = FewAtOnce(fail, most=1, counts_for_s=SOON_S)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            few({}, lambda *_: None)  # type: ignore[arg-type]


def test_who_waits_for_the_disk_lets_the_next_one_begin(installation: Installation) -> None:
    work = Work()
    few = FewAtOnce(work, most=1, counts_for_s=SOON_S)
    installation.database.on_write = few.step_aside

    def write(name: str) -> None:
        if name == "writes":
            with installation.database.write():
                work.wait_for("reads")

    work.while_inside = write
    crowd = Crowd(few)
    crowd.send("writes")
    work.wait_for("writes")
    crowd.send("reads")
    work.wait_for("reads")
    work.let_go()
    crowd.end()


def test_pages_are_behind_it(installation: Installation) -> None:
    app = create_app(installation=installation)
    with installation.database.write():
        pass
    assert isinstance(installation.database.on_write.__self__, FewAtOnce)  # type: ignore[attr-defined]
    assert app.test_client().get("/sign-in").status_code == 200
