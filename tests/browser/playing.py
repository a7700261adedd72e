"""What a test does with the player on a page: open it, press play, seek, wait."""

from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.browser.fixture_box import Box

ALL = ("v240", "v360", "aac")


def opened(device: BrowserContext, box: Box, *, names: tuple[str, ...] = ALL, path: str = "/lesson", **how: Any) -> Page:
    """The lesson's page, with the player ready; whatever the page complains of fails the test."""
    box.page(path, token=how.pop("token", "dolma"), names=names, **how)
    page = device.new_page()
    page.on("pageerror", lambda error: box.problems.append(str(error)))
    page.on("console", lambda line: _note(box, line.type, line.text))
    page.goto(box.address + path)
    page.wait_for_selector("[data-player=ready]")
    return page


def _note(box: Box, kind: str, text: str) -> None:
    if kind == "error" and "Failed to load resource" not in text:
        box.problems.append(text)


def play(page: Page, until_s: float = 1) -> None:
    page.click(".player-play")
    reach(page, until_s)


def until(page: Page, holds: str) -> None:
    """Waits for an expression; the page's own way to wait would need a policy that allows eval."""
    page.evaluate(
        "() => new Promise((resolve, reject) => { const end = performance.now() + 60000; const look = () => {"
        f" if ({holds}) resolve(); else if (performance.now() > end) reject(new Error('never: ' + {holds!r}));"
        " else setTimeout(look, 50); }; look(); })"
    )


def reach(page: Page, seconds: float) -> None:
    until(page, f"document.querySelector('video').currentTime >= {seconds}")


def position(page: Page) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def seek(page: Page, seconds: float) -> None:
    """Lets go of the slider there; returns once a player that has begun has heard of it (its still covers the old picture)."""
    page.evaluate(
        "(to) => new Promise((heard) => { const s = document.querySelector('.player-position'), video = document.querySelector('video');"
        " if (video.currentSrc) video.addEventListener('seeking', heard, { once: true }); else heard(); s.value = to;"
        " s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change')); })",
        seconds,
    )
