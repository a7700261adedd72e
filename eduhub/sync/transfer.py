"""Node: ranges over a few connections to one upstream, over links that lose packets and break.

Several connections, because a lost packet halves one and not all of them; several ranges asked for on each, because a
round trip is long. A connection that has fallen silent while others speak is replaced after long patience: what is on
its way would come twice. When all are silent the link is down: a new connection is tried about every second, and
the first that opens replaces them, sooner than the kernel's own repetition would notice.

Measured in docs/decisions/0016. This module must not know blobs, databases or what the bytes are for.
"""

import random
import selectors
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from eduhub import clock, logs
from eduhub.errors import LinkDown
from eduhub.sync.connection import Address, Broken, Came, Connection, Ended, Range

log = logs.logger(__name__)

DEPTH = 2  # ranges asked for on one connection
# Above this round trip a connection alone cannot fill the link.
LONG_ROUND_TRIP_S, FEW, MANY = 0.25, 2, 4
_TICK_S = 0.1
_KNOCK_S = 1.0  # so often a new connection is tried while the link is down
_KNOCKS_AT_ONCE = 3
_MAX_WAIT_S = 30.0
_LATELY_S = 120.0


def all_silent_s(round_trip_s: float) -> float:
    """After so long without a byte on any connection, the link is taken for down."""
    return max(3.0, 4 * round_trip_s)


def one_silent_s(round_trip_s: float) -> float:
    """After so long without a byte a connection is replaced though others speak."""
    return max(10.0, 8 * round_trip_s)


def wait_s(failures: int, chance: float) -> float:
    """Before the next try after so many in a row (from 1); `chance` is between 0 and 1."""
    return chance * min(_MAX_WAIT_S, 0.5 * 2.0 ** min(failures, 10))


def _chance() -> float:
    return random.random()  # noqa: S311 - so that boxes do not come all at once; nobody gains by guessing it


@dataclass
class Counted:
    """What a transfer did on the wire."""

    bytes: int = 0
    opened: int = 0  # connections
    replaced: int = 0  # connections that had fallen silent
    round_trip_s: float | None = None  # the shortest


@dataclass
class _Line:
    """A connection that carries."""

    connection: Connection
    answered: int = 0
    is_between: bool = True  # the last answer ended, and the next has not begun


class Receiver(Protocol):
    """Who wants bytes."""

    def more(self) -> Range | None:
        """The next range to ask for; None: no other now."""

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        """Bytes of a range; each comes once, in their order within the range."""

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        """A range that the upstream does not give (4xx)."""

    def whole(self, asked: Range) -> None:
        """A range that has come to its end."""


class Carrier(Protocol):
    """What brings ranges: connections, or a courier's folder."""

    def run(self, receiver: Receiver) -> None:
        """Bring all that the receiver wants. Raises LinkDown, and what the receiver raises."""


