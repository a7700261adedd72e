"""Settings: one table, read once, and a bad value names itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from eduhub import config
from eduhub.config import Settings
from eduhub.errors import BadSetting


def test_without_a_word_everything_has_its_default() -> None:
    assert config.load({}) == Settings()
    assert config.load({"PATH": "/bin", "EDUHUB_TEST_POSTGRESQL": "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("role", "node", "node"), ("data_dir", "/srv/eduhub", Path("/srv/eduhub")), ("port", "80", 80),
        ("secure_cookies", "no", False), ("public_url", "https://hub.example.org", "https://hub.example.org"),
        ("sync_window", "22:00-06:00", "22:00-06:00"), ("database", "sqlite:////srv/a.db", "sqlite:////srv/a.db"),
    ],
)  # fmt: skip
def test_a_setting_is_read_from_its_variable(name: str, text: str, value: object) -> None:
    assert getattr(config.load({config.variable(name): text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("role", "server"), ("role", ""), ("data_dir", ""), ("port", "0"), ("port", "65536"), ("port", "eighty"),
        ("port", "８０"), ("port", " 80"), ("secure_cookies", "true"), ("public_url", "hub.example.org"),
        ("public_url", "https://hub.example.org/path"), ("database", "mysql://x"), ("sync_window", "22:00"),
        ("sync_window", "24:30-06:00"), ("log_format", "xml"), ("default_language", "fr"), ("jail", "none"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_stops_the_start_and_names_its_setting(name: str, text: str) -> None:
    with pytest.raises(BadSetting) as stopped:
        config.load({config.variable(name): text})
    assert stopped.value.facts["setting"] == config.variable(name)
    assert stopped.value.facts["reason"]


def test_a_setting_that_does_not_exist_stops_the_start() -> None:
    with pytest.raises(BadSetting) as stopped:
        config.load({"EDUHUB_ROEL": "node"})
    assert stopped.value.facts["setting"] == "EDUHUB_ROEL"


def test_a_child_process_gets_the_settings_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDUHUB_PORT", "81")
    settings = replace(Settings(), role="node", port=9000, secure_cookies=False, data_dir=Path("/srv/box"))
    environment = config.as_environment(settings)
    assert config.load(environment) == settings
    assert "PATH" in environment


def test_every_setting_says_what_it_means() -> None:
    for row in config.table():
        assert row.metadata["meaning"], row.name
        assert row.metadata["meaning"][0] in "ABCDEFGHIJKLMNOPQRSTUVWXYZhj0123456789", row.name
