"""Bytes are on the disk as soon as they are here, whatever the connection does next; over a real server."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from eduhub import clock
from eduhub.installation import Installation
from eduhub.media.intents import UploadIntent
from eduhub.media.models import Source
from eduhub.signing import sha256_hex
from tests.media.serving import Served, credential, intent_of, served

FILM = bytes(range(251)) * 8000  # 2 MB

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def _log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serving") / "log"


@pytest.fixture
def server(installation: Installation, _log: Path) -> Iterator[Served]:
    with served(installation, _log) as found:
        yield found


def create(server: Served, intent: UploadIntent, length: int = len(FILM)) -> str:
    headers = credential(server.installation, intent) | {"Upload-Length": str(length)}
    made = httpx.post(server.address, headers=headers)
    assert made.status_code == 201, made.text
    return f"{server.address}/{intent.source_uid}"


def head(server: Served, intent: UploadIntent) -> httpx.Response:
    return httpx.head(
        f"{server.address}/{intent.source_uid}", headers=credential(server.installation, intent), timeout=20
    )


def patch(server: Served, intent: UploadIntent, offset: int, payload: bytes) -> httpx.Response:
    headers = credential(server.installation, intent) | {
        "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream",
    }
    return httpx.patch(f"{server.address}/{intent.source_uid}", headers=headers, content=payload, timeout=20)


def open_patch(server: Served, intent: UploadIntent, offset: int, framing: str) -> socket.socket:
    """A connection on which a PATCH has begun."""
    line = server.connect()
    headers = credential(server.installation, intent) | {
        "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", "Host": "hub",
    }
    words = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    line.sendall(f"PATCH /media/uploads/{intent.source_uid} HTTP/1.1\r\n{words}{framing}\r\n\r\n".encode())
    return line


def kept(server: Served, intent: UploadIntent) -> int:
    part = server.installation.settings.data_dir / "incoming" / f"{intent.source_uid}.part"
    return part.stat().st_size if part.exists() else 0


def wait_for(server: Served, intent: UploadIntent, size: int) -> None:
    until_s = clock.monotonic_s() + 10
    while kept(server, intent) < size:
        assert clock.monotonic_s() < until_s, f"{kept(server, intent)} of {size} bytes are on the disk"
        clock.sleep_s(0.02)


def arrived(server: Served, intent: UploadIntent) -> Source:
    with server.installation.database.read() as session:
        return session.get_one(Source, intent.source_uid)


def test_every_byte_that_came_is_kept_over_two_kills_a_cut_and_a_changed_network(server: Served) -> None:
    intent = intent_of(server.installation)
    create(server, intent)
    counted = f"Content-Length: {len(FILM)}"
    with open_patch(server, intent, 0, counted) as line:
        line.sendall(FILM[:100_003])
        wait_for(server, intent, 100_003)  # not a round number: nobody waits for a block to fill
        server.kill()
    server.start()
    assert head(server, intent).headers["Upload-Offset"] == "100003"

    with open_patch(server, intent, 100_003, "Transfer-Encoding: chunked") as line:
        for start in range(100_003, 200_003, 10_000):
            line.sendall(b"%x\r\n" % 10_000 + FILM[start : start + 10_000] + b"\r\n")
        wait_for(server, intent, 200_003)
        line.sendall(b"ffff\r\n" + FILM[200_003:200_010])  # the middle of a chunk is as good as its end
        wait_for(server, intent, 200_010)
        server.kill()
    server.start()
    assert head(server, intent).headers["Upload-Offset"] == "200010"

    with open_patch(server, intent, 200_010, f"Content-Length: {len(FILM) - 200_010}") as line:
        line.sendall(FILM[200_010:300_011])
    wait_for(server, intent, 300_011)
    assert head(server, intent).headers["Upload-Offset"] == "300011"

    # The old connection hangs without a word; its phone is on another network by now.
    with open_patch(server, intent, 300_011, f"Content-Length: {len(FILM) - 300_011}") as line:
        line.sendall(FILM[300_011:400_000])
        wait_for(server, intent, 400_000)
        asked_s = clock.monotonic_s()
        found = head(server, intent)
        assert (found.status_code, found.headers["Upload-Offset"]) == (200, "400000")
        assert clock.monotonic_s() - asked_s < 3
        last = patch(server, intent, 400_000, FILM[400_000:])
        assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(FILM)))
        assert line.recv(100).startswith(b"HTTP/1.1 423")

    source = arrived(server, intent)
    assert (source.sha256, source.bytes) == (sha256_hex(FILM), len(FILM))
    assert server.installation.blobs.path(sha256_hex(FILM)).read_bytes() == FILM
    assert not any((server.installation.settings.data_dir / "incoming").iterdir())
    server.kill()
    server.start()
    assert head(server, intent).headers["Upload-Offset"] == str(len(FILM))


def test_a_whole_chunked_body_and_the_next_request_use_one_connection(server: Served) -> None:
    intent = intent_of(server.installation)
    create(server, intent, 30)
    with open_patch(server, intent, 0, "Transfer-Encoding: chunked") as line:
        line.sendall(b"a\r\n" + b"a" * 10 + b"\r\n5\r\nbbbbb\r\n0\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 204")
        words = "".join(f"{name}: {value}\r\n" for name, value in credential(server.installation, intent).items())
        asked = f"HEAD /media/uploads/{intent.source_uid} HTTP/1.1\r\nHost: hub\r\n{words}\r\n".encode()
        line.sendall(asked)
        assert b"Upload-Offset: 15" in line.recv(4096)
        # Counted, with the next request right behind it.
        words += "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 15\r\nContent-Length: 15\r\n"
        line.sendall(f"PATCH /media/uploads/{intent.source_uid} HTTP/1.1\r\nHost: hub\r\n{words}\r\n".encode() + b"c" * 15 + asked)
        answers = b""
        while answers.count(b"Upload-Offset: 30") < 2:
            more = line.recv(4096)
            assert more
            answers += more
    assert arrived(server, intent).sha256 == sha256_hex(b"a" * 10 + b"b" * 5 + b"c" * 15)