class Transfer:
    """A carrier over connections to one upstream. Use it as a context manager; its connections stay warm between two runs.

    `patience_s`: so long the link may be silent before LinkDown is raised; what came until then was taken.
    """

    def __init__(self, url: str, *, patience_s: float = 120.0) -> None:
        self._address = Address.of(url)
        self._tls = ssl.create_default_context() if self._address.is_tls else None
        self._patience_s = patience_s
        self._lines: list[_Line] = []
        self._knocks: list[Connection] = []  # connections that are not open yet
        self._back: deque[Range] = deque()  # asked for, and lost with their connection
        self._following: Range | None = None  # what is asked for next
        self._depth = DEPTH
        self._unanswered = 0  # connections that fell silent between two answers
        self._failures = 0
        self._next_knock_s = 0.0
        self._held_until_s = 0.0  # the hub named a time
        self._heard_s = clock.monotonic_s()
        self.counted = Counted()

    def __enter__(self) -> "Transfer":
        return self

    def __exit__(self, *_exception: object) -> None:
        for connection in [*self._knocks, *(line.connection for line in self._lines)]:
            connection.close()

    def run(self, receiver: Receiver) -> None:
        """Get all that the receiver wants, and return when it wants no more. Raises LinkDown, and what the receiver raises."""
        self._heard_s = clock.monotonic_s()
        self._following = receiver.more()
        with selectors.DefaultSelector() as selector:
            while self._following or self._back or any(line.connection.ranges for line in self._lines):
                now_s = clock.monotonic_s()
                if now_s - self._heard_s > self._patience_s:
                    raise LinkDown("nothing comes any more")
                self._ask(receiver, now_s)
                self._look_after(now_s)
                self._carry(selector, receiver)
                self._following = self._following or receiver.more()

    def _ask(self, receiver: Receiver, now_s: float) -> None:
        """Fill the connections, the emptiest first."""
        while now_s >= self._held_until_s and (self._following or self._back):
            free = [line for line in self._lines if len(line.connection.ranges) < self._depth]
            if not free:
                return
            line = min(free, key=lambda line: len(line.connection.ranges))
            if self._back:
                line.connection.ask(self._back.popleft())
            elif self._following:
                line.connection.ask(self._following)
                self._following = receiver.more()

    def _look_after(self, now_s: float) -> None:
        """Replace what has fallen silent; open what is missing."""
        round_trip_s = self.counted.round_trip_s or 0.0
        waiting = [line for line in self._lines if line.connection.ranges]
        silent_s = now_s - max((line.connection.heard_s for line in waiting), default=now_s)
        if silent_s > all_silent_s(round_trip_s):
            self._knock(now_s)  # the first that opens replaces them all: `_opened`
            return
        for line in waiting:
            if now_s - line.connection.heard_s > one_silent_s(round_trip_s):
                self._replace(line)
        wanted = MANY if round_trip_s > LONG_ROUND_TRIP_S else FEW
        has_more = self._following is not None or bool(self._back)
        if len(self._lines) + len(self._knocks) < wanted and (has_more or not self._lines):
            self._knock(now_s)

    def _knock(self, now_s: float) -> None:
        if now_s < max(self._next_knock_s, self._held_until_s):
            return
        if len(self._knocks) >= _KNOCKS_AT_ONCE:
            self._knocks.pop(0).close()
        try:
            self._knocks.append(Connection(self._address, self._tls, now_s))
            self.counted.opened += 1
        except Broken as error:
            self._failed(error, now_s)
        self._next_knock_s = now_s + self._interval_s(now_s)

    def _interval_s(self, now_s: float) -> float:
        """Until the next new connection may be tried: a link that was lost lately comes back soon, a dead one is asked seldom."""
        silent_s = now_s - self._heard_s
        if silent_s > _LATELY_S:
            return _KNOCK_S + wait_s(self._failures, _chance())
        return _KNOCK_S if self._failures or silent_s > all_silent_s(self.counted.round_trip_s or 0.0) else 0.0

    def _failed(self, error: Broken, now_s: float) -> None:
        self._failures += 1
        self._next_knock_s = now_s + self._interval_s(now_s) * (0.5 + _chance())
        log.debug("a connection ended", why=str(error), failures=self._failures)

    def _carry(self, selector: selectors.DefaultSelector, receiver: Receiver) -> None:
        """Wait for the sockets, then read and write where that is possible."""
        by_socket: dict[int, Connection] = {}
        for connection in [*self._knocks, *(line.connection for line in self._lines)]:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.wants_to_write else 0)
            selector.register(connection.fileno(), events)
            by_socket[connection.fileno()] = connection
        ready = selector.select(_TICK_S)
        for number in by_socket:
            selector.unregister(number)
        now_s = clock.monotonic_s()
        for key, _events in ready:
            connection = by_socket[key.fd]
            line = next((line for line in self._lines if line.connection is connection), None)
            if line is None and connection not in self._knocks:
                continue  # replaced by one that was ready before it
            try:
                if line is None:
                    self._open(connection, now_s)
                else:
                    self._read(line, receiver, now_s)
            except Broken as error:
                self._failed(error, now_s)
                self._lose(connection)

    def _open(self, knock: Connection, now_s: float) -> None:
        for _nothing in knock.carry(now_s, may_read=False):
            pass
        if not knock.is_open:
            return
        round_trip_s = knock.round_trip_s or 0.0
        self.counted.round_trip_s = min(round_trip_s, self.counted.round_trip_s or round_trip_s)
        silent = [line for line in self._lines if line.connection.ranges]
        if silent and all(now_s - line.connection.heard_s > all_silent_s(round_trip_s) for line in silent):
            for line in silent:  # the link is back: what the kernel would send again later is asked for anew
                self._replace(line)
            for other in [other for other in self._knocks if other is not knock]:
                self._lose(other)
        self._heard_s, self._next_knock_s = now_s, 0.0
        self._knocks.remove(knock)
        self._lines.append(_Line(knock))

    def _read(self, line: _Line, receiver: Receiver, now_s: float) -> None:
        for event in line.connection.carry(now_s):
            self._heard_s, self._failures = now_s, 0
            if isinstance(event, Came):
                line.is_between = False
                self.counted.bytes += len(event.payload)
                receiver.take(event.range, event.at, event.payload)
            else:
                line.is_between, line.answered = True, line.answered + 1
                self._ended(event, receiver, now_s)

    def _ended(self, answer: Ended, receiver: Receiver, now_s: float) -> None:
        wanted = answer.range
        if answer.status == 206 and wanted.position >= wanted.end:
            receiver.whole(wanted)
        elif answer.status == 206:
            self._back.append(wanted)
        elif answer.status < 500 and answer.status not in (408, 429):
            receiver.refuse(wanted, answer.status, answer.body)
        else:
            self._back.append(wanted)
            self._failures += 1
            asked_for_s = answer.retry_after_s if answer.retry_after_s is not None else wait_s(self._failures, _chance())
            self._held_until_s = now_s + min(asked_for_s, self._patience_s / 2)

    def _replace(self, line: _Line) -> None:
        self.counted.replaced += 1
        if line.answered and line.is_between:
            # Some servers look at the second request only when a third packet comes: ask them for one thing at a time.
            self._unanswered += 1
            if self._unanswered > 1:
                self._depth = 1
        self._lose(line.connection)

    def _lose(self, connection: Connection) -> None:
        """Close a connection; what was asked for on it is asked for again, from the byte it had come to."""
        self._back.extendleft(reversed(connection.ranges))
        connection.close()
        self._knocks = [knock for knock in self._knocks if knock is not connection]
        self._lines = [line for line in self._lines if line.connection is not connection]
