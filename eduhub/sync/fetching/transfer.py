"""Node: ranges over a few connections to one upstream, over links that lose packets and break.

Several connections, because a lost packet halves one and not all of them; several ranges asked for on each, because a
round trip is long. A connection that has fallen silent while others speak is replaced after long patience: what is on
its way would come twice. When all are silent the link is down: a new connection is tried about every second, and
the first that opens replaces them, sooner than the kernel's own repetition would notice. Who brings the last of all far too slowly
gives it to the others (`stragglers`).

Only bytes of a part are progress: whoever accepts connections and answers with anything else is given up after a while.
Silence is counted while we listen, so that a slow disk here is not taken for a link that is down.

Measured in docs/decisions/0016. This module must not know blobs, databases or what the bytes are for.
"""

import random
import selectors
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from eduhub import clock, logs
from eduhub.errors import LinkDown
from eduhub.sync.fetching.address import Address, trust
from eduhub.sync.fetching.carrier import Receiver
from eduhub.sync.fetching.connection import Broken, Came, Connection, Ended, Range
from eduhub.sync.fetching.knocking import Door
from eduhub.sync.fetching.meter import Meter
from eduhub.sync.fetching.pace import Pace
from eduhub.sync.fetching.patience import all_silent_s, next_knock_s, one_silent_s, wait_s
from eduhub.sync.fetching.stragglers import Stragglers

log = logs.logger(__name__)

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

DEPTH = 2  # ranges asked for on one connection, ...
SMALL_BYTES, MOST = 48 << 10, 8  # ... and more while they are small and all is well: else each costs its share of a round trip
# How many connections: the longer a round trip, the longer one of them needs to come back from a lost packet.
FEW, MANY = 2, 6
_LINES = ((0.25, MANY), (0.05, 4))  # above so many seconds
MAX_TRIES = 8  # of a range, without a byte: half a minute when nothing else comes either, some seconds otherwise
AHEAD_S = 10.0  # one that has not opened by then will be tried anew
_BROKE = 502  # the status of an answer that was none
_TICK_S = 0.1


def _chance() -> float:
    return random.random()  # noqa: S311 - so that boxes do not come all at once; nobody gains by guessing it


@dataclass
class Counted:
    """What a transfer did on the wire."""

    bytes: int = 0
    opened: int = 0  # connections
    replaced: int = 0  # connections that had fallen silent, or crawled
    round_trip_s: float | None = None  # the shortest


