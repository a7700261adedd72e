"""The Tibetan font that we bring along: light, fetched where Tibetan is read and nowhere else, and complete."""

import json
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Route

from eduhub.web import shown
from tests.in_a_thread import served
from tests.web.world import Reader

FONTS = shown.STATIC / "fonts"
SHAPES = Path(__file__).parent / "tibetan_shapes.json"  # of the font before it was cut, by .ci/make_tibetan_font.py
MOST_BYTES, MOST_BYTES_ON_EVERY_PAGE = 43_000, 2_000
SLACK = (
    1,
    30,
    30,
)  # of 1000: a width is exact, ink is measured in whole points; a sign that is missing makes 100 and more


@pytest.fixture
def origin(app: Flask) -> Iterator[str]:
    """The hub's pages at an address."""
    with served(app) as port:
        yield f"http://127.0.0.1:{port}"


def style() -> str:
    return (shown.STATIC / "built" / "eduhub.css").read_text(encoding="utf-8")


def fetched(page: Page, origin: str, language: str) -> list[str]:
    """The fonts that a page in this language fetches on a device that has none for Tibetan."""

    def without_the_devices_fonts(route: Route) -> None:
        route.fulfill(body=re.sub(r'local\("[^"]+"\),\s*', "", style()), content_type="text/css")

    found: list[str] = []
    page.route("**/eduhub.css*", without_the_devices_fonts)
    page.on("request", lambda asked: asked.url.split("?")[0].endswith("woff2") and found.append(asked.url))
    page.context.add_cookies([{"name": "eduhub_language", "value": language, "url": origin}])
    page.goto(f"{origin}/sign-in", wait_until="networkidle")
    page.evaluate("document.fonts.ready")
    return [address.split("/static/fonts/")[1].split("?")[0] for address in found]


def test_the_style_sheet_names_each_font_by_the_hash_of_its_bytes() -> None:
    named = dict(re.findall(r"url\(\.\./fonts/([a-z]+\.woff2)\?v=([0-9a-f]{12})\)", style()))
    assert named == {path.name: sha256(path.read_bytes()).hexdigest()[:12] for path in FONTS.glob("*.woff2")}
    assert "SIL OPEN FONT LICENSE" in (FONTS / "OFL.txt").read_text(encoding="utf-8")


def test_the_fonts_are_light() -> None:
    assert (FONTS / "tibetan.woff2").stat().st_size <= MOST_BYTES
    assert (FONTS / "switch.woff2").stat().st_size <= MOST_BYTES_ON_EVERY_PAGE


def test_a_font_is_kept_for_ever_and_not_compressed_once_more(browser: Callable[[], Reader]) -> None:
    with browser().get("/static/fonts/tibetan.woff2?v=1", headers={"Accept-Encoding": "br, gzip"}) as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "font/woff2"
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Content-Encoding" not in answer.headers
        assert answer.data == (FONTS / "tibetan.woff2").read_bytes()
    assert list(FONTS.glob("*.woff2.*")) == []


@pytest.mark.browser
def test_a_tibetan_page_fetches_the_font_once(chromium: Browser, origin: str) -> None:
    page = chromium.new_page()
    assert fetched(page, origin, "bo") == ["tibetan.woff2"]
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_page_without_tibetan_text_fetches_the_switchs_word_alone(
    chromium: Browser, origin: str, language: str
) -> None:
    page = chromium.new_page()
    assert fetched(page, origin, language) == ["switch.woff2"]
    page.close()


@pytest.mark.browser
def test_every_stack_looks_as_it_does_in_the_whole_font(chromium: Browser, origin: str) -> None:
    wanted: dict[str, list[int]] = json.loads(SHAPES.read_text(encoding="utf-8"))
    page = chromium.new_page()
    page.goto(f"{origin}/sign-in")
    measured = page.evaluate(
        """async ([texts, address]) => {
          const face = new FontFace("cut", `url(${address})`);
          document.fonts.add(await face.load());
          const pen = document.createElement("canvas").getContext("2d");
          pen.font = "1000px cut";
          return texts.map((text) => {
            const found = pen.measureText(text);
            return [found.width, found.actualBoundingBoxAscent, -found.actualBoundingBoxDescent].map(Math.round);
          });
        }""",
        [list(wanted), "/static/fonts/tibetan.woff2?v=1"],
    )
    page.close()
    assert len(wanted) > 1200
    wrong = {
        text: (found, shape)
        for (text, shape), found in zip(wanted.items(), measured, strict=True)
        if any(abs(one - other) > slack for one, other, slack in zip(found, shape, SLACK, strict=True))
    }
    assert wrong == {}
