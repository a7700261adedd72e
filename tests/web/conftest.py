"""A hub with people and a lesson, and somebody at a browser."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask

from eduhub.app import create_app
from eduhub.delivery import keys
from eduhub.installation import Installation
from tests.web.world import Reader, World, settle


@pytest.fixture(scope="session", autouse=True)
def _catalogues_are_compiled() -> None:
    """What `make` does before the pages start; whole or not at all, because tests run side by side."""
    for source in (Path(__file__).parents[2] / "eduhub" / "web" / "translations").rglob("messages.po"):
        compiled = io.BytesIO()
        write_mo(compiled, read_po(io.BytesIO(source.read_bytes())))
        new = source.with_suffix(f".{os.getpid()}.new")
        new.write_bytes(compiled.getvalue())
        new.replace(source.with_suffix(".mo"))


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
