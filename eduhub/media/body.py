"""The body of a request, as it arrives: what has come, at once, instead of what was asked for, at last.

A server's `wsgi.input.read(n)` waits for n bytes. On a thin line that is what a cut or a kill
would lose, and nothing can be looked at meanwhile. Under gunicorn the bytes are therefore taken
from the connection itself; any other server is asked for small blocks.

A read waits for something, calls `on_wait` twice a second meanwhile, returns b"" at the end of a whole
body, and raises UploadCutShort when the connection ended before, or was silent for IDLE_S.

This module must not know what the bytes are. It knows gunicorn's request bodies
(`gunicorn/http/body.py`); tests/media/test_upload_blocks.py holds that knowledge to the truth.
"""

import select
from collections.abc import Callable, Mapping
from typing import IO, Any, Protocol

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import NoMoreData, ParseException

from eduhub import clock
from eduhub.errors import UploadCutShort

BLOCK = 16 << 10
TICK_S = 0.5
IDLE_S = 120.0


class Stream(Protocol):
    """Where the bytes of a file come from, one after the other."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"": the end. Raises UploadCutShort."""


class Arriving:
    """A stream that may have to wait. `on_wait` may raise to end that."""

    def __init__(self) -> None:
        self.on_wait: Callable[[], None] = lambda: None

    def read(self, size: int, /) -> bytes:
        """See Stream."""
        raise NotImplementedError


def of(environ: Mapping[str, Any]) -> Arriving:
    """The body of the request with this WSGI environment."""
    body, connection = environ["wsgi.input"], environ.get("gunicorn.socket")
    if connection is not None and isinstance(body, Body) and body.buf.tell() == 0:
        if isinstance(body.reader, LengthReader):
            return _Counted(body, body.reader, connection)
        if isinstance(body.reader, ChunkedReader):
            return _Chunked(body, body.reader, connection)
    length = environ.get("CONTENT_LENGTH") or ""
    return _Plain(body, int(length) if length.isdecimal() else None)


class _OverConnection(Arriving):
    """A body whose bytes we take from the connection ourselves."""

    def __init__(self, body: Any, connection: Any) -> None:
        super().__init__()
        self._body, self._connection = body, connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._is_ours = False

    def read(self, size: int, /) -> bytes:
        """See Stream."""
        if not self._is_ours:
            # Left in the middle of a body, the connection cannot serve another request. A body that nobody
            # begins to read stays gunicorn's, which reads a short one to its end.
            self._is_ours = self._body.failed = True
            self._begin()
        return self._next(size)

    def _begin(self) -> None:
        raise NotImplementedError

    def _next(self, size: int) -> bytes:
        raise NotImplementedError

    def recv(self, size: int) -> bytes:
        """What has come, at most `size` bytes; gunicorn's parser of chunks calls it in the socket's place."""
        silent_since_s = clock.monotonic_s()
        while not self._poll.poll(TICK_S * 1000):
            self.on_wait()
            if clock.monotonic_s() - silent_since_s > IDLE_S:
                raise UploadCutShort("nothing came for too long")
        try:
            found: bytes = self._connection.recv(size)
        except OSError as error:
            raise UploadCutShort(f"the connection broke: {error}") from error
        if not found:
            raise UploadCutShort("the connection ended")
        return found


class _Counted(_OverConnection):
    """A body of known length."""

    def __init__(self, body: Any, reader: Any, connection: Any) -> None:
        super().__init__(body, connection)
        self._reader, self._left, self._early = reader, int(reader.length), b""

    def _begin(self) -> None:
        # What came along with the headers; what lies behind the body is the next request's.
        early = self._reader.unreader.take_buffered()
        self._early = early[: self._left]
        self._reader.unreader.unread(early[self._left :])
        self._reader.length = 0
        self._count(0)

    def _count(self, size: int) -> None:
        self._left -= size
        self._body.failed = self._left > 0

    def _next(self, size: int) -> bytes:
        if self._left == 0:
            return b""
        if self._early:
            found, self._early = self._early[:size], self._early[size:]
        else:
            found = self.recv(min(size, self._left))
        self._count(len(found))
        return found


class _Chunked(_OverConnection):
    """A body in chunks, which gunicorn's parser hands out as they come."""

    def __init__(self, body: Any, reader: Any, connection: Any) -> None:
        super().__init__(body, connection)
        self._reader, self._held = reader, b""

    def _begin(self) -> None:
        self._reader.req.unreader.sock = self

    def _next(self, size: int) -> bytes:
        while not self._held and self._reader.parser is not None:
            try:
                self._held = next(self._reader.parser)
            except StopIteration:
                self._reader.parser, self._body.failed = None, False
                self._reader.req.unreader.sock = self._connection
            except (NoMoreData, ParseException) as error:
                raise UploadCutShort(f"the chunks broke off: {error!r}") from error
        found, self._held = self._held[:size], self._held[size:]
        return found


class _Plain(Arriving):
    """A body behind a server that we know nothing of."""

    def __init__(self, body: IO[bytes], length: int | None) -> None:
        super().__init__()
        self._body, self._left = body, length

    def read(self, size: int, /) -> bytes:
        """See Stream."""
        wanted = size if self._left is None else min(size, self._left)
        if wanted == 0:
            return b""
        try:
            found = self._body.read(wanted)
        except OSError as error:
            raise UploadCutShort("the connection ended") from error
        if self._left is not None:
            self._left -= len(found)
            if not found:
                raise UploadCutShort("the body ended")
        return found
