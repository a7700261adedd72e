"""People at their browsers, for flow tests: what each does on the pages, step by step."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from eduhub import clock
from tests import pictures

WIDTHS = (360, 1280)


class Person:
    """Somebody at a browser of their own. Pictures of the pages are kept where they are wanted; no page may complain."""

    def __init__(self, browser: Browser, pictures: Path, origin: str, **context: Any) -> None:
        self._context = browser.new_context(locale="en-GB", viewport={"width": 360, "height": 740}, **context)
        self.page: Page = self._context.new_page()
        self.origin, self._pictures = origin, pictures
        self.complaints: list[str] = []
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def goes_to(self, path: str) -> None:
        answer = self.page.goto(self.origin + path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"

    def signs_in(self, sign_in_name: str, password: str) -> None:
        self.goes_to("/sign-in")
        self.fills(sign_in_name=sign_in_name, password=password)
        self.presses("Sign in")

    def fills(self, **values: str) -> None:
        for name, value in values.items():
            field = self.page.locator(f"main [name={name}]")
            if field.evaluate("element => element.tagName") == "SELECT":
                field.select_option(label=value)
            else:
                field.fill(value)

    def presses(self, words: str) -> None:
        """Press a button of the page itself (not of its head), and wait for what comes."""
        with self.page.expect_navigation():
            self.page.locator("main").get_by_role("button", name=words, exact=True).click()

    def follows(self, words: str) -> None:
        with self.page.expect_navigation():
            self.page.locator("main").get_by_role("link", name=words).first.click()

    def sees(self, words: str, limit_ms: int = 60_000) -> None:
        self.page.get_by_text(words).first.wait_for(timeout=limit_ms)

    def watches_for(self, seconds: float, limit_s: float = 60) -> None:
        """Until the picture has moved on so far. (The pages forbid the evaluation that Playwright's own waiting needs.)"""
        until_s = clock.monotonic_s() + limit_s
        while self.page.evaluate("document.querySelector('video').currentTime") < seconds:
            assert clock.monotonic_s() < until_s, "the lesson does not play"
            self.page.wait_for_timeout(100)

    def takes_picture(self, name: str) -> None:
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 740})
            pictures.keep(self.page, f"{name}-{width}", folder=self._pictures)
            too_wide = self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            assert not too_wide, f"{name} has to be pushed sideways at {width} px"

    def leaves(self) -> None:
        self._context.close()
        assert not self.complaints, self.complaints
