"""Clips and one encoded lesson, made once a run; the ffmpeg programs of this machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eduhub.config import Settings
from eduhub.media import encode, segment
from eduhub.media.segment import Track
from tests.media import clips, stepping
from tests.shared import made_once

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"


@dataclass(frozen=True)
class Encoded:
    """A folder that `encode_file` filled, and its report."""

    folder: Path
    report: encode.Report

    def track(self, name: str) -> Track:
        return segment.read_track(name, self.folder / f"{name}.mp4", None)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], Path]], Path]:
    """`clip(clips.lesson)`: that clip, made at the first call."""
    made: dict[str, Path] = {}

    def get(recipe: Callable[[Path], Path]) -> Path:
        name = recipe.__name__
        if name not in made:
            made[name] = made_once(tmp_path_factory, name, lambda folder: recipe(folder / "lesson.mp4"))
        return made[name]

    return get


@pytest.fixture(scope="session")
def encoded(
    clip: Callable[[Callable[[Path], Path]], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Callable[[Path], Path]], Encoded]:
    """`encoded(clips.lesson)`: what the pipeline makes of that clip, made at the first call."""
    made: dict[str, Encoded] = {}

    def get(recipe: Callable[[Path], Path]) -> Encoded:
        name = recipe.__name__
        if name not in made:
            made[name] = made_once(tmp_path_factory, f"encoded_{name}", partial(encode_in, clip(recipe)))
        return made[name]

    def encode_in(source: Path, folder: Path) -> Encoded:
        settings = Settings(data_dir=folder / "unused")
        return Encoded(folder, encode.encode_file(source, folder, settings, language="zh"))

    return get


@pytest.fixture
def steps(clip: Callable[[Callable[[Path], Path]], Path], tmp_path: Path) -> Callable[..., stepping.Stepped]:
    """`steps(clips.fifty, "v360")`: those steps of that clip; without names its facts alone."""
    count = 0

    def get(make: Callable[[Path], Path], *names: str, **options: Any) -> stepping.Stepped:
        nonlocal count
        count += 1
        folder = tmp_path / f"steps-{count}"
        folder.mkdir()
        return stepping.run(clip(make), folder, *names, **options)

    return get


def _programs() -> list[str]:
    system = shutil.which("ffmpeg", path="/usr/local/bin:/usr/bin:/bin")
    if system is None and os.environ.get("CI") == "true":
        raise pytest.UsageError("In CI the system's ffmpeg must be there: the attack files are tried on it too.")
    return [clips.FFMPEG, *([system] if system else [])]


@pytest.fixture(params=_programs(), ids=lambda path: "wheel" if path == clips.FFMPEG else "system")
def ffmpeg_program(request: pytest.FixtureRequest) -> str:
    """Each ffmpeg of this machine: the packaged one, and the system's where there is one."""
    return str(request.param)


def skip_without_bubblewrap() -> None:
    """Leave a test out and say why; with CI=true .ci/test.py counts that as a failure."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (apt-get install bubblewrap)")
    pytest.skip("bubblewrap is installed, but may not make namespaces here (a container without user namespaces)")


@pytest.fixture
def hall_lecture() -> Iterator[Path]:
    """A real lecture with 5.1 sound, where the shared corpus lies beside the checkout."""
    path = CORPUS / "c1_hall_mit.webm"
    if not path.is_file():
        reason = "the corpus (../shared/corpus) is not beside this checkout"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; in CI it must be")
        pytest.skip(reason)
    return path
