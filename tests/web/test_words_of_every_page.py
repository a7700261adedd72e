"""Every page, read as text in each language: nothing English is left over, every text says which language it is in, and
the switch stands on it; in Tibetan also that its words await review."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from tests.web.test_pages_in_a_browser import PAGES, places  # noqa: F401 - a fixture
from tests.web.world import Reader, World

Browser = Callable[[], Reader]
# Not words of a language: names of things, units, and what the tests' people are called and have written.
NO_WORDS = frozenset(
    "EduHub MB GB kB kbit aac opus JavaScript WebVTT SRT eduhub serve node join https Chrome Android PDF JPEG PNG WebP English http USB lan Wi Fi".split()
)
# Names and titles that stand in a sentence or in the title of the window.
WRITTEN_BY_PEOPLE = frozenset("Dolma Lhamo Sonam Pema Tashi Tenzin Norbu Science Shuanghu shuanghu school Steam Hail Rain Dew Water Nyima tashi pema sonam".split())
REMARK = "Please say at the beginning what steam is."  # of a reviewer, in her own language
CODE = re.compile(r"[a-z]+\.[a-z_]+ [0-9a-f]{12}")  # of an error, for the person who helps
# Kept on a device for whoever opens it, also without the server: no form and nobody's choice stands on it.
WITHOUT_FORMS = frozenset({"child-kept", "child-kept-lesson"})
READ_ATTRIBUTES = ("aria-label", "placeholder", "title", "alt")
NOT_READ = frozenset({"script", "style", "code", "svg", "title"})  # a title holds no element: it can say one language only
CONTENT = frozenset({"bdi", "textarea"})  # what somebody typed
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
TIBETAN, HAN = re.compile("[\u0f40-\u0fbc]"), re.compile("[\u4e00-\u9fff]")


class Texts(HTMLParser):
    """The texts of a page that are its own words, each with the language it is said to be in."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, str, bool]] = []
        self.found: list[tuple[str, str, bool]] = []  # text, language, whether it is content

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        language = values.get("lang") or (self._open[-1][1] if self._open else "")
        is_content = bool(self._open and self._open[-1][2]) or tag in CONTENT or bool(values.get("lang") and tag != "html")
        for name in READ_ATTRIBUTES:
            if values.get(name):
                self.found.append((values[name] or "", language, is_content))
        if tag not in VOID:
            self._open.append((tag, language, is_content))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or all(tag != found[0] for found in self._open):
            return
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open and not any(tag in NOT_READ for tag, _language, _is in self._open):
            self.found.append((data.strip(), *self._open[-1][1:]))


def script_of(text: str) -> str | None:
    """The language of a text by its letters; None where they are of several, as in a sentence with a name in it."""
    found = [tag for tag, letters in (("bo", TIBETAN), ("zh", HAN), ("", re.compile("[A-Za-z]"))) if letters.search(text)]
    return found[0] or None if len(found) == 1 else None


def texts(page: str) -> list[tuple[str, str, bool]]:
    reader = Texts()
    reader.feed(page)
    return reader.found


def pages(browser: Browser, world: World, places: dict[str, str], who: str, language: str) -> dict[str, str]:  # noqa: F811
    """Every page of somebody, as it comes in a language."""
    reader = browser()
    if who == "dolma":
        reader.card(world.dolma_card)
    elif who:
        reader.sign_in(who)
    reader.client.set_cookie("eduhub_language", language)
    return {name: reader.get(path.format(**places), headers={"Accept": "text/html"}).text for name, path in PAGES[who].items()}


@pytest.mark.parametrize("who", list(PAGES))
@pytest.mark.parametrize("language", ["en", "zh", "bo"])
def test_every_page_is_in_its_language_says_so_of_every_text_and_has_the_switch(
    browser: Browser, world: World, places: dict[str, str], who: str, language: str  # noqa: F811
) -> None:
    found = pages(browser, world, places, who, language)
    read = [(name, *row) for name, page in found.items() for row in texts(page)]
    left_over = {
        (name, text)
        for name, text, _said, is_content in read
        if language != "en" and not is_content and text != REMARK and set(re.findall(r"[A-Za-z]{2,}", CODE.sub("", text))) - NO_WORDS - WRITTEN_BY_PEOPLE
    }
    assert left_over == set()
    said_wrongly = {(name, text) for name, text, said, _is_content in read if said != (script_of(text) or said)}
    assert said_wrongly == set()
    assert {name for name, page in found.items() if page.count('action="/language"') != 1} <= WITHOUT_FORMS
    awaits_review = {name for name, page in found.items() if 'class="review"' in page}
    assert awaits_review >= set(found) - WITHOUT_FORMS if language == "bo" else not awaits_review
