"""Every text that a person sees exists in Chinese and in Tibetan, with the same places to fill in."""

import io
import re
import string
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from eduhub.errors import error_table

ROOT = Path(__file__).parents[2]
WEB = ROOT / "eduhub" / "web"
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "N_": None, "ngettext": (1, 2)}
METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2")]  # what babel.cfg says, below eduhub/
LANGUAGES = ("zh", "bo")


@cache
def wanted() -> frozenset[str]:
    """Every text in the code and the templates (of a plural: its first form)."""
    found = extract_from_dir(ROOT / "eduhub", method_map=METHODS, keywords=KEYWORDS)
    return frozenset(row[2] if isinstance(row[2], str) else row[2][0] for row in found)


def catalogue(language: str) -> Catalog:
    return read_po(io.BytesIO((WEB / "translations" / language / "LC_MESSAGES" / "messages.po").read_bytes()))


def first(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def texts(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def places(text: str) -> set[str]:
    """What is filled in: %(name)s and {name}, and the percent sign that must stay doubled."""
    found = set(re.findall(r"%\(\w+\)[sd]", text)) | {"%%" for _ in re.findall(r"%%", text)}
    return found | {f"{{{name}}}" for _, name, _, _ in string.Formatter().parse(text.replace("%", "")) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    known = {first(message): message for message in catalogue(language) if message.id}
    assert sorted(wanted() - set(known)) == []
    assert sorted(name for name, message in known.items() if not all(texts(message))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_guessed_or_left_over(language: str) -> None:
    found = catalogue(language)
    assert [first(message) for message in found if message.id and message.fuzzy] == []
    assert sorted({first(message) for message in found if message.id} - wanted()) == []
    assert list(found.obsolete) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_what_the_text_fills_in(language: str) -> None:
    wrong = [
        first(message)
        for message in catalogue(language)
        if message.id and any(places(text) != places(first(message)) for text in texts(message))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_compiles(language: str) -> None:
    wrong = [(first(message), [str(error) for error in errors]) for message, errors in catalogue(language).check()]
    assert wrong == []


def test_every_sentence_of_every_error_is_found() -> None:
    sentences = {text for error in error_table() for text in (error.happened, error.kept, error.next_step)}
    assert sentences - wanted() == set()


def test_the_tibetan_catalogue_says_that_it_awaits_review() -> None:
    head = (WEB / "translations" / "bo" / "LC_MESSAGES" / "messages.po").read_text(encoding="utf-8").split("msgid", 1)[0]
    assert "awaiting review by a native speaker" in head
