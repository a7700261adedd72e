"""Node: several POSTs on one connection, each sent before the answer to the one before is back.

Over a line of 64 kbit/s and 600 ms nothing would be sent while a hub writes down what it has got and says so. The order stays:
HTTP/1.1 answers one after the other (RFC 9112, section 9.3.2), and so does whoever answers. h11 knows one exchange at a time,
so that each has a connection of h11's own. Whatever is posted so may be posted twice: of what had no answer nothing is known.

This module must not know what is posted, nor who signs it.
"""

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import termios
from collections import deque
from collections.abc import Iterator

import h11

from eduhub import __version__, clock
from eduhub.sync.fetching.address import Address
from eduhub.sync.fetching.meter import Meter

_MOST_ANSWER_BYTES = 64 << 10
CONNECT_S = 15.0
SILENCE_S = 30.0  # in which nothing came, and nothing that was sent was acknowledged by the other side's kernel
WORKS_S = 120.0  # the same where all was acknowledged: the hub has it and is at work, at what was posted before too
_BLOCK, _TICK_S = 16 << 10, 1.0
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Broken(Exception):
    """The connection carries nothing more. What had no answer is not known to have come."""


class Flight:
    """A connection for this alone, which opens with the first post. `close` it."""

    def __init__(self, url: str, tls: ssl.SSLContext, meter: Meter) -> None:
        self._address, self._tls, self._meter = Address.of(url), tls, meter
        self._socket: socket.socket | None = None
        self._exchanges: deque[h11.Connection] = deque()
        self._received = b""  # behind the answer that was taken last

    def close(self) -> None:
        """End it; what had no answer may have come or not."""
        if self._socket is not None:
            self._meter.left(self._socket)
            self._socket.close()

    def send(self, target: str, body: bytes, headers: dict[str, str]) -> None:
        """Post it behind what was posted before. Raises Broken."""
        with _broken_by_network():
            opened, http = self._opened(), h11.Connection(h11.CLIENT)
            own = {"Host": self._address.header, "User-Agent": f"EduHub/{__version__}", "Content-Length": str(len(body))}
            request = h11.Request(method="POST", target=self._address.prefix + target, headers=[*(own | headers).items()])
            written = [http.send(request), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage())]
            payload = memoryview(b"".join(block for block in written if block))
            while payload:
                try:
                    payload = payload[opened.send(payload[:_BLOCK]) :]
                except _NOT_YET as error:
                    self._wait(opened, for_room=not isinstance(error, ssl.SSLWantReadError))
            self._exchanges.append(http)

    def answer(self) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers (names in small letters) of the oldest answer that was not taken yet. Raises Broken."""
        if not self._exchanges:
            raise Broken("nothing was asked")
        with _broken_by_network():
            return self._answer(self._opened(), self._exchanges.popleft())

    def _answer(self, opened: socket.socket, http: h11.Connection) -> tuple[int, bytes, dict[str, str]]:
        status, headers, body = 0, dict[str, str](), bytearray()
        if self._received:
            http.receive_data(self._received)
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(self._read(opened))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MOST_ANSWER_BYTES:
                    raise Broken("an answer without end")
            elif isinstance(event, h11.ConnectionClosed):
                raise Broken("closed before it answered")
        self._received = http.trailing_data[0]
        return status, bytes(body), headers

    def _opened(self) -> socket.socket:
        if self._socket is None:
            failed: OSError | None = None
            for place in self._address.places():
                try:
                    self._socket = self._connected(place.family, place.sockaddr)
                    return self._socket
                except OSError as error:
                    failed = error
            raise failed or OSError("no address")
        return self._socket

    def _connected(self, family: int, sockaddr: object) -> socket.socket:
        opened = socket.socket(family, socket.SOCK_STREAM)
        self._meter.watch(opened)
        try:
            opened.settimeout(CONNECT_S)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.connect(sockaddr)  # type: ignore[arg-type]
            if self._address.is_tls:
                plain, opened = opened, self._tls.wrap_socket(opened, server_hostname=self._address.host)
                self._meter.is_now(plain, opened)
            opened.setblocking(False)
        except OSError:
            self._meter.left(opened)
            opened.close()
            raise
        return opened

    def _read(self, opened: socket.socket) -> bytes:
        while True:
            try:
                return opened.recv(_BLOCK)
            except _NOT_YET as error:
                self._wait(opened, for_room=isinstance(error, ssl.SSLWantWriteError))

    def _wait(self, opened: socket.socket, *, for_room: bool) -> None:
        """Until something can be sent, or read. Raises Broken after a long silence, however slow the line is."""
        since_s, left = clock.monotonic_s(), _unacknowledged(opened)
        while True:
            reading, writing = ([], [opened]) if for_room else ([opened], [])
            if any(select.select(reading, writing, [], _TICK_S)):
                return
            now_s, now_left = clock.monotonic_s(), _unacknowledged(opened)
            if now_left < left:
                since_s, left = now_s, now_left
            elif now_s - since_s > (SILENCE_S if now_left else WORKS_S):
                raise Broken("silence")


@contextlib.contextmanager
def _broken_by_network() -> Iterator[None]:
    try:
        yield
    except (OSError, h11.ProtocolError) as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


def _unacknowledged(opened: socket.socket) -> int:
    """Bytes that the kernel still has to send, or that nobody has acknowledged. 0 where it does not say."""
    with contextlib.suppress(OSError):
        found: int = struct.unpack("i", fcntl.ioctl(opened.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
        return found
    return 0
