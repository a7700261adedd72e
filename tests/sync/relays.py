"""A relay on this machine between a box and its hub that counts every byte it passes on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes connections on to `port`; `cut_after` bytes of answers it hangs up and takes no more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.down = self.up = self.connections = 0
        self.cut_after: int | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hang up."""
        for end in [self._listening, *self._open]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                box, _ = self._listening.accept()
                if self.cut_after is not None and self.down >= self.cut_after:
                    box.close()
                    continue
                hub = socket.create_connection(("127.0.0.1", self._port))
                self._open += [box, hub]
                self.connections += 1
                threading.Thread(target=self._pass_on, args=(box, hub, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(hub, box, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_down: bool) -> None:
        with suppress(OSError):
            while block := source.recv(16 << 10):
                if is_down:
                    self.down += len(block)
                    if self.cut_after is not None and self.down >= self.cut_after:
                        break
                else:
                    self.up += len(block)
                target.sendall(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(url: str) -> Iterator[Relay]:
    """A relay to the server at `url`."""
    made = Relay(int(url.rsplit(":", 1)[1]))
    try:
        yield made
    finally:
        made.close()
