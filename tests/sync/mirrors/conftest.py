"""Fixtures of the tests of mirrors: the hub and boxes of the sync tests."""

from collections.abc import Callable

import pytest

from eduhub.installation import Installation
from tests.sync.conftest import box, hub, make_box
from tests.sync.mirrors.village import Village
from tests.sync.world import Hub

__all__ = ["box", "hub", "make_box", "village"]


@pytest.fixture
def village(hub: Hub, make_box: Callable[[], Installation]) -> Village:
    """Two schools whose boxes have joined; the first has all lessons, the second has met the hub and none of them."""
    return Village(hub, make_box)
