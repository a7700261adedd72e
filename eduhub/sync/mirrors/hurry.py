"""Node: an end to every conversation with a mirror. Timeouts measure silence; whoever sends a byte now and then never ends.

A transport for httpx: when its time is over it shuts its sockets, whatever waits for them. This module must not know what is said.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx

from eduhub import clock

CONNECT_S, SILENCE_S = 4.0, 8.0


class Hurry(httpx.BaseTransport):
    """Requests by `inner`, all of them within so many seconds of the first; none with more silence than `silence_s`."""

    def __init__(
        self, inner: httpx.BaseTransport, within_s: float, *, connect_s: float = CONNECT_S, silence_s: float = SILENCE_S
    ) -> None:
        self._inner, self._within_s = inner, within_s
        self._patience = {"connect": connect_s, "read": silence_s, "write": silence_s, "pool": connect_s}
        self._ends_s: float | None = None
        self._sockets: list[socket.socket] = []
        self._timer: threading.Timer | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ReadTimeout when the time is over."""
        if self._ends_s is None:
            self._ends_s = clock.monotonic_s() + self._within_s
            self._timer = threading.Timer(self._within_s, self._shut)
            self._timer.daemon = True
            self._timer.start()
        if clock.monotonic_s() >= self._ends_s:
            raise httpx.ReadTimeout("its time is over", request=request)
        request.extensions = {
            **request.extensions,
            "timeout": self._patience,
            "trace": self._heard(request.extensions.get("trace")),
        }
        return self._inner.handle_request(request)

    def close(self) -> None:
        """End it; nothing of it goes on."""
        if self._timer is not None:
            self._timer.cancel()
        self._inner.close()

    def _heard(self, also: Callable[[str, dict[str, Any]], None] | None) -> Callable[[str, dict[str, Any]], None]:
        """Hear of every socket that is opened; TLS makes another one of it."""

        def trace(name: str, info: dict[str, Any]) -> None:
            if name in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
                self._sockets.append(info["return_value"].get_extra_info("socket"))
            if also is not None:
                also(name, info)

        return trace

    def _shut(self) -> None:
        for opened in self._sockets:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)  # whoever reads from it reads its end
