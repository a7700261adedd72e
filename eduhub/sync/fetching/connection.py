"""Node: one kept-alive HTTP/1.1 connection that carries several asked ranges, one behind the other.

Requests are sent before earlier answers have ended (RFC 9112, section 9.3.2), so that a long round trip is paid once
and not for each piece. h11 knows one exchange at a time: each range has an h11 connection of its own, and what is left
over behind an answer belongs to the next.

This module must not know blobs, nor when it is time to give a connection up (`transfer`).
"""

import contextlib
import errno
import os
import re
import socket
import ssl
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import h11

from eduhub import __version__
from eduhub.delivery.asked import TERSE
from eduhub.sync.fetching.address import Address, Place
from eduhub.sync.fetching.meter import Meter
from eduhub.sync.fetching.pace import OPEN_BUFFER

_READ_BYTES = 256 << 10
_MAX_REFUSAL_BYTES = 64 << 10
# The kernel gives a connection up when what it sent was not acknowledged for so long.
_USER_TIMEOUT_MS = 15_000
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(eq=False)
class Range:
    """Bytes from `position` up to before `end` of the part at `path`; `position` moves as they come.

    `end` comes down to the part's own when that is nearer. `tries`: so often it was asked for since its last byte, in vain.
    """

    path: str
    token: str
    position: int
    end: int
    tries: int = 0
    guess: int | None = None  # about how many bytes these will be, where `end` does not say

    @property
    def likely(self) -> int:
        """About how many bytes are to come."""
        return self.end - self.position if self.guess is None else max(0, min(self.guess, self.end) - self.position)


class Broken(Exception):
    """This connection carries nothing more. `answer_to`: the range whose own answer ended it; None: the link did, or the hub's custom."""

    def __init__(self, why: str, answer_to: Range | None = None) -> None:
        super().__init__(why)
        self.answer_to = answer_to


@dataclass(frozen=True)
class Came:
    """Bytes of a range, which begin at `at`."""

    range: Range
    at: int
    payload: bytes


@dataclass(frozen=True)
class Ended:
    """The answer to a range has ended. `status` is 206 when its bytes came, else what the hub said, with `body`."""

    range: Range
    status: int
    body: bytes = b""
    retry_after_s: float | None = None  # when the hub named a time
    was_behind: bool = False  # asked for before the answer in front of it had ended


@dataclass
class _Exchange:
    range: Range
    http: h11.Connection
    is_behind: bool  # asked for before the answer in front of it had ended
    status: int = 0
    retry_after_s: float | None = None
    begun: bool = False
    body: bytearray = field(default_factory=bytearray)


