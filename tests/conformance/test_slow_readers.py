"""Readers on a thin line: two hundred keep nobody waiting, the slow are served to the end, the gone are cut off."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import serving
from eduhub import clock
from eduhub.delivery import http as lane_http
from eduhub.delivery import passes
from eduhub.delivery.http import MediaLane
from eduhub.installation import Installation
from eduhub.ops import nginx
from eduhub.signing import sha256_hex
from tests.conformance.lanes import hub_in, running
from tests.delivery.conftest import VIDEO, Machine, lesson_manifest, part, pieces_of

NGINX = pytest.mark.skipif(nginx.program() is None, reason="nginx is not installed: its lane is not looked at")
READERS = 200
LECTURE = os.urandom(1 << 20) * 4


class Library(Machine):
    """A hub whose lesson has a video that no buffer of a connection swallows."""

    def with_a_lecture(self) -> str:
        self.here.blobs.put_bytes(LECTURE)
        self.here.blobs.put_bytes(pieces_of(LECTURE))
        plain = lesson_manifest().parts
        parts = tuple(found for found in plain if found.name != "v240")
        video = part("v240", LECTURE, kind="video", type="video/mp4", width=426, height=240, language=None)
        return self.publish(lesson_manifest(parts=(*parts, video))).id


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Installation]:
    made = hub_in(tmp_path, web_threads=READERS + 20)
    yield made
    made.database.close()


def token_for(hub: Installation, package_id: str) -> str:
    return passes.mint(
        hub.keys.secret, package_id=package_id, audience="learner", person_uid=None,
        expires_steady_s=hub.steady.now_s() + 3600,
    )  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize("web_server", ["gunicorn", pytest.param("nginx", marks=NGINX)])
def test_two_hundred_slow_readers_keep_no_page_waiting(hub: Installation, web_server: str) -> None:
    package_id = Library(hub).with_a_lecture()
    cookie = f"Cookie: eduhub_pass={token_for(hub, package_id)}"
    (wanted,) = serving.requests(f"/p/{package_id}/{sha256_hex(LECTURE)}", [cookie], [""])
    with running(hub, web_server) as port:
        alone = sorted(serving.page_times_ms(port, "/sign-in", 20))
        with serving.SlowReaders(port, wanted, READERS, 8192) as readers:
            readers.wait_until_all_read()
            before = list(readers.taken)
            beside = sorted(serving.page_times_ms(port, "/sign-in", 40))
            ends = clock.monotonic_s() + 60
            while not all(now > then for now, then in zip(readers.taken, before, strict=True)):
                assert clock.monotonic_s() < ends, "a reader gets nothing more"
                assert min(readers.taken) >= 0, "a reader was cut off"
                clock.sleep_s(0.1)
    # A page that waits for a reader waits for minutes. The exact ratio is make bench-serve's to say.
    assert beside[len(beside) // 2] < 20 * alone[len(alone) // 2] + 100


def connected() -> tuple[socket.socket, socket.socket]:
    """A server's side and a reader's side, the latter with a small buffer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(listening.getsockname())
        return listening.accept()[0], reader


@pytest.fixture
def begun(hub: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[[socket.socket], None]:
    """The Python lane begins an answer on a connection, as gunicorn hands it in; one second is 'gone' here."""
    monkeypatch.setattr(lane_http, "_GONE_MS", 1000)
    package_id = Machine(hub).publish(lesson_manifest()).id
    lane = MediaLane(lambda *_: [], packages_dir=hub.packages_dir, secret=hub.keys.secret, steady=hub.steady)

    def begin(connection: socket.socket) -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET", "PATH_INFO": f"/p/{package_id}/{sha256_hex(VIDEO)}",
            "HTTP_COOKIE": f"eduhub_pass={token_for(hub, package_id)}", "gunicorn.socket": connection,
        }  # fmt: skip
        answer = lane(environ, lambda *_: lambda _data: None)
        answer.close()  # type: ignore[attr-defined]

    return begin


def test_a_reader_that_takes_nothing_is_cut_off(begun: Callable[[socket.socket], None]) -> None:
    server, reader = connected()
    begun(server)
    with server, reader, pytest.raises(TimeoutError):
        server.sendall(bytes(64 << 20))


def test_a_reader_that_takes_a_little_now_and_then_is_not(begun: Callable[[socket.socket], None]) -> None:
    server, reader = connected()
    begun(server)
    faults: list[OSError] = []

    def send() -> None:
        try:
            server.sendall(bytes(64 << 20))
        except OSError as error:
            faults.append(error)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    ends = clock.monotonic_s() + 4  # four times as long as a gone one is waited for
    while clock.monotonic_s() < ends:
        assert reader.recv(4096)
        clock.sleep_s(0.05)
    assert sender.is_alive()
    assert faults == []
    reader.close()
    sender.join(30)
    server.close()
