"""A photo of a card, as a phone takes it, and what strangers might send instead."""

import io
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import segno
from PIL import Image, ImageFilter

from eduhub.accounts import cards
from eduhub.config import Settings
from eduhub.errors import CardNotInPhoto, PhotosBusy, TooMuch
from eduhub.media import card_photos, jail
from tests.media.conftest import skip_without_bubblewrap

CODE = "0123456789ABCDEFGHJKMNPQRS"


def read(photo: bytes, **settings: Any) -> str:
    return card_photos.read(photo, Settings(**settings))


def square(text: str = f"http://box.lan:8080/card#{CODE}") -> Image.Image:
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(out, kind="png", scale=9, border=4)
    return Image.open(out).convert("RGB")


def on_a_table(*squares: Image.Image, size: tuple[int, int] = (3000, 2250), turned: float = 0, blurred: float = 0) -> Image.Image:
    """The cards side by side on something grey and grainy."""
    grain = random.Random(7)
    table = Image.new("RGB", (60, 45))
    table.putdata([(v, v, v - 10) for v in (grain.randrange(90, 150) for _ in range(60 * 45))])
    table = table.resize(size)
    for number, found in enumerate(squares):
        card = found.rotate(turned, expand=True, fillcolor=(240, 240, 240), resample=Image.Resampling.BICUBIC)
        table.paste(card, (300 + number * 1200, 500))
    return table.filter(ImageFilter.GaussianBlur(blurred))


def as_file(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_card_that_lies_askew_is_read(kind: str) -> None:
    assert cards.read(CODE) == CODE
    photo = on_a_table(square(), turned=23, blurred=2, size=(1800, 1350))
    assert read(as_file(photo, kind)) == CODE


def test_a_twelve_megapixel_photo_is_read() -> None:
    assert read(as_file(on_a_table(square().resize((900, 900)), size=(4000, 3000), turned=8))) == CODE


def test_a_photo_without_a_card_or_with_another_square_or_with_two_cards_signs_nobody_in() -> None:
    other = square(f"http://box.lan:8080/card#{CODE[::-1]}")
    for photo in (on_a_table(), on_a_table(square("https://example.org/")), on_a_table(square(), other)):
        with pytest.raises(CardNotInPhoto):
            read(as_file(photo))


def test_the_same_card_twice_in_a_mirror_is_one_card() -> None:
    assert read(as_file(on_a_table(square(), square()))) == CODE


@pytest.mark.parametrize(
    "sent", [b"", b"no picture", b"\xff\xd8\xff\xe0" + bytes(100), b"GIF89a" + bytes(50), b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_picture_is_refused(sent: bytes) -> None:
    with pytest.raises(CardNotInPhoto):
        read(sent)


def test_half_a_photo_is_refused() -> None:
    photo = as_file(on_a_table(square()))
    with pytest.raises(CardNotInPhoto):
        read(photo[: len(photo) // 3])


def test_a_small_file_with_a_million_rows_of_nothing_is_not_decoded() -> None:
    bomb = as_file(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(bomb) < 200_000
    with pytest.raises((TooMuch, CardNotInPhoto)):
        read(bomb)
    with pytest.raises(TooMuch):
        read(as_file(Image.new("L", (6000, 4000)), progressive=True))


def test_more_bytes_than_a_photo_has_are_not_looked_at() -> None:
    with pytest.raises(TooMuch):
        read(bytes(card_photos.MOST_BYTES + 1))


def test_whoever_finds_no_place_is_told_so_and_holds_no_thread_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_photos, "_LONGEST_WAIT_S", 0.01)
    with card_photos._at_once, card_photos._at_once, pytest.raises(PhotosBusy):
        read(as_file(on_a_table(square())))
    assert read(as_file(on_a_table(square()))) == CODE


def test_nothing_of_a_photo_is_decoded_in_the_process_that_serves_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = as_file(on_a_table(square()))
    monkeypatch.setattr(Image, "open", lambda *_a, **_k: pytest.fail("decoded here"))
    monkeypatch.setattr("zxingcpp.read_barcodes", lambda *_a, **_k: pytest.fail("looked at here"))
    assert read(photo) == CODE


# What a photo that broke a decoder might make of the program that decodes it.
TAKEN_OVER = {
    "it falls over": "import os; os.abort()",
    "it raises": "raise RuntimeError('broken')",
    "it takes all the memory": "held = [bytearray(1 << 26) for _ in range(1 << 20)]",
    "it never ends": "import time; time.sleep(600)",
    "it computes for ever": "while True: pass",
    "it talks without end": "while True: print('x' * 1000)",
    "it answers nonsense": "print('[1, 2')",
    "it answers something else": "print(0)",
    "it says nothing": "",
}


@pytest.mark.parametrize("kind", ["auto", "rlimits"])
@pytest.mark.parametrize("what", TAKEN_OVER)
def test_a_photo_that_takes_the_decoder_over_signs_nobody_in_and_hurts_nothing_else(
    what: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_over(monkeypatch, tmp_path, TAKEN_OVER[what])
    with pytest.raises(CardNotInPhoto):
        read(as_file(on_a_table(square())), jail=kind)
    monkeypatch.undo()
    assert read(as_file(on_a_table(square())), jail=kind) == CODE


def test_a_decoder_that_was_taken_over_sees_no_file_of_ours_and_writes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not jail.bubblewrap_works():
        skip_without_bubblewrap()
    (tmp_path / "secret").write_text(CODE)
    tried = f"import json, pathlib; print(json.dumps({{'squares': [pathlib.Path({str(tmp_path / 'secret')!r}).read_text()]}}))"
    _take_over(monkeypatch, tmp_path, tried)
    assert read(as_file(on_a_table(square())), jail="rlimits") == CODE  # the danger is real where only limits hold
    with pytest.raises(CardNotInPhoto):
        read(as_file(on_a_table(square())), jail="bubblewrap")


def test_whoever_reads_a_page_goes_before_a_photo_that_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"import json, os; print(json.dumps({{'squares': ['{CODE}'] if os.nice(0) >= {min(19, os.nice(0) + 5)} else []}}))"
    _take_over(monkeypatch, tmp_path, said)
    assert read(b"a photo", jail="rlimits") == CODE


def _take_over(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    child = folder / "child.py"
    child.write_text(program)
    monkeypatch.setattr(card_photos, "_CHILD", child)
    monkeypatch.setattr(card_photos, "_LIMITS", replace(card_photos._LIMITS, cpu_s=1, wall_s=2))