class Connection:
    """Non-blocking. Ranges may be asked for at any time; call `carry` when the socket is ready."""

    def __init__(self, address: Address, place: Place, tls: ssl.SSLContext | None, now_s: float, meter: Meter, buffer: int | None = None) -> None:
        """Begins to connect; `buffer` is how many bytes the kernel may keep unread, None: as it likes. Raises Broken."""
        self._address, self._tls, self._meter, self.place = address, tls, meter, place
        self.begun_s = self.heard_s = now_s
        self.round_trip_s: float | None = None  # of the first packets, once they were answered
        self.is_open = False
        self.read = 0  # bytes, with their headers
        self.wants_to_write = True  # for a selector: a socket that is not connected yet becomes writable when it is
        self._has_answered = False
        self._out = bytearray()
        self._exchanges: deque[_Exchange] = deque()
        try:
            self.socket = socket.socket(place.family, socket.SOCK_STREAM)
        except OSError as error:
            raise Broken(str(error)) from error
        self._meter.watch(self.socket)
        self._buffer: int | None = None
        self.keep_unread(buffer)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, AttributeError):  # Linux only
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        code = self.socket.connect_ex(place.sockaddr)
        if code not in (0, errno.EINPROGRESS):
            self.close()
            raise Broken(os.strerror(code))

    def fileno(self) -> int:
        """For a selector."""
        return self.socket.fileno()

    @property
    def ranges(self) -> list[Range]:
        """What is on its way, in the order in which it comes."""
        return [exchange.range for exchange in self._exchanges]

    @property
    def coming(self) -> int:
        """About how many bytes are on their way."""
        return sum(exchange.range.likely for exchange in self._exchanges)

    @property
    def is_stuck_between(self) -> bool:
        """Whether the next answer has not begun, though it was asked for before the last one ended."""
        return bool(self._exchanges) and self._exchanges[0].is_behind and not self._exchanges[0].begun

    def ask(self, wanted: Range, now_s: float) -> None:
        """Send the request for a range behind those that were asked for before."""
        http = h11.Connection(h11.CLIENT)
        headers = [
            ("Host", self._address.header), ("User-Agent", f"EduHub/{__version__}"),
            ("Authorization", f"EduHub-Pass {wanted.token}"), ("Range", f"bytes={wanted.position}-{wanted.end - 1}"),
            ("Prefer", TERSE),
        ]  # fmt: skip
        target = self._address.prefix + wanted.path
        self._out += http.send(h11.Request(method="GET", target=target, headers=headers)) or b""
        self._out += http.send(h11.EndOfMessage()) or b""
        self.wants_to_write = True
        if not self._exchanges:
            self.heard_s = now_s  # until now nobody was to speak
        self._exchanges.append(_Exchange(wanted, http, is_behind=bool(self._exchanges)))

    @property
    def has_unseen(self) -> bool:
        """Whether bytes lie here that no selector tells of: TLS has unpacked them, and nobody has read them."""
        return isinstance(self.socket, ssl.SSLSocket) and self.is_open and self.socket.pending() > 0

    def keep_unread(self, buffer: int | None) -> None:
        """From here on the kernel may keep so many bytes unread; None: many. It cannot be made to forget what it has."""
        if buffer != self._buffer:
            self._buffer = buffer
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, (buffer or OPEN_BUFFER) // 2)  # Linux doubles it

    def carry(self, now_s: float, *, may_read: bool = True, most: int | None = None) -> Iterator[Came | Ended]:
        """Connect on, send, and give what has come, at the most `most` bytes. Raises Broken."""
        try:
            if not self.is_open:
                self._open(now_s)
            if self.is_open:
                self._send()
                if may_read:
                    yield from self._receive(now_s, most)
        except h11.RemoteProtocolError as error:
            raise Broken(f"{type(error).__name__}: {error}", self._exchanges[0].range) from error
        except ConnectionError as error:
            raise Broken(f"{type(error).__name__}: {error}", self._refused()) from error
        except OSError as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End it; nothing is lost but what was on its way."""
        self._meter.left(self.socket)
        with contextlib.suppress(OSError):
            self.socket.close()

    def _open(self, now_s: float) -> None:
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise Broken(os.strerror(code))
        if self.round_trip_s is None:
            try:
                self.socket.getpeername()
            except OSError:
                return  # not connected yet
            self.round_trip_s, self.heard_s = _round_trip_s(self.socket) or now_s - self.begun_s, now_s
            if self._tls is not None:
                plain = self.socket
                self.socket = self._tls.wrap_socket(
                    plain, do_handshake_on_connect=False, server_hostname=self._address.host
                )
                self._meter.is_now(plain, self.socket)
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except _NOT_YET as error:  # a socket that waits for an answer is writable all the time
                self.wants_to_write = isinstance(error, ssl.SSLWantWriteError)
                return
        self.is_open, self.heard_s, self.wants_to_write = True, now_s, False

    def _send(self) -> None:
        while self._out:
            try:
                del self._out[: self.socket.send(self._out)]
            except _NOT_YET as error:
                self.wants_to_write = not isinstance(error, ssl.SSLWantReadError)
                return
        self.wants_to_write = False

    def _receive(self, now_s: float, most: int | None) -> Iterator[Came | Ended]:
        while most is None or most > 0:
            asked = _READ_BYTES if most is None else min(_READ_BYTES, most)
            try:
                received = self.socket.recv(asked)
            except _NOT_YET:
                return
            self.heard_s = now_s
            self.read += len(received)
            most = None if most is None else most - len(received)
            yield from self._understand(received)
            if len(received) < asked and not isinstance(self.socket, ssl.SSLSocket):
                return

    def _refused(self) -> Range | None:
        """Whose fault it is when the other side hangs up: a kept-alive connection may end in peace between two answers."""
        if not self._exchanges or (self._has_answered and not self._exchanges[0].begun):
            return None
        return self._exchanges[0].range

    def _understand(self, received: bytes) -> Iterator[Came | Ended]:
        if not received and not (self._exchanges and self._exchanges[0].begun):
            raise Broken("closed by the hub", self._refused())
        while self._exchanges:
            exchange = self._exchanges[0]
            exchange.http.receive_data(received)
            while not isinstance(event := exchange.http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    return
                if isinstance(event, h11.Response):
                    self._begin(exchange, event)
                elif isinstance(event, h11.Data) and exchange.status == 206:
                    yield self._taken(exchange.range, bytes(event.data))
                elif isinstance(event, h11.Data):
                    exchange.body += event.data
                    if exchange.status == 200 or len(exchange.body) > _MAX_REFUSAL_BYTES:
                        yield self._end(exchange)
                        raise Broken("an answer that nobody needs to its end")
                elif isinstance(event, h11.ConnectionClosed):
                    raise Broken("closed by the hub", exchange.range)
            yield self._end(exchange)
            if exchange.http.our_state is h11.MUST_CLOSE:
                raise Broken("the hub closes after each answer")
            received = exchange.http.trailing_data[0]
            if not received:
                return

    def _end(self, exchange: _Exchange) -> Ended:
        self._exchanges.popleft()
        self._has_answered = True
        body = bytes(exchange.body[:_MAX_REFUSAL_BYTES])
        return Ended(exchange.range, exchange.status, body, exchange.retry_after_s, exchange.is_behind)

    def _begin(self, exchange: _Exchange, response: h11.Response) -> None:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        exchange.begun, exchange.status = True, response.status_code
        exchange.retry_after_s = _number(headers.get("retry-after", ""))
        wanted = exchange.range
        if exchange.status == 206:
            found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
            if found is None or int(found[1]) != wanted.position or int(found[2]) <= wanted.position:
                raise Broken("a part of something else came", wanted)
            wanted.end, wanted.guess = min(wanted.end, int(found[2])), None
        elif exchange.status == 200 and wanted.position == 0:
            length = _number(headers.get("content-length", ""))
            if length is not None:  # all of it is also right
                exchange.status, wanted.end = 206, min(wanted.end, int(length))

    def _taken(self, wanted: Range, payload: bytes) -> Came:
        at, payload = wanted.position, payload[: wanted.end - wanted.position]
        if not payload:
            raise Broken("more came than was asked for", wanted)
        wanted.position += len(payload)
        wanted.tries = 0
        return Came(wanted, at, payload)


def _round_trip_s(opened: socket.socket) -> float | None:
    """As the kernel measured it: we may look at a connection long after it opened. None where the kernel does not say (tcp_info of Linux)."""
    try:
        found = struct.unpack_from("I", opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 68)[0]
    except (OSError, AttributeError, struct.error):
        return None
    return found / 1e6 or None


def _number(text: str) -> float | None:
    """A number in a header; a date, or anything else, is none."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
