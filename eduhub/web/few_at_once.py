"""A few requests are worked on at once; the others wait, in the order in which they came.

Python runs one thread of a process at a time. Thirty that make pages at once take the turn from each other all the time, also
from the one for whom all writers wait, and each is done as late as the last.

A request stops counting when it begins to write (then it waits for the disk, and others can go on) and after a moment in any case:
whoever takes longer waits for something else than the processor, a slow line or another process. So nothing closes this
door, however many hold on to their places.

This module must not know any page. See docs/decisions/0015-a-class-at-once.md.
"""

from collections import deque
from collections.abc import Iterable
from threading import Lock, local
from typing import TYPE_CHECKING

from eduhub import clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AT_ONCE = 4
COUNTS_FOR_S = 0.25


class FewAtOnce:
    """WSGI middleware that lets `most` requests at once through to `app`. What an answer streams is not waited for."""

    def __init__(self, app: "WSGIApplication", most: int = AT_ONCE, counts_for_s: float = COUNTS_FOR_S) -> None:
        self._app, self._most, self._counts_for_s = app, most, counts_for_s
        self._lock, self._waiting = Lock(), deque[Lock]()
        self._inside: dict[Lock, float] = {}  # since when, by the steady clock
        self._mine = local()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        self._mine.place = self._enter()
        try:
            return self._app(environ, start_response)
        finally:
            self.step_aside()

    def step_aside(self) -> None:
        """The request of this thread no longer counts. Safe to repeat, and outside of a request."""
        place = getattr(self._mine, "place", None)
        with self._lock:
            if place is not None and self._inside.pop(place, None) is not None:
                self._let_in()

    def _enter(self) -> Lock:
        place = Lock()
        place.acquire()
        with self._lock:
            self._waiting.append(place)
            self._let_in()
        while not place.acquire(timeout=self._counts_for_s):
            with self._lock:
                self._let_in()
        return place

    def _let_in(self) -> None:
        now_s = clock.monotonic_s()
        counted = sum(now_s - since_s < self._counts_for_s for since_s in self._inside.values())
        while self._waiting and counted < self._most:
            place = self._waiting.popleft()
            self._inside[place] = now_s
            counted += 1
            place.release()
