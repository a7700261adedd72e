"""A shared phone: "back" after signing out shows nothing of the child who was here."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from tests.in_a_thread import served
from tests.web.world import World

pytestmark = pytest.mark.browser


@pytest.fixture
def origin(app: Flask) -> Iterator[str]:
    """The hub's pages at an address."""
    with served(app) as port:
        yield f"http://127.0.0.1:{port}"


def dolmas_page(origin: str, world: World, chromium: Browser) -> Page:
    """Dolma has signed in with her card, in a browser of her own."""
    page = chromium.new_context().new_page()
    page.goto(f"{origin}/card")
    page.fill("[name=token]", world.dolma_card)
    page.click("#card-form button")
    page.wait_for_url(f"{origin}/")
    return page


def test_back_after_signing_out_shows_nothing_of_the_child(origin: str, world: World, chromium: Browser) -> None:
    page = dolmas_page(origin, world, chromium)
    assert "Dolma" in page.content()
    page.click("form[action='/sign-out'] button")
    page.wait_for_url("**/sign-in")
    page.go_back(wait_until="load")
    assert "Dolma" not in page.content()
    page.context.close()


def test_a_page_that_the_browser_shows_again_is_fetched_anew(origin: str, world: World, chromium: Browser) -> None:
    page = dolmas_page(origin, world, chromium)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert page.evaluate("getComputedStyle(document.documentElement).visibility") == "hidden"
    with page.expect_navigation():
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert page.evaluate("getComputedStyle(document.documentElement).visibility") == "visible"
    page.context.close()
