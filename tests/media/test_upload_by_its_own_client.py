"""tus-js-client itself, over a thin line, to a server that is killed twice: the same bytes, none of them sent often."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import IO, Any

import pytest

from eduhub.errors import UploadRefused
from eduhub.installation import Installation
from eduhub.media import intents
from eduhub.media.models import Source
from eduhub.signing import sha256_hex
from tests.media.serving import Served, intent_of, served

SCRIPT = Path(__file__).with_name("tus") / "send.mjs"
FILM = random.Random(31).randbytes(900_017)
RATE_KBIT_S = 2_000
SENT_TWICE_AT_MOST = 64 << 10  # bytes for each interruption

pytestmark = pytest.mark.processes


def lines(stream: IO[bytes] | None) -> Any:
    assert stream is not None
    for line in stream:
        yield json.loads(line)


def send(server: Served, token: str, file: Path, kill_at: list[int]) -> tuple[dict[str, Any], list[Any]]:
    """Run the client; kill the server whenever it holds so many bytes. The client's last words, and its offsets."""
    client = subprocess.Popen(
        ["node", str(SCRIPT), server.address, token, str(file), str(RATE_KBIT_S)], stdout=subprocess.PIPE
    )
    try:
        offsets: list[Any] = []
        for said in lines(client.stdout):
            if "done" in said or "failed" in said:
                return said, offsets
            if said.get("method") == "HEAD":
                offsets.append((said["status"], said["offset"]))
            if kill_at and said.get("sent", 0) >= kill_at[0]:
                kill_at.pop(0)
                server.kill()
                server.start()
        raise AssertionError("the client ended without a word")
    finally:
        client.kill()
        client.wait()
        assert client.stdout is not None
        client.stdout.close()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_signed_out_teachers_upload_survives_two_kills_and_the_end_of_its_token(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "rain.mp4"
    file.write_bytes(FILM)
    with served(installation, tmp_path / "log") as server:
        intent = intent_of(installation, expires_steady_s=int(installation.steady.now_s()) + 3)
        token = intents.sign(installation.keys.secret, intent)
        said, offsets = send(server, token, file, [250_000, 600_000])
    assert "done" in said, said
    assert said["done"] == f"{server.address}/{intent.source_uid}"
    with pytest.raises(UploadRefused, match="over"):
        intents.read(installation.keys.secret, token, installation.steady.now_s())
    with installation.database.read() as session:
        assert session.get_one(Source, intent.source_uid).sha256 == sha256_hex(FILM)
    assert installation.blobs.path(sha256_hex(FILM)).read_bytes() == FILM
    assert [status for status, _offset in offsets] == [200, 200]
    assert 0 <= said["sent"] - len(FILM) <= 2 * SENT_TWICE_AT_MOST
