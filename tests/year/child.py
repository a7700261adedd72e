"""A process of its own for what is recorded: a copy of this one, with which whole messages are exchanged."""

import os
import pickle
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any

from tests.year.line import Gone

_LENGTH = struct.Struct(">I")


class Channel:
    """One end of the line between two processes of this program."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: Any) -> None:
        """Raises Gone."""
        payload = pickle.dumps(message)
        try:
            self._end.sendall(_LENGTH.pack(len(payload)) + payload)
        except OSError as error:
            raise Gone from error

    def receive(self) -> Any:
        """The next message. Raises Gone once the other side has ended."""
        return pickle.loads(self._exactly(_LENGTH.unpack(self._exactly(_LENGTH.size))[0]))  # noqa: S301 - our own process

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            try:
                block = self._end.recv(count - len(found))
            except OSError as error:
                raise Gone from error
            if not block:
                raise Gone
            found += block
        return bytes(found)

    def close(self) -> None:
        """The other side finds that we are gone."""
        self._end.close()


class Child:
    """A process that does `work(channel)` and ends; `exit` codes other than 0 and 99 (the power went) are failures."""

    def __init__(self, work: Callable[[Channel], None]) -> None:
        here, there = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            here.close()
            _be(work, Channel(there))
        there.close()
        self.channel = Channel(here)

    def wait(self) -> int:
        """Its exit code."""
        self.channel.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _be(work: Callable[[Channel], None], channel: Channel) -> None:
    code = 1
    try:
        work(channel)
        code = 0
    except Gone:
        code = 0
    except BaseException:  # noqa: BLE001 - it must not become a second copy of what its parent does next
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)
