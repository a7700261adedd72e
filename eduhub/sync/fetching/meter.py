"""Node: what passed some sockets, as the kernel counted it: handshakes, headers and what was sent twice, too.

A link is paid for by what crosses it, and that is more than what a program reads. Where the kernel does not count
(not Linux), what the program reads and writes is all that is known, and nothing is added here.

This module must not know what the bytes were for (`traffic`).
"""

import socket
import struct
from contextlib import suppress
from typing import NamedTuple

_INFO_BYTES = 256
_OPTIONS_AT, _RECEIVED_AT, _SENT_AT = 5, 128, 200  # in the kernel's struct tcp_info
_HAS_TIMESTAMPS, _TIMESTAMPS_BYTES = 1, 12
_HEADERS_BYTES = {socket.AF_INET: 40, socket.AF_INET6: 60}  # of IP and TCP, in each packet


class Passed(NamedTuple):
    """Bytes that came and went."""

    down: int
    up: int


NOTHING = Passed(0, 0)


class Meter:
    """Sums up sockets, also those that were closed since. Whoever closes one says so before (`left`)."""

    def __init__(self) -> None:
        self._open: dict[socket.socket, Passed] = {}
        self._closed = Passed(0, 0)

    def watch(self, counted: socket.socket) -> None:
        """Count this one too."""
        self._open[counted] = Passed(0, 0)
        self._look(counted)

    def is_now(self, before: socket.socket, counted: socket.socket) -> None:
        """Another object stands for a socket from now on, as TLS has it; the kernel's counts go on."""
        self._open[counted] = self._open.pop(before, Passed(0, 0))

    def left(self, counted: socket.socket) -> None:
        """It is about to be closed."""
        self._look(counted)
        self._close(counted)

    def total(self) -> Passed:
        """All that passed until now."""
        for counted in list(self._open):
            self._look(counted)
        open_now = self._open.values()
        return Passed(
            self._closed.down + sum(passed.down for passed in open_now), self._closed.up + sum(passed.up for passed in open_now)
        )

    def _look(self, counted: socket.socket) -> None:
        if counted not in self._open:
            return
        if counted.fileno() < 0:
            self._close(counted)
        elif (found := _of(counted)) is not None:
            self._open[counted] = found

    def _close(self, counted: socket.socket) -> None:
        last = self._open.pop(counted, Passed(0, 0))
        self._closed = Passed(self._closed.down + last.down, self._closed.up + last.up)


def _of(counted: socket.socket) -> Passed | None:
    with suppress(OSError, AttributeError, KeyError, struct.error):
        info = counted.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        header = _HEADERS_BYTES[counted.family] + (_TIMESTAMPS_BYTES if info[_OPTIONS_AT] & _HAS_TIMESTAMPS else 0)
        received, packets_out, packets_in = struct.unpack_from("=QII", info, _RECEIVED_AT)
        (sent,) = struct.unpack_from("=Q", info, _SENT_AT)
        return Passed(received + header * packets_in, sent + header * packets_out)
    return None
