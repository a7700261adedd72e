"""Debian's Chromium on an address that is no secure context, as in a school; one fixture box for each test."""

import fcntl
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from eduhub.delivery.package import Part
from eduhub.installation import Installation
from tests.browser.fixture_box import Box, serve
from tests.browser.fixture_package import FixturePackage, make_package
from tests.browser.keeping_hub import KeepingHub, publish
from tests.shared import made_once
from tests.web.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built_player() -> None:
    """The player as it is shipped, built from the sources that are here."""
    sources = [*(ROOT / "eduhub/web/player").glob("*.*"), *(ROOT / "eduhub/web/keeper").glob("*.*")]
    _build(ROOT / "eduhub/web/static/built/player.js", sources)


def _build(made: Path, sources: Iterable[Path]) -> None:
    (ROOT / ".build").mkdir(exist_ok=True)
    with (ROOT / ".build" / "player.lock").open("w") as lock:  # test processes start side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources):
            subprocess.run(["npm", "run", "--silent", "build"], cwd=ROOT, check=True, timeout=120, capture_output=True)


@pytest.fixture(scope="session")
def built_pages() -> None:
    """All scripts of the pages, as `built_player` has them: what a teacher's page sends files with."""
    sources = [*(ROOT / "eduhub/web/player").glob("*.*"), *(ROOT / "eduhub/web/uploader").glob("*.*")]
    _build(ROOT / "eduhub/web/static/built/light-copy.js", sources)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> FixturePackage:
    package: FixturePackage = made_once(tmp_path_factory, "fixture_package", make_package)
    return package


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


# --- a hub whose lessons are kept ---------------------------------------------------


@pytest.fixture
def parts(installation: Installation, world: World, package: FixturePackage) -> dict[str, Part]:
    """The world's lesson, as one that really plays; its parts by name."""
    return publish(installation, world.lesson, package)


@pytest.fixture
def hub(installation: Installation, parts: dict[str, Part], built_player: None) -> Iterator[KeepingHub]:
    """The hub, running."""
    hub = KeepingHub(installation)
    hub.start()
    yield hub
    hub.stop()
