"""Debian's Chromium on an address that is no secure context, as in a school; one fixture box for each test."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.fixture_box import Box, serve
from tests.browser.fixture_package import FixturePackage, make_package

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP box.lan 127.0.0.1",
]


@pytest.fixture(scope="session")
def built_player() -> None:
    """The player as it is shipped, built from the sources that are here."""
    subprocess.run(["npm", "run", "--silent", "build"], cwd=ROOT, check=True, timeout=120, capture_output=True)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> FixturePackage:
    return make_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("chromium is not installed here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


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
