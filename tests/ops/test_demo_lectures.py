"""The demo's lectures: drawn with the font beside them, spoken by a separate program."""

import subprocess
import wave
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import ImageChops, ImageFont

from eduhub.config import Settings
from eduhub.errors import ToolMissing
from eduhub.media import encode, program
from eduhub.ops.demo import film
from eduhub.ops.demo.lectures import LECTURES, WATER, Lecture, Line, Slide, every_glyph
from eduhub.ops.demo.voice import VOICES, speak

SHORT = Lecture(
    key="short", language="zh", titles={"zh": "水"}, texts={}, slides=(Slide("水", (Line("太阳晒热湖面", "太阳。"),)),)
)


def test_the_font_has_every_character_that_is_drawn() -> None:
    font = ImageFont.truetype(film.FONT, 40)
    missing = font.getmask("\U0010ffff").getbbox(), bytes(font.getmask("\U0010ffff"))
    without = [
        character
        for character in every_glyph()
        if not character.isspace() and (font.getmask(character).getbbox(), bytes(font.getmask(character))) == missing
    ]
    assert without == []


def test_the_font_comes_with_its_licence() -> None:
    assert "SIL OPEN FONT LICENSE" in (film.FONT.parent / "OFL.txt").read_text(encoding="utf-8").upper()
    assert film.FONT.stat().st_size < 150_000


def test_every_line_fits_on_its_slide() -> None:
    lines = ImageFont.truetype(film.FONT, 50)
    titles = ImageFont.truetype(film.FONT, 76)
    for lecture in LECTURES:
        for slide in lecture.slides:
            assert titles.getlength(slide.title) < film.WIDTH - 2 * 96
            assert len(slide.lines) <= 3
            assert all(lines.getlength(line.shown) < film.WIDTH - 144 - 96 for line in slide.lines)


def test_a_line_appears_when_it_is_spoken() -> None:
    slide = WATER.slides[0]
    nothing, one = film.draw(slide, 0, 0, 5), film.draw(slide, 0, 1, 5)
    changed = ImageChops.difference(nothing, one).getbbox()
    assert changed is not None
    assert changed[1] >= 255  # below the title


@pytest.mark.parametrize("language", sorted(VOICES))
def test_each_language_has_a_voice_that_can_be_heard(tmp_path: Path, language: str) -> None:
    seconds = speak("太阳照在湖面上。" if language == "zh" else "The sun warms the lake.", language, tmp_path / "o.wav")
    assert 1 < seconds < 6
    with wave.open(str(tmp_path / "o.wav"), "rb") as sound:
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    assert max(samples) > 3000


def test_a_language_without_a_voice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        speak("བཀྲ་ཤིས་བདེ་ལེགས།", "bo", tmp_path / "o.wav")


@pytest.mark.ffmpeg
@pytest.mark.any_engine
def test_a_lecture_becomes_a_film_with_sound(settings: Settings, tmp_path: Path) -> None:
    seen: list[float] = []
    target = tmp_path / "short.mp4"
    spoken = film.make(SHORT, target, tmp_path, program.find(settings).path, seen.append)
    assert [one.text for one in spoken if one.is_title] == [slide.title for slide in SHORT.slides]
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(spoken))
    said = subprocess.run(
        [str(program.find(settings).path), "-hide_banner", "-i", str(target)], capture_output=True, text=True, check=False
    ).stderr
    assert "1280x720" in said
    assert "Audio: aac" in said
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_what_is_taught_is_in_two_languages_and_titled_in_three() -> None:
    assert {lecture.language for lecture in LECTURES} == {"zh", "en"}
    assert all(set(lecture.titles) == {"bo", "zh", "en"} for lecture in LECTURES)
    assert len({lecture.key for lecture in LECTURES}) == len(LECTURES)


@pytest.mark.ffmpeg
@pytest.mark.any_engine
def test_a_film_of_still_slides_goes_through_the_pipeline(settings: Settings, tmp_path: Path) -> None:
    """Samples of a still picture are all of one size, which a fragment then says only once."""
    (tmp_path / "film").mkdir()
    target = tmp_path / "short.mp4"
    film.make(SHORT, target, tmp_path / "film", program.find(settings).path, lambda _done: None)
    report = encode.encode_file(target, tmp_path / "out", settings)
    assert {"video", "audio", "stills", "index"} <= {rendition["kind"] for rendition in report.renditions}
