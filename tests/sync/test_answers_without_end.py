"""Whoever answers instead of a hub, or a neighbour that anybody can pretend to be, fills no box's memory with an answer."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from eduhub import clock
from eduhub.errors import BadFormat, LinkDown
from eduhub.sync import auth, link
from eduhub.sync.link import Link
from tests.in_a_thread import served

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONG = 200 << 20  # bytes of what is unpacked


def zeros(times: int) -> bytes:
    """Many zeros, packed so often."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packing.compress(bytes(1 << 20)) for _ in range(LONG >> 20)) + packing.flush()
    for _ in range(times - 1):
        packed = gzip.compress(packed)
    return packed


def answering(body: bytes, encoding: str) -> "WSGIApplication":
    """Answers everything so, and hands a poll token over."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        headers = [("Content-Length", str(len(body))), (auth.POLL_HEADER, "A" * 44)]
        start_response("200 OK", headers + ([("Content-Encoding", encoding)] if encoding else []))
        return [body]

    return app


@contextmanager
def linked(body: bytes, encoding: str) -> Iterator[Link]:
    with served(answering(body, encoding)) as port, Link(f"http://127.0.0.1:{port}") as found:
        yield found


def linked_to(answer: Callable[[httpx.Request], httpx.Response]) -> Link:
    return Link("http://hub.test", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(("times", "encoding", "error"), [
    (1, "gzip", BadFormat), (2, "gzip, gzip", LinkDown), (3, "gzip, gzip, gzip", LinkDown), (1, "br", LinkDown), (1, "deflate", LinkDown),
])  # fmt: skip
def test_an_answer_that_unpacks_without_end_fills_no_memory(times: int, encoding: str, error: type[Exception]) -> None:
    body = zeros(times)
    with linked(body, encoding) as asked:
        tracemalloc.start()
        try:
            with pytest.raises(error):
                asked.get("/sync/v1/hello", signed=False)
            assert tracemalloc.get_traced_memory()[1] < 3 * link.MAX_ANSWER_BYTES
        finally:
            tracemalloc.stop()


def test_a_poll_that_is_answered_at_length_is_left() -> None:
    with linked(bytes(link.MAX_POLL_BYTES + 1), "") as asked:
        asked.get("/sync/v1/hello", signed=False)
        with pytest.raises(BadFormat):
            asked.has_moved(1, 0, 0)


def test_what_is_packed_once_is_read_as_it_was() -> None:
    said = bytes(range(256)) * 4000
    with linked(gzip.compress(said), "GZIP") as asked:
        assert asked.get("/sync/v1/hello", signed=False) == said
    with linked(gzip.compress(said)[:-500], "gzip") as asked, pytest.raises(LinkDown):
        asked.get("/sync/v1/hello", signed=False)
    with linked(b"not packed", "gzip") as asked, pytest.raises(LinkDown):
        asked.get("/sync/v1/hello", signed=False)


def test_an_answer_of_a_byte_now_and_then_is_left_and_one_that_is_only_slow_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shown_s = [0.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: shown_s[0])

    def answer(block: bytes, pause_s: float) -> httpx.Response:
        def blocks() -> Iterator[bytes]:
            for _ in range(100):
                shown_s[0] += pause_s
                yield block

        return httpx.Response(200, content=blocks())

    with linked_to(lambda _asked: answer(b"x", 20.0)) as asked, pytest.raises(LinkDown, match="trickles"):
        asked.get("/sync/v1/hello", signed=False)
    assert shown_s[0] < 2 * link.TRICKLE_AFTER_S
    with linked_to(lambda _asked: answer(bytes(4000), 20.0)) as asked:
        assert len(asked.get("/sync/v1/hello", signed=False)) == 400_000
