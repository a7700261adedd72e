"""The words of a lesson: a small part of Markdown, and never anything that a page would run or load."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import clock
from eduhub.web.formatted import html
from tests.web.world import Reader, World

ALLOWED = {"p", "br", "ul", "ol", "li", "strong", "em", "h2", "h3", "h4", "a"}


class Tags(HTMLParser):
    """Every element of a piece of HTML, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>\n"),
        ("# Water\n## Ice\n###### Deep", "<h2>Water</h2>\n<h3>Ice</h3>\n<h4>Deep</h4>\n"),
        ("- **a**\n- *b*", "<ul>\n<li><strong>a</strong></li>\n<li><em>b</em></li>\n</ul>\n"),
        ("2. a\n3. b", '<ol start="2">\n<li>a</li>\n<li>b</li>\n</ol>\n'),
        ("[ice](https://a.example/?x=1&y)", '<p><a href="https://a.example/?x=1&amp;y" rel="noopener nofollow">ice</a></p>\n'),
        ("ཆུ་ **འཁྱགས།**", "<p>ཆུ་ <strong>འཁྱགས།</strong></p>\n"),
        ("3 \\* 4", "<p>3 * 4</p>\n"),
        ("<b>x</b> & <!-- y", "<p>&lt;b&gt;x&lt;/b&gt; &amp; &lt;!-- y</p>\n"),
        ("![p](https://a.example/p.png)", '<p>!<a href="https://a.example/p.png" rel="noopener nofollow">p</a></p>\n'),
        ("[ice]() [](  )", "<p>[ice]() []()</p>\n"),
        ("```\na\n```\n\n> b", "<p>```<br>\na<br>\n```</p>\n<p>&gt; b</p>\n"),
    ],
)  # fmt: skip
def test_what_was_typed_is_shown(typed: str, shown: str) -> None:
    assert html(typed) == shown


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc", "//a.example", "/p/x",
     "&#106;avascript:alert(1)", "\\javascript:x", "mailto:a@b", "ftp://a.example"],
)  # fmt: skip
def test_a_link_that_leads_to_no_web_page_stays_text(address: str) -> None:
    assert "<a" not in html(f"[x]({address})")
    assert "<a" not in html(f"[x][1]\n\n[1]: {address}")


@given(st.one_of(st.text(max_size=120), st.lists(st.sampled_from(
    ["<script>", "[x](", "](", "http://a", "javascript:", '"', "'", "onload=", "*", "**", "_", "# ", "- ", "1. ", "\n", "\n\n",
     "\\", "&lt;", "&#x3c;", "<img src=x onerror=y>", "![", "](https://a b)", "\x00", "`", "> ", "    ", "ཀ", ")"]
), max_size=14).map("".join)))  # fmt: skip
def test_nothing_but_words_and_links_comes_of_whatever_is_typed(typed: str) -> None:
    for tag, attributes in Tags(html(typed)).found:
        assert tag in ALLOWED
        if tag == "a":
            assert set(attributes) <= {"href", "rel", "title"}
            assert re.match(r"https?://", attributes["href"] or "", re.IGNORECASE)
            assert attributes["rel"] == "noopener nofollow"
        else:
            assert set(attributes) <= {"start"}


@pytest.mark.parametrize("piece", ["[", "*a ", "**", "- ", "> ", "[a](", "1. ", "\\", "![", "_a_", "# ", "*a_"])
def test_words_made_to_take_long_are_shown_soon(piece: str) -> None:
    started_s = clock.monotonic_s()
    html(piece * (5000 // len(piece)))
    assert clock.monotonic_s() - started_s < 5


def test_children_see_the_words_of_a_lesson_as_its_teacher_meant_them(browser: Callable[[], Reader], world: World) -> None:
    tashi, page = browser().sign_in("tashi"), f"/teaching/lessons/{world.lesson}/words"
    typed = {"language": "zh", "title_en": "Why ice floats", "text_en": "Bring:\n\n- a glass\n- **ice** <script>"}
    assert tashi.post(page, typed, page=page).status_code == 303
    shown = browser().card(world.dolma_card).get(f"/lessons/{world.lesson}").text
    assert '<div class="words" lang="en"><p>Bring:</p>\n<ul>\n<li>a glass</li>\n<li><strong>ice</strong> &lt;script&gt;</li>' in shown
