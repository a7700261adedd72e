"""A narrow line between a browser and a server: so many kbit/s up, cut off, come back as another network, every byte counted.

What crosses is what was read from the browser's connection at the line's rate; what still lies in the
browser's own buffers has not crossed and is not counted. The line keeps next to nothing itself: what it
took it hands on at once, and it takes nothing before the server has answered its call.
"""

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

_PIECE = 2048
_BUFFER = 4096
_CALL_S = 2.0


class Bodies:
    """Follows the requests of one connection and counts the bytes of their bodies, by method."""

    def __init__(self) -> None:
        self._head, self._left, self._method = b"", 0, ""

    @property
    def in_a_body(self) -> bool:
        return self._left > 0

    def take(self, payload: bytes) -> dict[str, int]:
        """The body bytes in the next piece of what the browser says."""
        found: dict[str, int] = {}
        while payload:
            if self._left:
                count = min(self._left, len(payload))
                found[self._method] = found.get(self._method, 0) + count
                self._left, payload = self._left - count, payload[count:]
                continue
            self._head, payload = self._head + payload, b""
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if end:
                self._method = head.split(b" ", 1)[0].decode("ascii")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                self._left, self._head, payload = int(length[1]) if length else 0, b"", rest
        return found


@dataclass
class Line:
    """One connection through the link."""

    browser: socket.socket
    server: socket.socket
    bodies: Bodies = field(default_factory=Bodies)
    hanging: bool = False

    def close(self) -> None:
        for end in (self.browser, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass
class NarrowLink:
    """`with NarrowLink(server_port, up_kbits=2000) as link:` listens at `link.port`; bytes down are not slowed."""

    server_port: int
    up_kbits: int
    address: str = "127.0.0.1"  # what the server takes for the browser's address
    port: int = 0
    up: int = 0  # bytes that crossed, all connections
    down: int = 0
    bodies: dict[str, int] = field(default_factory=dict)  # bytes of request bodies that crossed, by method
    is_cut: bool = False
    _lines: list[Line] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _listener: socket.socket | None = None
    _free_at: float = 0.0  # when the next piece may cross; the rate is of the whole link

    def __enter__(self) -> "NarrowLink":
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)  # connections inherit it
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener, self.port = listener, listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._listener is not None
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            self.is_cut = True
            for line in self._lines:
                line.close()

    def cut(self) -> None:
        """Nothing crosses any more. A connection in the middle of a body hangs, and neither end is told; idle ones end."""
        with self._changed:
            self.is_cut = True
            for line in self._lines:
                line.hanging = line.bodies.in_a_body
                if not line.hanging:
                    line.close()

    def come_back(self, address: str) -> None:
        """The line is there again as another network: from another address, and what hung goes on hanging."""
        with self._changed:
            self.address, self.is_cut = address, False
            self._changed.notify_all()

    def wait_for(self, count: int, timeout_s: float, method: str = "PATCH") -> None:
        """Until so many bytes of request bodies have crossed."""
        with self._changed:
            there = self._changed.wait_for(lambda: self.bodies.get(method, 0) >= count, timeout_s)
            assert there, f"{self.bodies} of {count} bytes crossed"

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                browser, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(browser,), daemon=True).start()

    def _connect(self, browser: socket.socket) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self.is_cut)
            address = self.address
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port), _CALL_S, (address, 0))
        except OSError:
            browser.close()
            return
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(browser, server)
        with self._changed:
            self._lines.append(line)
        threading.Thread(target=self._down, args=(line,), daemon=True).start()
        self._up(line)

    def _up(self, line: Line) -> None:
        def crossed(payload: bytes) -> None:
            self.up += len(payload)
            for method, count in line.bodies.take(payload).items():
                self.bodies[method] = self.bodies.get(method, 0) + count

        self._carry(line, line.browser, line.server, self._slowly, crossed)

    def _down(self, line: Line) -> None:
        def crossed(payload: bytes) -> None:
            self.down += len(payload)

        self._carry(line, line.server, line.browser, lambda _: None, crossed)

    def _carry(
        self, line: Line, source: socket.socket, target: socket.socket, wait: Callable[[int], None],
        crossed: Callable[[bytes], None],
    ) -> None:  # fmt: skip
        with suppress(OSError):
            while payload := source.recv(_PIECE):
                wait(len(payload))
                with self._changed:
                    if line.hanging:  # it left, and reached nobody
                        crossed(payload)
                        return
                target.sendall(payload)
                with self._changed:
                    crossed(payload)
                    self._changed.notify_all()
        if not line.hanging:
            line.close()

    def _slowly(self, count: int) -> None:
        with self._changed:
            begins = max(self._free_at, time.monotonic())
            self._free_at = begins + count * 8 / (self.up_kbits * 1000)
            until = self._free_at
        time.sleep(max(0.0, until - time.monotonic()))
