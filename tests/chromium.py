"""The browser of the tests: Debian's Chromium, started once in a process.

Playwright allows one of itself in a process, so every room shares this one; a test that needs a
clean browser opens a context of its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PROGRAM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    # Names of hubs and boxes lead to this machine, but stay names: a box on plain HTTP must not be
    # taken for a secure place, as an address of the loopback would be.
    "--host-resolver-rules=MAP *.lan 127.0.0.1",
]  # fmt: skip


def missing() -> str | None:
    """Why no browser can be started here; in CI that is an error."""
    if PROGRAM.exists():
        return None
    assert os.environ.get("CI") != "true", "chromium is missing. In CI nothing may be left out."
    return "chromium is not installed (apt-get install chromium)"


@contextmanager
def started() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        yield browser
        browser.close()
