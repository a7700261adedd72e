"""Debian's Chromium on an address that is no secure context, as in a school; one fixture box for each test."""

import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.fixture_box import Box, serve
from tests.browser.fixture_package import FixturePackage, make_package

ROOT = Path(__file__).parents[2]
@pytest.fixture(scope="session")
def built_player() -> None:
    """The player as it is shipped, built from the sources that are here."""
    made, sources = ROOT / "eduhub/web/static/built/player.js", (ROOT / "eduhub/web/player").glob("*.*")
    (ROOT / ".build").mkdir(exist_ok=True)
    with (ROOT / ".build" / "player.lock").open("w") as lock:  # test processes start side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources):
            subprocess.run(["npm", "run", "--silent", "build"], cwd=ROOT, check=True, timeout=120, capture_output=True)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> FixturePackage:
    return make_package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def box(package: FixturePackage, built_player: None) -> Iterator[Box]:
    box = Box(package)
    server = serve(box)
    box.address = f"http://box.lan:{server.server_address[1]}"
    yield box
    server.shutdown()
    server.server_close()
    assert not box.problems, box.problems


@pytest.fixture
def device(chromium: Browser) -> Iterator[BrowserContext]:
    """A phone with nothing on it yet."""
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    yield context
    context.close()
