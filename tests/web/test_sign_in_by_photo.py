"""Signing in with a photo of the card."""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from eduhub.accounts.models import TryCounter
from eduhub.config import Settings
from eduhub.errors import CardNotInPhoto, PhotosBusy
from eduhub.installation import Installation
from eduhub.media import card_photos
from eduhub.web import photos
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


def quickly(photo: bytes, _settings: Settings) -> str:
    """A decoder for photos that say their code in plain letters."""
    code = photo.decode()
    if not code:
        raise CardNotInPhoto("no card")
    return code


def test_who_sends_photos_without_a_card_has_to_wait_and_nobody_elsewhere_does(
    browser: Browser, world: World, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_photos, "read", quickly)
    stopped_s = installation.steady.now_s()
    monkeypatch.setattr(installation.steady, "now_s", lambda: stopped_s)  # else a slow machine gives tries back meanwhile
    stranger = browser()
    assert [send(stranger, b"").status_code for _ in range(58)] == [400] * 58
    assert send(stranger, b"0" * 26).status_code == 400, "a card that nobody has is none"
    for _ in range(3):
        assert send(stranger, world.dolma_card.encode()).status_code == 303, "a class with its own cards is not counted"
    assert send(stranger, b"").status_code == 400
    refused = send(browser(), world.dolma_card.encode())
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    assert "Wait 10 s" in refused.text
    assert browser().card(world.dolma_card).get("/").status_code == 200, "the code can be typed all the same"
    elsewhere = browser()
    elsewhere.client.environ_base["REMOTE_ADDR"] = "10.0.0.8"
    assert send(elsewhere, world.dolma_card.encode()).status_code == 303


def test_a_photo_that_found_no_place_is_not_counted(
    browser: Browser, world: World, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_photo: bytes, _settings: Settings) -> str:
        raise PhotosBusy

    monkeypatch.setattr(card_photos, "read", busy)
    assert "type the code of the card" in send(browser(), b"").text
    with installation.database.read() as session:
        now_ms = int(installation.steady.now_s() * 1000)
        assert [row for row in session.scalars(select(TryCounter)) if row.empty_at_ms > now_ms] == []


def test_no_more_than_four_photos_are_held_in_memory_at_once(browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_photos, "read", quickly)
    monkeypatch.setattr(photos, "_LONGEST_WAIT_S", 0.01)
    reader = browser()
    for _ in range(6):
        assert send(reader, b"").status_code == 400
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(photos._at_once)
        held.enter_context(unread_forms(monkeypatch))
        refused = send(reader, world.dolma_card.encode())
        assert refused.status_code == 503
        assert "type the code of the card" in refused.text
    assert send(reader, world.dolma_card.encode()).status_code == 303


@contextmanager
def unread_forms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr("werkzeug.formparser.MultiPartParser.parse", lambda *_a, **_k: pytest.fail("the form was read"))
        yield


def test_a_photo_from_another_site_is_refused(browser: Browser, world: World) -> None:
    sent = {"photo": (io.BytesIO(photo_of(world.dolma_card)), "x.jpg")}
    answer = browser().client.post("/card/photo", data=sent, content_type="multipart/form-data")
    assert answer.status_code == 400
