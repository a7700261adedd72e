"""Running installations for the tests of this folder."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eduhub import clock, config
from eduhub.config import Settings
from eduhub.installation import Installation, open_installation
from eduhub.ops import restore
from tests.ops.commanding import on_a_free_port
from tests.ops.serving import Served, json_lines
from tests.sync.world import WEDNESDAY_MS, Hub, Wire, app_of


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """`served(web_server="nginx")`: one more `eduhub serve` over the same data folder."""
    made: list[Served] = []

    def make(**values: Any) -> Served:
        chosen = on_a_free_port(replace(settings, **values))
        made.append(Served(config.load(json_lines(chosen)), tmp_path / "serve.log"))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.terminate()
        assert one.process.stdout is not None
        one.process.wait(30)
        one.process.stdout.close()


@pytest.fixture
def hub(make_installation: Callable[..., Any]) -> Hub:
    clock.freeze(WEDNESDAY_MS)
    return Hub(make_installation(role="hub"))


@pytest.fixture
def box(make_installation: Callable[..., Any]) -> Installation:
    joined: Installation = make_installation(role="node")
    return joined


@pytest.fixture
def bring_back(hub: Hub, make_settings: Callable[..., Any]) -> Iterator[Callable[..., restore.RestoreReport]]:
    """`bring_back(folder)`: the hub is gone; a new machine is restored from the folder and takes its place, without its root key."""
    opened: list[Installation] = []
    root = hub.here.keys.root

    def act(folder: Path, **facts: Any) -> restore.RestoreReport:
        settings = make_settings(role="hub", empty_database=True)
        report = restore.restore(folder, settings, root, **facts)
        restored = open_installation(settings)
        opened.append(restored)
        hub.here = restored
        hub.wire = Wire(app_of(restored))
        return report

    yield act
    for installation in opened:
        installation.database.close()
