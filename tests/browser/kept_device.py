"""What a test does with a device that keeps lessons: sign in, keep one, wait, lose the server."""

from playwright.sync_api import BrowserContext, Page

from tests.browser.playing import until

WAITING = "Object.keys(localStorage).filter((key) => key.startsWith('eduhub.event.')).length"


def sign_in(device: BrowserContext, address: str, card: str) -> Page:
    """A child, by the square on the card."""
    page = device.new_page()
    page.goto(f"{address}/card#{card}")
    page.wait_for_url(f"{address}/")
    return page


def keep(page: Page, address: str, lesson: str, choice: str = "v240") -> None:
    """From the lesson's page to a lesson that is kept, or on its way."""
    page.goto(f"{address}/lessons/{lesson}")
    page.click("[data-keep]")
    page.check(f"input[value={choice}]")
    page.click("#keep")
    page.wait_for_selector("#list li")


def wait_until_whole(page: Page) -> None:
    says(page, "on this device")


def says(page: Page, words: str) -> None:
    """Until the first lesson of the list says so."""
    until(page, f"((document.querySelector('#list li') || {{}}).textContent || '').includes({words!r})")


def open_kept(page: Page, address: str, lesson: str) -> None:
    """The lesson's page, with nobody to answer for it."""
    page.goto(f"{address}/lessons/{lesson}")
    page.wait_for_selector("[data-player=ready]")
    assert page.is_visible("text=kept on this device and plays from here")
