"""Sources that are odd in one way each: what is made of them, on real files."""

import json
import statistics
from pathlib import Path

import m3u8
import pytest
from PIL import Image

from eduhub.config import Settings
from eduhub.media import encode
from eduhub.media.recipes import Recipe
from tests.media import clips
from tests.media.reading import Make, decode, read_index, samples

pytestmark = pytest.mark.ffmpeg


def test_sound_alone_has_no_pictures_and_its_floor_is_the_voice(encoded: Make) -> None:
    made = encoded(clips.sound_alone)
    assert {row["name"] for row in made.report.renditions} == {"aac", "opus", "index", "download"}
    assert read_index(made)["stills"] is None
    manifest = json.loads((made.folder / "manifest.json").read_bytes())
    assert {part["name"] for part in manifest["parts"] if part["floor"]} == {"index", "aac"}
    assert next(part["type"] for part in manifest["parts"] if part["name"] == "download") == "audio/mp4"
    m3u8.parser.parse((made.folder / "master.m3u8").read_text("ascii"), strict=True)


def test_silence_has_no_sound_and_its_floor_is_the_stills(encoded: Make) -> None:
    made = encoded(clips.silent)
    assert not {"aac", "opus"} & {row["name"] for row in made.report.renditions}
    manifest = json.loads((made.folder / "manifest.json").read_bytes())
    assert {part["name"] for part in manifest["parts"] if part["floor"]} == {"index", "stills", "poster"}


def test_a_film_from_an_upright_phone_stands_upright(encoded: Make) -> None:
    made = encoded(clips.upright)
    assert made.report.source["video"]["rotation"] in (90, 270)
    _time, frame = decode(made.folder / "v240.mp4")[0]
    assert (frame.width, frame.height) == (120, 160)
    with Image.open(made.folder / "poster.webp") as poster:
        assert poster.size == (120, 160)


def test_odd_sides_become_even(encoded: Make) -> None:
    _time, frame = decode(encoded(clips.odd_size).folder / "v720.mp4")[0]
    assert (frame.width, frame.height) == (160, 120)


def test_a_varying_rate_becomes_an_even_one_that_shows_the_busy_seconds(encoded: Make) -> None:
    made = encoded(clips.varying_rate)
    assert made.report.source["video"]["variable_rate"] is True
    assert made.track("v720").fps_milli == 25_000
    assert made.track("v720").duration_ms == pytest.approx(6000, abs=50)


def test_a_picture_that_comes_late_and_ends_early_is_held_to_the_length_of_the_sound(encoded: Make) -> None:
    made = encoded(clips.late_picture)
    frames = decode(made.folder / "v360.mp4")
    assert frames[0][0] == pytest.approx(0, abs=1e-6)
    assert len(frames) == pytest.approx(100, abs=1)
    assert made.track("aac").duration_ms == pytest.approx(4000, abs=50)


def test_a_voice_in_the_centre_of_5_1_is_as_loud_as_it_was(encoded: Make) -> None:
    made = encoded(clips.voice_in_the_middle)
    peaks = [max(map(abs, samples(frame))) for _time, frame in decode(made.folder / "aac.mp4")]
    assert statistics.median(peaks) == pytest.approx(0.25, rel=0.1)


def test_the_real_lecture_fits_a_slow_link(hall_lecture: Path, tmp_path: Path) -> None:
    # Its first half is enough, and takes half the time.
    recipe = Recipe(edit=((0, 31_000),))
    made = encode.encode_file(hall_lecture, tmp_path / "out", Settings(data_dir=tmp_path), recipe=recipe)
    rates = {row["name"]: row["kbit_s"] for row in made.renditions}
    assert made.source["audio"]["channels"] == 6
    assert rates["v240"] + rates["opus"] < 90
    assert rates["opus"] < 18
    assert rates["aac"] < 36
    assert [made.source["video"][side] for side in ("width", "height")] == [320, 240]
    assert {(row["width"], row["height"]) for row in made.renditions if row["kind"] == "video"} == {(320, 240)}
    assert len(json.loads((tmp_path / "out" / "index.json").read_bytes())["stills"]["items"]) == 2
