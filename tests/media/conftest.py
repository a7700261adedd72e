"""Clips and one encoded lesson, made once a run; the ffmpeg programs of this machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eduhub.config import Settings
from eduhub.media import encode, segment
from eduhub.media.segment import Track
from tests.media import clips

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
        if recipe.__name__ not in made:
            made[recipe.__name__] = recipe(tmp_path_factory.mktemp(recipe.__name__) / "lesson.mp4")
        return made[recipe.__name__]

    return get


@pytest.fixture(scope="session")
def encoded(
    clip: Callable[[Callable[[Path], Path]], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Callable[[Path], Path]], Encoded]:
    """`encoded(clips.lesson)`: what the pipeline makes of that clip, made at the first call."""
    made: dict[str, Encoded] = {}

    def get(recipe: Callable[[Path], Path]) -> Encoded:
        if recipe.__name__ not in made:
            folder = tmp_path_factory.mktemp(f"encoded_{recipe.__name__}")
            settings = Settings(data_dir=folder / "unused")
            made[recipe.__name__] = Encoded(folder, encode.encode_file(clip(recipe), folder, settings, language="zh"))
        return made[recipe.__name__]

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
