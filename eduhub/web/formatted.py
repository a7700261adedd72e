"""The words of a lesson as a page shows them: a small part of Markdown, and nothing that could be more than words.

Paragraphs, lists, bold, emphasis, headings, and links to other sites. What looks like HTML is shown as it was typed;
a picture, a table or an address of another kind stays the text it is. Headings begin below the page's own.
"""

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from eduhub.web import languages

RULES = ("emphasis", "escape", "heading", "link", "list", "newline")
LINK_IS_A_STRANGER = "noopener nofollow"
_LINK = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_LOWEST = 4
_MARK_OF_A_LINE = re.compile(r"^\s*(?:#{1,6}|[-*+]|\d{1,3}[.)])\s+")


class _Parser(MarkdownIt):
    """Markdown-it, which lets links lead to http and https only."""

    def validateLink(self, url: str) -> bool:
        """Whether a link may lead there; one that may not stays text."""
        return _LINK.fullmatch(url) is not None


class _Renderer(RendererHTML):
    """Writes headings below the page's own, and says of links that they lead away."""

    def heading_open(self, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
        """`#` is the second heading of the page, `##` the third."""
        return self._lower(tokens, at, options, env)

    heading_close = heading_open

    def link_open(self, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
        """A link to another site. Without an address, which the parser takes for one, it stays what was typed."""
        if not tokens[at].attrGet("href"):
            return "["
        tokens[at].attrSet("rel", LINK_IS_A_STRANGER)
        return str(self.renderToken(tokens, at, options, env))

    def link_close(self, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
        """The end of the link that began last."""
        opened = next(token for token in reversed(tokens[:at]) if token.type == "link_open")
        return "</a>" if opened.attrGet("href") else "]()"

    def _lower(self, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
        token = tokens[at]
        token.tag = f"h{min(int(token.tag[1:]) + 1, _LOWEST)}"
        return str(self.renderToken(tokens, at, options, env))


_MARKDOWN = _Parser("zero", {"html": False, "breaks": True, "linkify": False}, renderer_cls=_Renderer).enable(list(RULES))


@lru_cache(maxsize=512)
def html(text: str) -> Markup:
    """Typed words as the page's markup."""
    return Markup(_MARKDOWN.render(text))  # noqa: S704 - everything typed was escaped by the renderer


def without_marks(pieces: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """A line of typed words, in pieces, without the marks that make a list, a heading or bold words of it."""
    plain = [(text.replace("**", ""), is_wanted) for text, is_wanted in pieces]
    if plain:
        plain[0] = (_MARK_OF_A_LINE.sub("", plain[0][0]), plain[0][1])
    return plain


def formatted(texts: dict[str, str] | None, content_language: str | None = None) -> Markup:
    """Words kept by language, in the page's, with the language they are in."""
    tag, text = languages.best(texts or {}, content_language)
    return Markup('<div class="words" lang="{}">{}</div>').format(tag, html(text)) if text else Markup("")
