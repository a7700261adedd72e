"""A look at the first megabyte of an upload: what is wrong for certain is refused, everything else goes on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub.config import Settings
from eduhub.errors import MediaRefused
from eduhub.media import probe, workroom
from eduhub.media.facts import Probe
from tests.media import clips, seeds

pytestmark = pytest.mark.ffmpeg
Clip = Callable[[Callable[[Path], Path]], Path]


def look(source: Path, tmp_path: Path) -> Probe:
    with workroom.staged(source, tmp_path / "work") as work:
        return probe.probe(work, Settings(data_dir=tmp_path), headers_only=True)


def sparse(target: Path, whole: bytes, *pieces: tuple[int, int]) -> Path:
    """A copy with the length of the whole and only these pieces of it."""
    with target.open("wb") as file:
        os.truncate(file.fileno(), len(whole))
        for start, end in pieces:
            file.seek(start)
            file.write(whole[start:end])
    return target


def test_the_head_and_the_moov_of_a_film_are_enough(clip: Clip, tmp_path: Path) -> None:
    whole = clip(clips.lesson).read_bytes()
    moov = whole.index(b"moov") - 4
    assert moov > len(whole) // 2  # a camera's: the index is behind the film
    found = look(sparse(tmp_path / "copy", whole, (0, 100_000), (moov, len(whole))), tmp_path)
    assert found.video is not None
    assert (found.duration_ms, found.video.width, found.video.height) == (14_400, 320, 180)
    assert found.audio is not None


@pytest.mark.parametrize("name", ["matroska-h264-flac", "webm-vp9-opus", "avi-mjpeg-pcm", "mpegts-h264-aac", "mp3", "amr"])
def test_half_of_any_file_is_let_through(name: str, tmp_path: Path) -> None:
    seed = next(seed for seed in seeds.SEEDS if seed.name == name)
    if not seeds.make(seed, tmp_path / "whole"):
        pytest.skip(f"this ffmpeg cannot write {name}")
    whole = (tmp_path / "whole").read_bytes()
    assert look(sparse(tmp_path / "copy", whole, (0, len(whole) // 2)), tmp_path).bytes == len(whole)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [(clips.compressed_noise, probe.NOT_MEDIA), (clips.seldom_codec, probe.BAD_VIDEO_CODEC),
     (clips.seldom_sound, probe.BAD_AUDIO_CODEC), (clips.hls_playlist, probe.NOT_MEDIA)],
)  # fmt: skip
def test_what_can_never_become_a_lesson_is_refused_at_once(
    recipe: Callable[[Path], Path], reason: str, clip: Clip, tmp_path: Path
) -> None:
    whole = clip(recipe).read_bytes()
    with pytest.raises(MediaRefused) as refused:
        look(sparse(tmp_path / "copy", whole, (0, min(len(whole), 1 << 20))), tmp_path)
    assert refused.value.facts["reason"] == reason


def test_an_end_that_is_missing_is_not_judged_yet(clip: Clip, tmp_path: Path) -> None:
    assert look(clip(clips.cut_off), tmp_path).duration_ms == pytest.approx(10_000, abs=100)
