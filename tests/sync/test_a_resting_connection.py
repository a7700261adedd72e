"""A hub that hangs up on a connection that rested is asked again, once, over a new one."""

import socket
import threading
from collections.abc import Iterator

import pytest

from eduhub.errors import LinkDown
from eduhub.sync.link import Link

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'


class Impatient:
    """A server that answers so many requests on a connection, and hangs up when one more has come."""

    def __init__(self, answers: list[int]) -> None:
        self._answers, self.connections = answers, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for count in self._answers:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self.connections += 1
                for _ in range(count):
                    if not connection.recv(1 << 16):
                        break
                    connection.sendall(ANSWER)
                connection.recv(1 << 16)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def impatient(request: pytest.FixtureRequest) -> Iterator[Impatient]:
    server = Impatient(request.param)
    yield server
    server.close()


@pytest.mark.parametrize("impatient", [[1, 1]], indirect=True)
def test_what_was_asked_on_a_connection_that_had_ended_is_asked_on_a_new_one(impatient: Impatient) -> None:
    with Link(impatient.url) as link:
        assert link.get_json("/first", signed=False) == {}
        assert link.get_json("/second", signed=False) == {}
    assert impatient.connections == 2


@pytest.mark.parametrize("impatient", [[1, 0, 1]], indirect=True)
def test_a_hub_that_hangs_up_again_is_a_link_that_is_down(impatient: Impatient) -> None:
    with Link(impatient.url) as link:
        link.get_json("/first", signed=False)
        with pytest.raises(LinkDown):
            link.get_json("/second", signed=False)
    assert impatient.connections == 2
