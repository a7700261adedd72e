"""Make a lecture's MP4, as a teacher with a screen recorder would upload it: drawn slides and a voice.

This module must not know the database: it turns a `Lecture` into one file.
"""

import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from eduhub.errors import EncodeFailed
from eduhub.ops.demo.lectures import Lecture, Slide
from eduhub.ops.demo.voice import speak

WIDTH, HEIGHT, FRAME_RATE = 1280, 720, 25
PAUSE_S = 0.7  # between two lines
LAST_PAUSE_S = 1.5
FONT = Path(__file__).parent / "font" / "demo.ttf"

# One ground and ink for each slide of a lecture, dark on light: what a classroom screen shows well.
_PAPER = ("#f7f3ea", "#eaf3f7", "#eef5ea", "#f5eef2", "#f3f0e6")
_INK, _ACCENT, _QUIET = "#1d2b36", "#0b6e8a", "#b9c4cb"
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Said:
    """What is spoken in a film, and when; the title of a slide begins a chapter."""

    start_ms: int
    end_ms: int
    text: str
    is_title: bool


def make(
    lecture: Lecture, target: Path, workdir: Path, ffmpeg: Path, on_progress: Callable[[float], None]
) -> tuple[Said, ...]:
    """Write `target`, and return what is said in it; `workdir` is an empty folder. Raises ToolMissing, EncodeFailed."""
    steps = [
        (slide, number, shown)
        for number, slide in enumerate(lecture.slides)
        for shown in range(len(slide.lines) + 1)
    ]
    pictures: list[tuple[Path, float]] = []
    sounds: list[Path] = []
    said: list[Said] = []
    for done, (slide, number, shown) in enumerate(steps):
        picture, sound = workdir / f"{done:03}.png", workdir / f"{done:03}.wav"
        draw(slide, number, shown, len(lecture.slides)).save(picture)
        text = slide.lines[shown - 1].spoken if shown else slide.title
        seconds = speak(text, lecture.language, sound)
        start_ms = round(1000 * sum(length_s for _, length_s in pictures))
        said.append(Said(start_ms, start_ms + round(1000 * seconds), text, shown == 0))
        pictures.append((picture, seconds + (LAST_PAUSE_S if done == len(steps) - 1 else PAUSE_S)))
        sounds.append(sound)
        on_progress(0.8 * (done + 1) / len(steps))
    voice = workdir / "voice.wav"
    _join(sounds, [seconds for _, seconds in pictures], voice)
    _assemble(pictures, voice, target, ffmpeg)
    on_progress(1.0)
    return tuple(said)


def draw(slide: Slide, number: int, shown: int, count: int) -> Image.Image:
    """One picture: the slide with its first `shown` lines."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER[number % len(_PAPER)])
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 24, HEIGHT), fill=_ACCENT)
    pen.text((96, 90), slide.title, font=ImageFont.truetype(FONT, 76), fill=_INK)
    pen.line((96, 205, WIDTH - 96, 205), fill=_ACCENT, width=4)
    for place, line in enumerate(slide.lines[:shown]):
        top = 255 + 110 * place
        is_newest = place == shown - 1
        pen.ellipse((100, top + 22, 118, top + 40), fill=_ACCENT if is_newest else _QUIET)
        pen.text((144, top), line.shown, font=ImageFont.truetype(FONT, 50), fill=_INK)
    for place in range(count):
        left = 96 + 46 * place
        pen.rectangle((left, HEIGHT - 64, left + 34, HEIGHT - 54), fill=_ACCENT if place <= number else _QUIET)
    return image


def _join(sounds: list[Path], lengths_s: list[float], target: Path) -> None:
    """One WAV in which sound i takes lengths_s[i], silence at its end."""
    with wave.open(str(target), "wb") as joined:
        for place, (sound, length_s) in enumerate(zip(sounds, lengths_s, strict=True)):
            with wave.open(str(sound), "rb") as one:
                if place == 0:
                    joined.setparams(one.getparams())
                samples = one.readframes(one.getnframes())
                silent = round(length_s * one.getframerate()) - one.getnframes()
            joined.writeframes(samples + bytes(2 * max(0, silent)))


def _assemble(pictures: list[tuple[Path, float]], voice: Path, target: Path, ffmpeg: Path) -> None:
    listing = voice.with_name("pictures.txt")
    lines = ["ffconcat version 1.0"]
    for picture, seconds in pictures:
        lines += [f"file {picture.name}", f"duration {seconds:.3f}"]
    lines.append(f"file {pictures[-1][0].name}")  # the concat reader wants the last one named twice
    listing.write_text("\n".join(lines) + "\n", encoding="ascii")
    command = [
        str(ffmpeg), "-nostdin", "-hide_banner", "-loglevel", "error", "-y",
        "-f", "concat", "-i", str(listing), "-i", str(voice),
        "-vf", f"fps={FRAME_RATE},format=yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20",
        "-c:a", "aac", "-b:a", "96k", "-t", f"{sum(seconds for _, seconds in pictures):.3f}",
        "-movflags", "+faststart", str(target),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise EncodeFailed(done.stderr.decode(errors="replace")[-500:])
