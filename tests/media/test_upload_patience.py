"""A connection that says nothing holds a thread for two minutes, and somebody else's call ends that at once."""

import socket
from collections.abc import Iterator

import pytest
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from eduhub.errors import UploadBusy, UploadCutShort
from eduhub.media import body


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, body.Arriving]]:
    """Both ends of a connection: the teacher's, and the body of 100 bytes that the server reads."""
    monkeypatch.setattr(body, "TICK_S", 0.01)
    near, far = socket.socketpair()
    arriving = body.of({"wsgi.input": Body(LengthReader(SocketUnreader(near), 100)), "gunicorn.socket": near})
    with near, far:
        yield far, arriving


def test_what_is_here_is_read_at_once_however_little(line: tuple[socket.socket, body.Arriving]) -> None:
    teacher, arriving = line
    for piece in (b"a", b"bc", b"d" * 97):
        teacher.sendall(piece)
        assert arriving.read(body.BLOCK) == piece
    assert arriving.read(body.BLOCK) == b""


def test_silence_ends_the_reading(line: tuple[socket.socket, body.Arriving], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "IDLE_S", 0.05)
    line[0].sendall(b"a")
    assert line[1].read(body.BLOCK) == b"a"
    with pytest.raises(UploadCutShort, match="too long"):
        line[1].read(body.BLOCK)


def test_a_hung_up_line_ends_the_reading(line: tuple[socket.socket, body.Arriving]) -> None:
    line[0].close()
    with pytest.raises(UploadCutShort, match="ended"):
        line[1].read(body.BLOCK)


def test_whoever_waits_may_be_called_away(line: tuple[socket.socket, body.Arriving]) -> None:
    def called() -> None:
        raise UploadBusy

    line[1].on_wait = called
    with pytest.raises(UploadBusy):
        line[1].read(body.BLOCK)
