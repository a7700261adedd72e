"""A web application at an address of this machine, in threads of the test: for what a browser opens."""

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler


class _Quiet(WSGIRequestHandler):
    def log(self, *_arguments: object) -> None:
        pass


class _Server(ThreadedWSGIServer):
    """When it is closed, no thread of it goes on: one that did would hold a connection of a database that is gone."""

    daemon_threads = False

    def __init__(self, app: Any) -> None:
        self._open = set[socket.socket]()
        super().__init__("127.0.0.1", 0, app, _Quiet)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):  # a browser opens some ahead, and asks nothing over them
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


def _closed_at_the_end(app: Any) -> Any:
    """Werkzeug forgets to close an answer whose reader went in the middle of it."""

    def chunks(answer: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from answer
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()

    return lambda environ, start_response: chunks(app(environ, start_response))


@contextmanager
def served(app: Any) -> Iterator[int]:
    """The port at which `app` answers, until the end."""
    server = _Server(_closed_at_the_end(app))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
