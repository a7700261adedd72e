"""The line between a box and its hub, which are in one process or in two: whole questions and answers, and what can happen to them."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Asked:
    """A request as it arrives."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Answered:
    """An answer as it leaves."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def answer_of(app: Callable[..., Any], asked: Asked) -> Answered:
    """What a WSGI application answers."""
    inner = httpx.WSGITransport(app=app)
    request = httpx.Request(asked.method, f"http://hub.test{asked.target}", headers=asked.headers, content=asked.body)
    response = inner.handle_request(request)
    body = b"".join(response.stream)  # type: ignore[arg-type]
    return Answered(response.status_code, [(name, value) for name, value in response.headers.items()], body)


class Gone(Exception):
    """The other side is not there any more."""


class Line(httpx.BaseTransport):
    """A box's line. `cut_after`: bytes of answers after which it goes dead; `losing`: how often an answer is lost."""

    def __init__(self, ask: Callable[[Asked], Answered], lot: random.Random) -> None:
        self._ask, self._lot = ask, lot
        self.cut_after: int | None = None
        self.losing = 0.0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask, and give back as much as the line lets through."""
        if self.cut_after is not None and self.cut_after <= 0:
            raise httpx.ConnectError("the line is dead")
        asked = Asked(request.method, request.url.raw_path.decode(), list(request.headers.items()), request.read())
        try:
            answered = self._ask(asked)
        except Gone as error:
            raise httpx.ReadError("the hub is gone") from error
        if self._lot.random() < self.losing:
            self.cut_after = 0
            raise httpx.ReadError("the answer was lost")
        return httpx.Response(answered.status, headers=answered.headers, stream=_Body(self, answered.body))


class _Body(httpx.SyncByteStream):
    def __init__(self, line: Line, body: bytes) -> None:
        self._line, self._body = line, body

    def __iter__(self) -> Iterator[bytes]:
        line = self._line
        for at in range(0, len(self._body), 16_384):
            block = self._body[at : at + 16_384]
            if line.cut_after is not None:
                block, line.cut_after = block[: max(0, line.cut_after)], line.cut_after - len(block)
            yield block
            if line.cut_after is not None and line.cut_after <= 0:
                raise httpx.ReadError("the line was cut")
