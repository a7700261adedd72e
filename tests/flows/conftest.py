"""Hubs, boxes and browsers for flow tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eduhub.config import Settings
from tests.flows.machines import Machine


@pytest.fixture
def make_machine(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Machine]]:
    """`make_machine("hub.lan", role="hub")`: an installation that `eduhub serve` runs; stopped at the end."""
    made: list[Machine] = []

    def make(host: str, **settings: Any) -> Machine:
        made.append(Machine(make_settings(empty_database=True, **settings), host))
        return made[-1]

    yield make
    for machine in made:
        machine.stop()


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path:
    """Where the pictures of this test's pages are kept."""
    folder = request.config.rootpath / ".build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
