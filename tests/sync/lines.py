"""A server on this machine that answers as a test says, and a receiver that keeps what comes."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from eduhub import clock
from eduhub.sync.fetching.connection import Range

_REQUEST = re.compile(rb"GET (\S+) HTTP/1.1\r\n(?:[^\r]+\r\n)*?Range: bytes=(\d+)-(\d+)\r\n(?:[^\r]+\r\n)*\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """One request, as the server saw it."""

    connection: int
    path: str
    first: int
    last: int
    head: str = ""


class Server:
    """Sends what `answer` makes of each request, at once or bit by bit; None hangs up. With `tls` it speaks that."""

    def __init__(self, answer: Callable[[Asked], bytes | Iterable[bytes] | None], tls: ssl.SSLContext | None = None) -> None:
        self._answer, self._tls = answer, tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.asked: list[Asked] = []
        self.accepted = 0
        self.together = 0  # requests that came in one block, at the last time
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def hang_up(self) -> None:
        """End every connection."""
        while self._open:
            connection = self._open.pop()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.accepted += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection, self.accepted), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError), self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as connection:
            waiting = b""
            while received := connection.recv(65536):
                waiting += received
                self.together = received.count(b"GET ")
                while found := _REQUEST.match(waiting):
                    waiting = waiting[found.end() :]
                    asked = Asked(number, found[1].decode(), int(found[2]), int(found[3]), found[0].decode("latin-1").lower())
                    self.asked.append(asked)
                    answer = self._answer(asked)
                    if answer is None:
                        return
                    for block in [answer] if isinstance(answer, bytes) else answer:
                        connection.sendall(block)


def part(payload: bytes, asked: Asked) -> bytes:
    """What a good server answers with the bytes of a part."""
    body = payload[asked.first : asked.last + 1]
    span = f"bytes {asked.first}-{asked.first + len(body) - 1}/{len(payload)}"
    return answer(206, body, **{"Content-Range": span})


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Any answer of which the length is known."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Shelf:
    """Wants some ranges, and keeps what comes by path."""

    wants: Iterable[tuple[str, int, int]]
    on_take: Callable[[], None] = lambda: None
    on_turn: Callable[[], None] = lambda: None
    turns: int = 0
    came: dict[str, bytes] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    refused: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = [Range(path, "a-pass", first, end) for path, first, end in self.wants]

    def turn(self) -> None:
        self.turns += 1
        self.on_turn()

    def more(self) -> Range | None:
        return self._waiting.pop(0) if self._waiting else None

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        self.came[asked.path] = self.came.get(asked.path, b"") + payload
        self.on_take()

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        self.refused.append((asked.path, status))

    def whole(self, asked: Range) -> None:
        self.ended.append(asked.path)


class Hours:
    """A monotonic clock that a test can move on, and that may run faster than ours. What passes while a receiver works is no silence."""

    def __init__(self, speed: float = 1.0) -> None:
        self._real, self._begun_s, self._speed = clock.monotonic_s, clock.monotonic_s(), speed
        self.more_s = 0.0

    def __call__(self) -> float:
        return self._begun_s + (self._real() - self._begun_s) * self._speed + self.more_s
