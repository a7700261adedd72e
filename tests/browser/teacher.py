"""Tashi at a browser, sending files: what a test does with the pages that send."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from eduhub.config import Settings
from eduhub.media import program
from tests.web.world import PASSWORD


def film(path: Path, size: int, codec: str = "libx264") -> str:
    """A recording of exactly `size` bytes, the end of it padding that no two files share; returns its SHA-256."""
    subprocess.run(
        [program.find(Settings()).path, "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=8",
         "-f", "lavfi", "-i", "sine=frequency=440:duration=8", "-c:v", codec, "-c:a", "aac", path],
        check=True,
    )  # fmt: skip
    padding = size - path.stat().st_size
    with path.open("ab") as file:
        file.write(padding.to_bytes(4, "big") + b"free" + os.urandom(padding - 8))
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Teacher:
    """A browser context with somebody signed in. What its pages complain of is kept, but for requests that failed."""

    def __init__(self, browser: Browser, origin: str, **context: Any) -> None:
        self.context: BrowserContext = browser.new_context(locale="en-GB", viewport={"width": 360, "height": 740}, **context)
        self.origin = origin
        self.complaints: list[str] = []

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._hears(said.type, said.text))
        return page

    def _hears(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and "Failed to load resource" not in text:
            self.complaints.append(text)

    def signs_in(self, page: Page, name: str = "tashi") -> None:
        page.goto(f"{self.origin}/sign-in")
        page.fill("[name=sign_in_name]", name)
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url(lambda url: "sign-in" not in url)

    def opens_lesson(self, page: Page, lesson_uid: str) -> None:
        """The lesson's page, with a place for a file."""
        page.goto(f"{self.origin}/teaching/lessons/{lesson_uid}")
        button = page.get_by_role("button", name="Add the video")
        if button.count():
            button.click()
            page.wait_for_selector("#upload-form")

    def chooses(self, page: Page, *files: Path) -> None:
        page.set_input_files("#upload-form input[type=file]", list(files))

    def leaves(self) -> None:
        self.context.close()
        assert not self.complaints, self.complaints
