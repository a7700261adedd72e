"""A hub with people and a lesson, and somebody at a browser."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask

from eduhub.app import create_app
from eduhub.config import Settings
from eduhub.installation import Installation
from tests.web.rights.county import County, opened
from tests.web.world import Reader, World


@pytest.fixture(scope="session", autouse=True)
def _catalogues_are_compiled() -> None:
    """What `make` does before the pages start; whole or not at all, because tests run side by side."""
    for source in (Path(__file__).parents[2] / "eduhub" / "web" / "translations").rglob("messages.po"):
        compiled = io.BytesIO()
        write_mo(compiled, read_po(io.BytesIO(source.read_bytes())))
        new = source.with_suffix(f".{os.getpid()}.new")
        new.write_bytes(compiled.getvalue())
        new.replace(source.with_suffix(".mo"))


@pytest.fixture(scope="module")
def county(module_settings: Settings) -> Iterator[County]:
    """A hub and a box that everybody of `rights/readers.py` may ask, for all tests of a file."""
    with opened(module_settings) as made:
        yield made


@pytest.fixture
def app(installation: Installation, world: World) -> Flask:
    """The hub's pages."""
    return create_app(installation=installation)


@pytest.fixture
def browser(app: Flask) -> Callable[[], Reader]:
    """`browser()`: a browser of its own each time."""
    return lambda: Reader(app.test_client())
