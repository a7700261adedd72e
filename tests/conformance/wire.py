"""HTTP/1.1 as bytes: what a client library would mend or hide, a test of a server must see."""

import socket
from dataclasses import dataclass
from types import TracebackType

LIMIT_S = 60
LISTS = {"cache-control", "vary"}


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its headers by lower-case name (each must stand once), and its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection to a server of this machine, used for one request after the other."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send one request and read its answer."""
        self.send(request(path, method, **headers))
        return self.read(method)

    def send(self, payload: bytes) -> None:
        self._socket.sendall(payload)

    def read(self, method: str = "GET") -> Answer:
        """The next answer. Its body ends where the headers say, or with the connection."""
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            key = name.lower()
            assert key not in headers or key in LISTS, f"{name} stands twice in an answer {status}"
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        if method == "HEAD" or status in {204, 304}:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, b"".join(self._chunks()))
        body = self._file.read(int(headers["content-length"])) if "content-length" in headers else self._file.read()
        return Answer(status, headers, body)

    def _chunks(self) -> list[bytes]:
        found = []
        while size := int(self._file.readline(), 16):
            found.append(self._file.read(size))
            self._file.readline()
        self._file.readline()
        return found

    def is_over(self) -> bool:
        """Whether the server has ended the connection; waits for that a short time."""
        self._socket.settimeout(1)
        try:
            return self._file.read(1) == b""
        except TimeoutError:
            return False


def request(path: str, method: str = "GET", **headers: str) -> bytes:
    """The bytes of a request; `if_range` is written If-Range."""
    lines = [f"{method} {path} HTTP/1.1", "Host: lane.test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
