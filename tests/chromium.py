"""The browser of the tests: Debian's Chromium, started once in a process.

Playwright allows one of itself in a process, so every room shares this one; a test that needs a
clean browser opens a context of its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

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
def started(environment: dict[str, str] | None = None) -> Iterator[Browser]:
    """The browser, with `environment` added to this process's own."""
    expect.set_options(timeout=30_000)  # as patient as Playwright's own waiting: a busy machine is slow, not wrong
    with sync_playwright() as playwright:
        given = {**os.environ, **(environment or {})}
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS, env=given)
        yield browser
        browser.close()


def without_tibetan(folder: Path) -> dict[str, str]:
    """The environment of a device whose own fonts have no Tibetan; `folder` keeps what says so."""
    settings = folder / "fonts.conf"
    settings.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        "<include>/etc/fonts/fonts.conf</include><selectfont><rejectfont><pattern>"
        '<patelt name="lang"><string>bo</string></patelt>'
        "</pattern></rejectfont></selectfont></fontconfig>",
        encoding="utf-8",
    )
    return {"FONTCONFIG_FILE": str(settings)}
