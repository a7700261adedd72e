"""A hub with people and a lesson, and somebody at a browser."""

from collections.abc import Callable

import pytest
from flask import Flask

from eduhub.app import create_app
from eduhub.delivery import keys
from eduhub.installation import Installation
from tests.web.world import Reader, World, settle


@pytest.fixture
def world(installation: Installation) -> World:
    """Two schools with their people, on a hub that has its keys."""
    with installation.database.write() as session:
        keys.make_hub_keys(session, installation.keys)
    return settle(installation)


@pytest.fixture
def app(installation: Installation, world: World) -> Flask:
    """The hub's pages."""
    return create_app(installation=installation)


@pytest.fixture
def browser(app: Flask) -> Callable[[], Reader]:
    """`browser()`: a browser of its own each time."""
    return lambda: Reader(app.test_client())