class Transfer:
    """A `Carrier` over connections to one upstream. Use it as a context manager; its connections stay warm between two runs.

    `patience_s`: so long no byte of a part may come before LinkDown is raised; what came until then was taken.
    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None, patience_s: float = 120.0) -> None:
        address = Address.of(url)
        self.meter = Meter()  # what passed its sockets, headers and all
        self.pace = Pace()  # as fast as it comes
        self._door = Door(address, (tls or trust(url)) if address.is_tls else None, self.meter)
        self._patience_s = patience_s
        self._lines: list[Connection] = []  # they carry
        self._back: deque[Range] = deque()  # asked for, and lost with their connection
        self._following: Range | None = None  # what is asked for next
        self._depth = DEPTH
        self._stragglers = Stragglers()
        self._unanswered = 0  # connections that fell silent before a second answer
        self._failures, self._why = 0, ""  # since the last byte of a part, and the last of them
        self._elsewhere_s = 0.0  # in which we did not listen
        self._came_s = self._spoke_s = 0.0  # the last byte of a part; also a connection that opened
        self._next_knock_s = 0.0
        self._held_until_s = 0.0  # the hub asked for a pause
        self.counted = Counted()

    def __enter__(self) -> "Transfer":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._door.keep(0)
        for line in self._lines:
            line.close()

    def open_ahead(self) -> None:
        """Begin to connect, so that what will be asked for first need not wait for that; returns at once."""
        try:
            self._door.look_up()
            most = self._wanted_lines() if self.counted.round_trip_s else MANY
            while len(self._lines) + len(self._door.knocks) < most:
                self.counted.opened += self._door.knock(self._now_s())
        except Broken as error:  # `run` will try again
            log.debug("nothing was opened ahead", why=str(error))

    def run(self, receiver: Receiver) -> None:
        """Get all that the receiver wants, and return when it wants no more. Raises LinkDown, and what the receiver raises."""
        self._begin_anew()
        self._let_in(receiver)
        self._following = self._aside(receiver.more)
        with selectors.DefaultSelector() as selector:
            while self._following or self._back or any(line.ranges for line in self._lines):
                self._aside(receiver.turn)
                now_s = self._now_s()
                if now_s - self._came_s > self._patience_s:
                    raise LinkDown(f"nothing comes any more; {self._why or 'all is silent'}")
                self._ask(receiver, now_s)
                self._look_after(receiver, now_s)
                self._carry(selector, receiver)
                self._following = self._following or self._aside(receiver.more)

    def _begin_anew(self) -> None:
        """Forget what an earlier run asked for that did not come to its end."""
        for line in [line for line in self._lines if line.ranges]:
            line.close()
            self._lines.remove(line)
        self._back.clear()
        self._came_s = self._spoke_s = self._now_s()
        self._stragglers = Stragglers()

    def _let_in(self, receiver: Receiver) -> None:
        """Take up what was opened ahead; a server soon hangs up on who does not speak."""
        now_s = self._now_s()
        for knock in list(self._door.knocks):
            try:
                self._open(knock, receiver, now_s)
            except Broken:
                self._door.drop(knock)
            if knock in self._door.knocks and now_s - knock.begun_s > AHEAD_S:
                self._door.drop(knock)

    def _now_s(self) -> float:
        """A clock that stands still while the receiver works."""
        return clock.monotonic_s() - self._elsewhere_s

    def _aside(self, call: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        """Call the receiver: the time that it takes is nobody's silence."""
        began_s = clock.monotonic_s()
        try:
            return call(*given, **named)
        finally:
            self._elsewhere_s += clock.monotonic_s() - began_s

    def _ask(self, receiver: Receiver, now_s: float) -> None:
        """Fill the connections, the emptiest first."""
        while now_s >= self._held_until_s and (self._following or self._back):
            free = [line for line in self._lines if self._has_room(line)]
            if not free:
                return
            line = min(free, key=lambda line: (line.coming, -line.heard_s))  # of those with nothing to do whoever spoke last
            if self._back:
                line.ask(self._back.popleft(), now_s)
            elif self._following:
                line.ask(self._following, now_s)
                self._following = self._aside(receiver.more)

    def _has_room(self, line: Connection) -> bool:
        asked, is_well = len(line.ranges), self._depth == DEPTH and not self._failures and not self._back
        return asked < self._depth or (is_well and asked < MOST and line.coming < SMALL_BYTES)

    # --- connections ----------------------------------------------------------------

    def _look_after(self, receiver: Receiver, now_s: float) -> None:
        """Replace what has fallen silent or crawls; open what is missing."""
        round_trip_s = self.counted.round_trip_s or 0.0
        self._door.give_up_old(now_s, round_trip_s)
        if self._is_down(now_s):
            self._knock(now_s)  # the first that opens replaces them all: `_open`
            self._stragglers.look_anew(now_s)
            return
        for line in [line for line in self._lines if line.ranges]:
            if now_s - line.heard_s > one_silent_s(round_trip_s):
                if line.is_stuck_between:
                    # Some servers look at the second request only when a third packet comes: ask them for one thing at a time.
                    self._unanswered += 1
                    self._depth = 1 if self._unanswered > 1 else self._depth
                self._replace(line, receiver)
        has_more = self._following is not None or bool(self._back)
        self._door.buffer = self.pace.buffer(self._wanted_lines())
        straggler = self._stragglers.look(self._lines, now_s, round_trip_s)
        # Under a ceiling all are slow; and while the hub has asked for a pause nobody else may bring it.
        if straggler is not None and not has_more and self._door.buffer is None and now_s >= self._held_until_s:
            self._replace(straggler, receiver)
        for line in self._lines:
            line.keep_unread(self._door.buffer)
        missing = self._wanted_lines() - len(self._lines)
        self._door.keep(missing)  # while the link was down there were more
        if len(self._door.knocks) < missing and (has_more or not self._lines):
            self._knock(now_s)

    def _wanted_lines(self) -> int:
        round_trip_s = self.counted.round_trip_s or 0.0
        return self.pace.connections(next((lines for longer_s, lines in _LINES if round_trip_s > longer_s), FEW), FEW)

    def _is_down(self, now_s: float) -> bool:
        """Whether all are silent of whom something was asked; without any, whether none could be opened for as long."""
        waiting = [line.heard_s for line in self._lines if line.ranges]
        heard_s = max(waiting) if waiting else now_s if self._lines else self._spoke_s
        return now_s - heard_s > all_silent_s(self.counted.round_trip_s or 0.0)

    def _knock(self, now_s: float) -> None:
        if now_s < max(self._next_knock_s, self._held_until_s):
            return
        try:
            self._door.look_up()
            now_s = self._now_s()  # that may have taken its time
            self.counted.opened += self._door.knock(now_s)
        except Broken as error:
            self._failed(error)
            return
        self._next_knock_s = now_s + self._until_again_s(now_s)

    def _until_again_s(self, now_s: float) -> float:
        """Until the next new connection may be tried: at once where all is well."""
        return next_knock_s(self.counted.round_trip_s or 0.0) if self._failures or self._is_down(now_s) else 0.0

    def _failed(self, error: Broken) -> None:
        self._failures, self._why = self._failures + 1, str(error)
        now_s = self._now_s()
        self._next_knock_s = now_s + self._until_again_s(now_s) * (0.5 + _chance())
        log.debug("a connection ended", why=self._why, failures=self._failures)

    def _open(self, knock: Connection, receiver: Receiver, now_s: float) -> None:
        for _nothing in knock.carry(now_s, may_read=False):
            pass
        round_trip_s = knock.round_trip_s or 0.0
        if round_trip_s:  # known before TLS has come to its end, and with it how many others are needed
            self.counted.round_trip_s = min(round_trip_s, self.counted.round_trip_s or round_trip_s)
        if not knock.is_open:
            return
        self._door.let_in(knock)
        waiting = [line for line in self._lines if line.ranges]
        if waiting and all(now_s - line.heard_s > all_silent_s(round_trip_s) for line in waiting):
            for line in waiting:  # the link is back: what the kernel would send again later is asked for anew
                self._replace(line, receiver)
            self._door.keep(0)
        elif len(self._lines) >= self._wanted_lines():
            knock.close()  # one that was silent speaks again
            return
        self._spoke_s, self._next_knock_s = now_s, 0.0
        self._lines.append(knock)

    def _replace(self, line: Connection, receiver: Receiver) -> None:
        self.counted.replaced += 1
        self._lose(line, receiver)

    def _lose(self, line: Connection, receiver: Receiver, at_fault: Range | None = None) -> None:
        """Close a connection; what was asked for on it is asked for again, from the byte it had come to."""
        line.close()
        self._lines.remove(line)
        for wanted in reversed(line.ranges):
            if wanted.position >= wanted.end:  # only the end of the answer was lost
                self._aside(receiver.whole, wanted)
            elif wanted is at_fault:
                self._try_again(wanted, receiver, _BROKE)
            else:
                self._back.appendleft(wanted)

    # --- what comes -----------------------------------------------------------------

    def _carry(self, selector: selectors.DefaultSelector, receiver: Receiver) -> None:
        """Wait for the sockets, then read and write where that is possible."""
        for connection in self._ready(selector):
            now_s = self._now_s()
            try:
                if connection in self._lines:
                    self._read(connection, receiver, now_s)
                elif connection in self._door.knocks:  # else replaced by one that was ready before it
                    self._open(connection, receiver, now_s)
            except Broken as error:
                self._failed(error)
                if connection in self._lines:
                    self._lose(connection, receiver, error.answer_to)
                else:
                    self._door.failed(connection)

    def _ready(self, selector: selectors.DefaultSelector) -> list[Connection]:
        """Wait for the sockets, and for the pace; the connections on which something can be done."""
        began_s = clock.monotonic_s()
        may_read = self.pace.room(began_s) != 0
        by_socket: dict[int, Connection] = {}
        for connection in [*self._door.knocks, *self._lines]:
            reads = selectors.EVENT_READ if may_read or connection not in self._lines else 0
            events = reads | (selectors.EVENT_WRITE if connection.wants_to_write else 0)
            if events:
                selector.register(connection.fileno(), events)
                by_socket[connection.fileno()] = connection
        unseen = [line for line in self._lines if may_read and line.has_unseen]
        found = [by_socket[key.fd] for key, _events in selector.select(0 if unseen else min(_TICK_S, self.pace.wait_s() or _TICK_S))]
        for number in by_socket:
            selector.unregister(number)
        if not may_read:
            self._elsewhere_s += clock.monotonic_s() - began_s  # nobody is silent: we do not listen
        # Whoever was read the last is the first, so that a narrow room does not starve the others.
        ready = dict.fromkeys([*found, *unseen])
        return sorted(ready, key=lambda connection: connection.heard_s)

    def _read(self, line: Connection, receiver: Receiver, now_s: float) -> None:
        room = self.pace.room(clock.monotonic_s())
        before = line.read
        try:
            self._take_in(line.carry(now_s, most=room), receiver, now_s)
        finally:
            self.pace.took(line.read - before)

    def _take_in(self, events: Iterator[Came | Ended], receiver: Receiver, now_s: float) -> None:
        for event in events:
            if isinstance(event, Came):
                self._came_s = self._spoke_s = now_s
                self._failures, self._why = 0, ""
                self.counted.bytes += len(event.payload)
                self._aside(receiver.take, event.range, event.at, event.payload)
            else:
                self._ended(event, receiver, now_s)

    def _ended(self, answer: Ended, receiver: Receiver, now_s: float) -> None:
        wanted = answer.range
        if answer.was_behind:
            self._unanswered = 0
        if answer.status == 206 and wanted.position >= wanted.end:
            self._aside(receiver.whole, wanted)
        elif answer.status == 206:
            self._try_again(wanted, receiver, answer.status)
            if wanted.tries > 1:
                self._pause(now_s, "an answer without a byte")
        elif answer.status < 500 and answer.status not in (408, 429):
            self._came_s = now_s  # an answer too: there is one less to ask for
            self._aside(receiver.refuse, wanted, answer.status, answer.body)
        else:
            self._try_again(wanted, receiver, answer.status, answer.body)
            self._pause(now_s, f"status {answer.status}", answer.retry_after_s)

    def _try_again(self, wanted: Range, receiver: Receiver, status: int, body: bytes = b"") -> None:
        """Behind what else is lost, and not for ever: it may be this one part that cannot be had."""
        wanted.tries += 1
        if wanted.tries >= MAX_TRIES:
            self._aside(receiver.refuse, wanted, status, body)
        else:
            self._back.append(wanted)

    def _pause(self, now_s: float, why: str, asked_for_s: float | None = None) -> None:
        """Ask for nothing for a while."""
        if now_s < self._held_until_s:
            return  # this answer was asked for before the pause
        self._failures, self._why = self._failures + 1, why
        pause_s = max(asked_for_s or 0.0, wait_s(self._failures, _chance()))
        self._held_until_s = now_s + min(pause_s, self._patience_s / 2)
