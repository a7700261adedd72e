"""The order of names and titles in a list, by the page's language.

Tibetan as a dictionary has it: by the root letter of each syllable, then by what stands before and above it, what hangs below it,
the vowel, what follows. No database of ours has that order, and the browsers of phones have not either. Chinese by
pinyin is left to the browser (static/sorted.js), which has it.

This module must not know tables.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import reduce
from typing import Any, TypeVar

from eduhub.web import languages

T = TypeVar("T")
Key = tuple[Any, ...]
_PREFIXES, _HEADS = "གདབམའ", "རལས"
_FEET = "\u0fad\u0fb1\u0fb2\u0fb3"  # wa, ya, ra, la below
_SUFFIXES = "གངདནབམའརལས"
_SUFFIXES_BEFORE_S = "གངབམ"  # after which a ས may follow
_BELOW = 0x50  # from a letter to its form below another
_VOWEL_ORDER = "\u0f72\u0f74\u0f7a\u0f7c"  # i, u, e, o
_STACK = re.compile("([\u0f40-\u0f6c])([\u0f90-\u0fbc]*)([\u0f71-\u0f84]*)")
_SYLLABLE = re.compile("[\u0f40-\u0fbc]+")


def key(text: str) -> Key:
    """What to sort a name or a title by, on the page that is being written."""
    if languages.of_page() != "bo":
        return (unicodedata.normalize("NFKC", text).casefold(), text)
    return (*tibetan(text), text)


def in_order(rows: Iterable[T], attribute: str) -> list[T]:
    """A template's filter: rows by a name, or by titles kept by language, found at `attribute` ("person.name", "1.titles")."""

    def of_row(row: T) -> Key:
        found = reduce(_step, attribute.split("."), row)
        return key(languages.best(found)[1] if isinstance(found, dict) else str(found))

    return sorted(rows, key=of_row)


def _step(found: Any, name: str) -> Any:
    return found[int(name)] if name.isdecimal() else getattr(found, name)


def tibetan(text: str) -> Key:
    """The place of a text in a Tibetan dictionary; other letters come after by their own order."""
    syllables = _SYLLABLE.findall(unicodedata.normalize("NFD", text))
    if not syllables:
        return (1, text.casefold())
    return (0, tuple(_syllable(syllable) for syllable in syllables))


def _syllable(syllable: str) -> Key:
    stacks = _STACK.findall(syllable)
    if not stacks:
        return (0, 0, (), 0, ())
    at = _root_at(stacks)
    letter, below, vowel = stacks[at]
    head = ""
    if below and letter in _HEADS and below[0] not in _FEET:
        head, letter, below = letter, chr(ord(below[0]) - _BELOW), below[1:]
    prefix = stacks[at - 1][0] if at else ""
    return (
        ord(letter), _before(prefix, head), tuple(ord(foot) for foot in below), _VOWEL_ORDER.find(vowel[:1]) + 1 if vowel else 0,
        tuple((ord(one), sign) for one, _below, sign in stacks[at + 1 :]),
    )  # fmt: skip


def _before(prefix: str, head: str) -> int:
    """Nothing, a letter before, a letter above, both: in this order."""
    before = _PREFIXES.find(prefix) + 1 if prefix else 0
    above = _HEADS.find(head) + 1 if head else 0
    return above * 10 + before * 100 if above and before else (before or (above and 10 + above))


def _root_at(stacks: list[tuple[str, str, str]]) -> int:
    """Which of the stacks of a syllable holds the root letter."""
    for at, (letter, below, vowel) in enumerate(stacks[:2]):
        if below or (vowel and not (at and letter == "འ")):
            return at if at == 0 or stacks[0][0] in _PREFIXES else 0
    letters = [letter for letter, _below, _vowel in stacks]
    if letters[0] not in _PREFIXES or letters[1:2] in ([], ["འ"]):
        return 0
    if len(letters) == 2:
        return 0 if letters[1] in _SUFFIXES else 1
    is_suffixed_s = len(letters) == 3 and letters[2] == "ས" and letters[1] in _SUFFIXES_BEFORE_S
    return 0 if is_suffixed_s and letters[0] not in "མའ" else 1
