"""Fixtures of the sync tests: a hub and as many boxes as a test needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eduhub import clock
from eduhub.installation import Installation
from tests.sync.world import WEDNESDAY_MS, Hub, School


@pytest.fixture
def hub(make_installation: Callable[..., Any]) -> Hub:
    """A hub with a region, on a Wednesday."""
    clock.freeze(WEDNESDAY_MS)
    return Hub(make_installation(role="hub"))


@pytest.fixture
def make_box(make_installation: Callable[..., Any]) -> Callable[[], Installation]:
    """`make_box()`: one more box that has not joined yet."""

    def make() -> Installation:
        box: Installation = make_installation(role="node")
        return box

    return make


@pytest.fixture
def box(make_box: Callable[[], Installation]) -> Installation:
    """A box that has not joined yet."""
    return make_box()


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    """An empty stick."""
    (tmp_path / "usb").mkdir()
    return tmp_path / "usb"


@pytest.fixture
def school(hub: Hub, box: Installation) -> School:
    """A school with a box and two lessons."""
    made = hub.school("Shuanghu", children=2)
    hub.join(box, made)
    course = hub.course(made.org, groups=(made,))
    for number in range(2):
        hub.lesson(course, position=number)
    return made
