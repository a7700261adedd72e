"""What the doctor sees, and what it says to do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from eduhub import clock
from eduhub.config import Settings
from eduhub.installation import Installation
from eduhub.ops import doctor, nginx
from tests.ops.commanding import eduhub


def ailing(settings: Settings) -> list[str]:
    """What is not well, as the advice that is given; the sandbox depends on the machine and is left out."""
    findings = [finding for finding in doctor.examine(settings) if not finding.is_well]
    return [finding.advice for finding in findings if "bubblewrap" not in finding.advice]


def test_a_machine_that_was_just_set_up_is_well(settings: Settings, installation: Installation) -> None:
    assert ailing(settings) == []


def test_a_new_folder_is_well_and_stays_untouched(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new", secure_cookies=False)
    assert ailing(settings) == []
    assert not settings.data_dir.exists()


def test_keys_that_others_can_read_are_named(settings: Settings, installation: Installation) -> None:
    (settings.data_dir / "keys" / "secret.key").chmod(0o644)
    (advice,) = ailing(settings)
    assert "secret.key" in advice
    assert "chmod" in advice


def test_an_ffmpeg_that_is_not_there_is_noticed(settings: Settings, installation: Installation) -> None:
    (advice,) = ailing(replace(settings, ffmpeg="/nowhere/ffmpeg"))
    assert "ffmpeg" in advice


def test_a_demanded_nginx_that_is_not_there_is_noticed(
    settings: Settings, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nginx, "program", lambda: None)
    assert ailing(settings) == []  # gunicorn alone does
    (advice,) = ailing(replace(settings, web_server="nginx"))
    assert "nginx-light" in advice


def test_a_clock_of_the_year_1970_is_noticed(settings: Settings, installation: Installation) -> None:
    clock.freeze(86_400_000)
    (advice,) = ailing(settings)
    assert "date" in advice


def test_cookies_that_nobody_would_send_back_are_noticed(settings: Settings, installation: Installation) -> None:
    (advice,) = ailing(replace(settings, secure_cookies=True))
    assert "EDUHUB_SECURE_COOKIES" in advice


def test_a_box_on_plain_http_is_well_as_it_is() -> None:
    box = Settings(role="node")
    assert not box.cookies_need_tls
    assert replace(box, public_url="https://shuanghu-3.n.example.org").cookies_need_tls
    assert Settings(role="hub").cookies_need_tls


def test_a_database_that_is_away_is_noticed(settings: Settings, installation: Installation, tmp_path: Path) -> None:
    away = f"postgresql+psycopg://nobody@/none?host={tmp_path}"
    (advice,) = ailing(replace(settings, database=away))
    assert "EDUHUB_DATABASE" in advice


@pytest.mark.parametrize("role", ["hub", "node"])
def test_the_command_fails_when_something_is_not_well(make_settings: Callable[..., Settings], role: str) -> None:
    done = eduhub(make_settings(role=role), "doctor", EDUHUB_FFMPEG="/nowhere/ffmpeg")
    assert done.returncode == 1
    assert "LOOK no ffmpeg" in done.stdout
