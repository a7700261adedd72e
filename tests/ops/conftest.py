"""Running installations for the tests of this folder."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eduhub import config
from eduhub.config import Settings
from tests.ops.commanding import on_a_free_port
from tests.ops.serving import Served, json_lines


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
