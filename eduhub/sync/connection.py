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
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

from eduhub import __version__
from eduhub.errors import BadFormat

_READ_BYTES = 64 << 10
_MAX_REFUSAL_BYTES = 64 << 10
# The kernel gives a connection up when what it sent was not acknowledged for so long.
_USER_TIMEOUT_MS = 15_000
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Broken(Exception):
    """This connection carries nothing more."""


@dataclass(eq=False)
class Range:
    """Bytes from `position` up to before `end` of the part at `path`; `position` moves as they come.

    `end` comes down to the part's own when that is nearer.
    """

    path: str
    token: str
    position: int
    end: int


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


@dataclass(frozen=True)
class Address:
    """Where an upstream is."""

    host: str
    port: int
    is_tls: bool

    @classmethod
    def of(cls, url: str) -> "Address":
        """From `http(s)://host[:port]`. Raises BadFormat."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadFormat("not the address of a hub")
        is_tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if is_tls else 80), is_tls)

    @property
    def header(self) -> str:
        """What stands in Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


@dataclass
class _Exchange:
    range: Range
    http: h11.Connection
    status: int = 0
    retry_after_s: float | None = None
    begun: bool = False
    body: bytearray = field(default_factory=bytearray)


class Connection:
    """Non-blocking. Ranges may be asked for at any time; call `carry` when the socket is ready."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, now_s: float) -> None:
        """Begins to connect. Names are looked up here and may block. Raises Broken."""
        self._address, self._tls = address, tls
        self.begun_s = self.heard_s = now_s
        self.round_trip_s: float | None = None  # of the first packets, once they were answered
        self.is_open = False
        self._out = bytearray()
        self._exchanges: deque[_Exchange] = deque()
        try:
            family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise Broken(str(error)) from error
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, AttributeError):  # Linux only
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        code = self.socket.connect_ex(where)
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
    def wants_to_write(self) -> bool:
        """Whether there is something to send, or the connection is not open yet."""
        return not self.is_open or bool(self._out)

    def ask(self, wanted: Range) -> None:
        """Send the request for a range behind those that were asked for before."""
        http = h11.Connection(h11.CLIENT)
        headers = [
            ("Host", self._address.header), ("User-Agent", f"EduHub/{__version__}"),
            ("Authorization", f"EduHub-Pass {wanted.token}"), ("Range", f"bytes={wanted.position}-{wanted.end - 1}"),
        ]  # fmt: skip
        self._out += http.send(h11.Request(method="GET", target=wanted.path, headers=headers)) or b""
        self._out += http.send(h11.EndOfMessage()) or b""
        self._exchanges.append(_Exchange(wanted, http))

    def carry(self, now_s: float, *, may_read: bool = True) -> Iterator[Came | Ended]:
        """Connect on, send, and give what has come. Raises Broken."""
        try:
            if not self.is_open:
                self._open(now_s)
            if self.is_open:
                self._send()
                if may_read:
                    yield from self._receive(now_s)
        except (OSError, h11.RemoteProtocolError) as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End it; nothing is lost but what was on its way."""
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
            self.round_trip_s, self.heard_s = now_s - self.begun_s, now_s
            if self._tls is not None:
                self.socket = self._tls.wrap_socket(
                    self.socket, do_handshake_on_connect=False, server_hostname=self._address.host
                )
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except _NOT_YET:
                return
        self.is_open, self.heard_s = True, now_s

    def _send(self) -> None:
        while self._out:
            try:
                del self._out[: self.socket.send(self._out)]
            except _NOT_YET:
                return

    def _receive(self, now_s: float) -> Iterator[Came | Ended]:
        while True:
            try:
                received = self.socket.recv(_READ_BYTES)
            except _NOT_YET:
                return
            self.heard_s = now_s
            yield from self._understand(received)
            if len(received) < _READ_BYTES and not isinstance(self.socket, ssl.SSLSocket):
                return

    def _understand(self, received: bytes) -> Iterator[Came | Ended]:
        while self._exchanges:
            exchange = self._exchanges[0]
            exchange.http.receive_data(received)
            while not isinstance(event := exchange.http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    return
                if isinstance(event, h11.Response):
                    self._begin(exchange, event)
                elif isinstance(event, h11.Data):
                    yield from self._take(exchange, bytes(event.data))
                elif isinstance(event, h11.ConnectionClosed):
                    raise Broken("closed by the hub")
            self._exchanges.popleft()
            yield Ended(exchange.range, exchange.status, bytes(exchange.body), exchange.retry_after_s)
            if exchange.http.our_state is h11.MUST_CLOSE:
                raise Broken("the hub closes after each answer")
            received = exchange.http.trailing_data[0]
            if not received:
                return
        if not received:
            raise Broken("closed by the hub")

    def _begin(self, exchange: _Exchange, response: h11.Response) -> None:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        exchange.status = response.status_code
        retry = headers.get("retry-after", "")
        exchange.retry_after_s = float(retry) if retry.isdigit() else None
        wanted = exchange.range
        if exchange.status == 206:
            found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
            if found is None or int(found[1]) != wanted.position:
                raise Broken("a part of something else came")
            wanted.end = min(wanted.end, int(found[2]))
        elif exchange.status == 200 and wanted.position == 0 and headers.get("content-length", "").isdigit():
            exchange.status, wanted.end = 206, min(wanted.end, int(headers["content-length"]))  # all of it is also right

    def _take(self, exchange: _Exchange, payload: bytes) -> Iterator[Came]:
        if exchange.status != 206:
            exchange.body += payload[: _MAX_REFUSAL_BYTES - len(exchange.body)]
            return
        wanted = exchange.range
        at, payload = wanted.position, payload[: wanted.end - wanted.position]
        if not payload:
            raise Broken("more came than was asked for")
        wanted.position += len(payload)
        yield Came(wanted, at, payload)
