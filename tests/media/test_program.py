"""Which ffmpeg is taken, and that a poor one on the machine never stops the work."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub.config import Settings
from eduhub.errors import ToolMissing
from eduhub.media import program
from tests.media import clips

PRETENDS = """#!/bin/sh
case "$*" in
  *-version*) echo "ffmpeg version {version} Copyright" ;;
  *-encoders*) for name in {encoders}; do echo " V....D $name  words" ; done ;;
esac
exit {code}
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`system(version="7.1")`: let that be the system's ffmpeg."""

    def place(version: str, *, encoders: tuple[str, ...] = program.ENCODERS, code: int = 0) -> Path:
        path = tmp_path / "ffmpeg"
        path.write_text(PRETENDS.format(version=version, encoders=" ".join(encoders), code=code))
        path.chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda _name, path=None: str(tmp_path / "ffmpeg"))
        program._find.cache_clear()
        return path

    monkeypatch.setattr(program, "_find", program.functools.cache(program._find.__wrapped__))
    return place


def test_a_new_and_whole_one_of_the_system_is_taken(system: Callable[..., Path]) -> None:
    path = system("7.1.2-3ubuntu1")
    found = program.find(Settings())
    assert (found.path, found.version, found.origin) == (path, (7, 1, 2), "system")


@pytest.mark.parametrize(
    "poor", [{"version": "5.1.9-0+deb12u1"}, {"version": "n8.0", "encoders": ("aac", "libopus")}, {"version": "8.0", "code": 1}]
)
def test_an_old_poor_or_broken_one_is_passed_over(poor: dict[str, object], system: Callable[..., Path]) -> None:
    system(**poor)
    found = program.find(Settings())
    assert (str(found.path), found.origin) == (clips.FFMPEG, "wheel")


def test_the_one_that_the_setting_names_is_obeyed_or_named_as_missing(system: Callable[..., Path]) -> None:
    path = system("5.0")
    assert program.find(Settings(ffmpeg=str(path))).origin == "setting"
    for missing in ("/nowhere/ffmpeg", "ffmpeg", str(system("8.0", encoders=("aac",)))):
        program._find.cache_clear()
        with pytest.raises(ToolMissing) as error:
            program.find(Settings(ffmpeg=missing))
        assert error.value.facts["tool"] == "ffmpeg"
