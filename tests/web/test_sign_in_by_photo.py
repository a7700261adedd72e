"""Signing in with a photo of the card."""

import io
import tempfile
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from eduhub.media import card_photos
from tests.media.test_card_photos import as_file, on_a_table, square
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


def send(reader: Reader, photo: bytes, *, path: str = "/card/photo", **fields: str) -> TestResponse:
    """The form as a browser writes it; the test client would put a large file on the disk first."""
    words = {"csrf_token": reader.csrf("/card"), **fields}
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in words.items()]
    parts.append(b'Content-Disposition: form-data; name="photo"; filename="IMG_2017.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + photo)
    body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"
    return reader.client.post(path, data=body, content_type="multipart/form-data; boundary=edge")


def photo_of(code: str) -> bytes:
    return as_file(on_a_table(square(f"http://box.lan/card#{code}"), turned=12))


def test_a_photo_of_the_card_signs_its_child_in(browser: Browser, world: World) -> None:
    dolma = browser()
    answer = send(dolma, photo_of(world.dolma_card), back=f"/lessons/{world.lesson}")
    assert (answer.status_code, answer.location) == (303, f"/lessons/{world.lesson}")
    assert "Dolma" in dolma.get("/").text


def test_a_photo_that_shows_no_card_says_what_to_do(browser: Browser) -> None:
    answer = send(browser(), as_file(on_a_table()))
    assert answer.status_code == 400
    assert "Hold the card flat" in answer.text


def test_a_card_that_is_not_known_here_is_refused(browser: Browser, world: World) -> None:
    answer = send(browser(), photo_of("0" * 26))
    assert answer.status_code == 400
    assert "not known here" in answer.text


def test_a_phones_ten_megabytes_are_taken_and_no_other_form_takes_as_much(browser: Browser, world: World) -> None:
    padded = photo_of(world.dolma_card) + bytes(10 << 20)
    assert send(browser(), padded).status_code == 303
    assert send(browser(), bytes(card_photos.MOST_BYTES + (2 << 20))).status_code == 413
    assert send(browser(), padded, path="/card", token="x").status_code == 413


def test_the_photo_never_touches_the_disk(browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = browser()
    reader.csrf("/card")
    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, lambda *_a, **_k: pytest.fail("a file was made"))
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", lambda *_a, **_k: pytest.fail("a file was made"))
    padded = photo_of(world.dolma_card) + bytes(3 << 20)
    assert send(reader, padded).status_code == 303


def test_a_photo_from_another_site_is_refused(browser: Browser, world: World) -> None:
    sent = {"photo": (io.BytesIO(photo_of(world.dolma_card)), "x.jpg")}
    answer = browser().client.post("/card/photo", data=sent, content_type="multipart/form-data")
    assert answer.status_code == 400
