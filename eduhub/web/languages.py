"""Which language a page speaks: the reader's choice, then the person's, then the browser's, then the setting's.

The language of a page and the language of what it shows are two things: a Tibetan title on a
Chinese page keeps `lang="bo"`, or screen readers and fonts get it wrong.
"""

from flask import request
from flask_babel import get_locale

from eduhub import guard

NAMES = {"en": "English", "zh": "中文", "bo": "བོད་ཡིག"}
COOKIE = "eduhub_language"


def choose() -> str:
    """The language tag of the page for the present request."""
    chosen = request.cookies.get(COOKIE)
    if chosen in NAMES:
        return chosen
    person = guard.viewer().person
    if person is not None and person.language in NAMES:
        return person.language
    # By the first half of each tag, best wanted first: bo-CN wants Tibetan.
    wanted = (tag.split("-")[0].lower() for tag in request.accept_languages.values())
    return next((tag for tag in wanted if tag in NAMES), guard.here().settings.default_language)


def of_page() -> str:
    """The tag that the page is being written in."""
    return str(get_locale() or "en").split("_")[0]


def gap() -> str:
    """What stands between two sentences of the page's language."""
    return "" if of_page() == "zh" else " "  # a Chinese full stop brings its own room


def in_a_row(*sentences: str) -> str:
    """Sentences of the page's language behind each other."""
    return gap().join(sentences)


def of_text(text: str) -> str | None:
    """The language that the letters of a name or an untagged text point to; None for Latin ones."""
    for letter in text:
        if "\u0f00" <= letter <= "\u0fff":
            return "bo"
        if "\u4e00" <= letter <= "\u9fff":
            return "zh"
    return None


def best(names: dict[str, str], content_language: str | None = None) -> tuple[str, str]:
    """(tag, text) of a text kept by language: the page's, else the content's own, else the first there is."""
    for tag in (of_page(), content_language, *NAMES, *sorted(names)):
        if tag and names.get(tag):
            return tag, names[tag]
    return of_page(), ""
