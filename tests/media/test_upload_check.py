"""A wrong file is refused after a megabyte; one that cannot be judged by it is let go on."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import Babel

from eduhub import http
from eduhub.errors import UploadBusy
from eduhub.installation import Installation
from eduhub.media import checking
from eduhub.media import http as media_http
from eduhub.media.intents import UploadIntent
from tests.media import clips
from tests.media.serving import credential, intent_of

MB = 1 << 20


@pytest.fixture
def client(installation: Installation) -> FlaskClient:
    app = Flask("test")
    Babel(app)
    http.register(app, lambda page: page.happened)
    app.register_blueprint(media_http.blueprint(installation))
    return app.test_client()


@pytest.fixture
def ask(client: FlaskClient, installation: Installation) -> Callable[..., dict[str, object]]:
    def asked(payload: bytes, ranges: str, length: int | None = None) -> dict[str, object]:
        intent = intent_of(installation)
        pieces = [slice(int(first), int(last) + 1) for first, last in (part.split("-") for part in ranges.split(","))]
        answer = client.post(
            f"/media/uploads/{intent.source_uid}/check", data=b"".join(payload[piece] for piece in pieces),
            headers=credential(installation, intent) | {"EduHub-Ranges": ranges, "Upload-Length": str(length or len(payload))},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        assert not list((installation.settings.data_dir / "work").iterdir())
        found: dict[str, object] = answer.get_json()
        return found

    return asked


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 as phones write it: the index at the end, behind 2 MB."""
    place = tmp_path_factory.mktemp("film") / "film.mp4"
    subprocess.run(
        [clips.FFMPEG, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x480:r=25:d=8", "-f", "lavfi", "-i", "sine=d=8",
         "-c:v", "libx264", "-preset", "ultrafast", "-qp", "2", "-c:a", "aac", str(place)],
        check=True,
    )  # fmt: skip
    return place.read_bytes()


@pytest.mark.ffmpeg
def test_the_head_and_the_index_at_the_end_say_that_a_film_is_fine(film: bytes, ask: Callable[..., dict[str, object]]) -> None:
    assert len(film) > 2 * MB
    index = film.rindex(b"moov") - 4
    found = ask(film, f"0-{MB - 1},{index}-{len(film) - 1}")
    assert (found["verdict"], found["happened"]) == ("fine", None)
    assert 7900 <= int(str(found["duration_ms"])) <= 8100


@pytest.mark.ffmpeg
def test_a_film_whose_index_was_not_sent_is_not_refused(film: bytes, ask: Callable[..., dict[str, object]]) -> None:
    assert ask(film, f"0-{MB - 1}")["verdict"] == "unknown"
    assert ask(film, "0-99")["verdict"] == "unknown"


@pytest.mark.parametrize("wrong", [b"%PDF-1.7 " * 300_000, b"PK\x03\x04" * 400_000, b"#EXTM3U\nfile:///etc/passwd\n" * 80_000, b"short"])
def test_what_is_no_film_is_refused_after_a_megabyte(wrong: bytes, ask: Callable[..., dict[str, object]]) -> None:
    found = ask(wrong, f"0-{min(MB, len(wrong)) - 1}")
    assert (found["verdict"], found["duration_ms"]) == ("refused", None)
    assert "not a video or sound file" in str(found["happened"])
    assert found["next_step"]


def test_too_little_of_an_unknown_file_says_nothing(ask: Callable[..., dict[str, object]]) -> None:
    assert ask(b"%PDF-1.7 " * 300_000, "0-4095")["verdict"] == "unknown"


def test_a_file_above_the_limit_is_refused_by_its_length(ask: Callable[..., dict[str, object]]) -> None:
    found = ask(b"x" * 100, "0-99", length=5000 * MB)
    assert found["verdict"] == "refused"
    assert "larger" in str(found["happened"])


@pytest.mark.ffmpeg
def test_a_picture_that_is_not_opened_here_is_refused(tmp_path: Path, ask: Callable[..., dict[str, object]]) -> None:
    place = tmp_path / "odd.mp4"
    subprocess.run(
        [clips.FFMPEG, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "-c:v", "ffv1", "-f", "matroska", str(place)],
        check=True,
    )  # fmt: skip
    odd = place.read_bytes()
    found = ask(odd, f"0-{len(odd) - 1}")
    assert found["verdict"] == "refused"
    assert "stored in a way" in str(found["happened"])


@pytest.mark.parametrize(
    ("ranges", "length", "status"),
    [("", "10", 400), ("5-1", "10", 400), ("0-4,3-9", "10", 400), ("0-10", "10", 400), ("0-1,2-3,4-5,6-7,8-9", "10", 400),
     ("0-9", "x", 400), ("0-9000000", "20000000", 400), ("0-9", "10", 400)],
)  # fmt: skip
def test_ranges_that_are_none_are_refused(
    client: FlaskClient, installation: Installation, ranges: str, length: str, status: int
) -> None:
    intent = intent_of(installation)
    headers = credential(installation, intent) | {"EduHub-Ranges": ranges, "Upload-Length": length}
    answer = client.post(f"/media/uploads/{intent.source_uid}/check", data=b"short", headers=headers)
    assert answer.status_code == status


def test_nobody_looks_without_an_intent_or_twice_at_once(client: FlaskClient, installation: Installation) -> None:
    intent: UploadIntent = intent_of(installation)
    headers = credential(installation, intent) | {"EduHub-Ranges": "0-4", "Upload-Length": "5"}
    other = f"/media/uploads/{intent_of(installation).source_uid}/check"
    assert client.post(other, data=b"short", headers=headers).status_code == 403

    class Again:
        def read(self, _size: int, /) -> bytes:
            answer = client.post(f"/media/uploads/{intent.source_uid}/check", data=b"short", headers=headers)
            assert answer.status_code == UploadBusy.status
            return b"short"

    assert checking.look(installation, intent.source_uid, 5, [(0, 5)], Again()).verdict == "refused"
