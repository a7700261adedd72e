"""Hubs, boxes and browsers for flow tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from eduhub.config import Settings
from tests.flows.machines import Machine
from tests.flows.people import ARGUMENTS, CHROMIUM


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path:
    """Where the pictures of this test's pages are kept."""
    folder = request.config.rootpath / ".build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
