"""Hub: as many requests of boxes at once as leave room for people; the others are asked to come again.

Without it a thousand boxes that come back after a power cut would take every thread, and those who wait longest would
be gone when it is their turn. This module must not know what is asked for.
"""

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/sync/"
COME_AGAIN_S = 20  # boxes add their moment to it, so that they do not come back together
BODY = b'{"code": "server.resting"}'


class Door:
    """WSGI middleware: at most `most` requests below /sync/ are inside `app` at once; the rest get 503 and a Retry-After."""

    def __init__(self, app: "WSGIApplication", most: int) -> None:
        self._app, self._most = app, max(1, most)
        self._lock = Lock()
        self._inside = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(PREFIX):
            return self._app(environ, start_response)
        with self._lock:
            is_full = self._inside >= self._most
            self._inside += not is_full
        if is_full:
            start_response("503 Service Unavailable", [
                ("Content-Type", "application/json"), ("Content-Length", str(len(BODY))), ("Cache-Control", "no-store"),
                ("Retry-After", str(COME_AGAIN_S)),
            ])  # fmt: skip
            return [BODY]
        try:
            return self._app(environ, start_response)  # its answers are whole: nothing of them is made later
        finally:
            with self._lock:
                self._inside -= 1
