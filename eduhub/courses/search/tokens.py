"""How a text becomes words that can be found, whatever the database thinks of its letters.

- Everything by NFKC, without upper case, Latin accents and differences between digits.
- Tibetan by syllables; a word of several is found as the row of them. The endings that grow onto a syllable are left out.
- Chinese by pairs of characters, each pair once, and the last one of a run alone; so a word of two or more is a row of
  pairs, and a single character the beginning of one.
- Everything else by words; a word of three letters or more finds those that begin with it.

This module must not know the database.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

RECIPE = 1  # another number makes every index anew
LONGEST_TOKEN = 64
LONGEST_QUERY = 200
MOST_TERMS = 8
_LEAST_PREFIX = 3

_BO, _HAN, _WORD, _APART, _JOIN, _NOTHING = "bo", "han", "word", "apart", "join", "nothing"
_TSHEG = frozenset("\u0f0b\u0f0c\u0fd2")  # between syllables; a shad is between sentences
_EMPHASIS = frozenset("\u0f18\u0f19\u0f35\u0f37\u0f39\u0f3e\u0f3f")  # marks beside letters that make no other word
_FORMAT = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufe0e\ufe0f\ufeff")
_ENDINGS = ("འི", "འང", "འམ", "འོ")
_HAN_SPANS = ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


class Token(NamedTuple):
    """One word of an index, and the letters of the text that it stands for."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Term:
    """A row of words that a reader looks for. `is_prefix`: the last one may go on."""

    words: tuple[str, ...]
    is_prefix: bool = False

    def fits(self, tokens: list[Token], at: int) -> bool:
        """Whether the row stands in `tokens` from `at` on."""
        found = [token.text for token in tokens[at : at + len(self.words)]]
        if len(found) < len(self.words) or found[:-1] != list(self.words[:-1]):
            return False
        return found[-1].startswith(self.words[-1]) if self.is_prefix else found[-1] == self.words[-1]


class _Letter(NamedTuple):
    text: str
    kind: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The words of a text, in their order."""
    return [token for run in _runs(text) for token in _tokens(run)]


def terms_of(query: str) -> tuple[Term, ...]:
    """What a reader looks for: all of these, each anywhere in a lesson. Empty for a query without a word."""
    terms: list[Term] = []
    row: list[list[_Letter]] = []
    for run in [*_runs(query[:LONGEST_QUERY], with_gaps=True), []]:
        if run:
            row.append(run)
        elif row:
            terms.append(_term(row))
            row = []
    return tuple(dict.fromkeys(terms))[:MOST_TERMS]


def _term(row: list[list[_Letter]]) -> Term:
    """Runs that follow each other without a gap. Of the last one we cannot know whether it goes on in the text."""
    words = [token.text for run in row for token in _tokens(run)]
    last = row[-1]
    if last[0].kind == _HAN:
        if len(last) > 1:
            words.pop()  # the last character alone, which ends a run
        return Term(tuple(words), is_prefix=len(last) == 1)
    return Term(tuple(words), is_prefix=last[0].kind == _WORD and len(last) >= _LEAST_PREFIX)


def _tokens(run: list[_Letter]) -> Iterator[Token]:
    start, end = run[0].start, run[-1].end
    if run[0].kind == _HAN:
        for one, other in pairwise(run):
            yield Token(one.text + other.text, one.start, other.end)
        yield Token(run[-1].text, run[-1].start, end)
        return
    word = "".join(letter.text for letter in run)
    if run[0].kind == _BO:
        ending = next((ending for ending in _ENDINGS if word.endswith(ending) and word != ending), "")
        word = word.removesuffix(ending)
    yield Token(word[:LONGEST_TOKEN], start, end)


def _runs(text: str, *, with_gaps: bool = False) -> Iterator[list[_Letter]]:
    """Letters that belong together; an empty one for each gap, if wanted. Only a tsheg keeps a row together."""
    for kind, letters in groupby(_letters(text), key=attrgetter("kind")):
        if kind in (_BO, _HAN, _WORD):
            yield list(letters)
        elif kind == _APART and with_gaps:
            yield []


def _letters(text: str) -> Iterator[_Letter]:
    """The letters of a text, folded. A sign goes with the letter before it."""
    at, end = 0, len(text)
    while at < end:
        start = at
        at += 1
        while at < end and _is_mark(text[at]):
            at += 1
        for folded, kind in _folded(text[start:at]):
            if kind != _NOTHING:
                yield _Letter(folded, kind, start, at)


@lru_cache(maxsize=1 << 15)
def _folded(letter: str) -> tuple[tuple[str, str], ...]:
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", letter) if not 0x300 <= ord(sign) <= 0x36F)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bare).casefold())
    return tuple((_digit(found), _kind(found)) for found in folded)


def _digit(letter: str) -> str:
    return str(unicodedata.decimal(letter)) if unicodedata.category(letter) == "Nd" else letter


@lru_cache(maxsize=1 << 15)
def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")


def _kind(letter: str) -> str:
    code, category = ord(letter), unicodedata.category(letter)
    if letter in _FORMAT or letter in _EMPHASIS:
        return _NOTHING
    if letter in _TSHEG:
        return _JOIN
    if any(first <= code <= last for first, last in _HAN_SPANS):
        return _HAN
    if category[0] not in "LMN":
        return _APART
    return _BO if 0x0F00 <= code <= 0x0FFF and category != "Nd" else _WORD


def marked(text: str, terms: tuple[Term, ...]) -> list[tuple[int, int]]:
    """The spans of `text` in which what is looked for stands, in their order, none over another."""
    tokens = tokens_of(text)
    found: list[tuple[int, int]] = []
    for at in range(len(tokens)):
        for term in terms:
            if term.fits(tokens, at):
                start = tokens[at].start
                # Of a pair that begins with the one character that was asked for, that one.
                end = start + 1 if _is_one_han(term) else tokens[at + len(term.words) - 1].end
                found.append((start, end))
    spans: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _is_one_han(term: Term) -> bool:
    return len(term.words) == 1 and len(term.words[0]) == 1 and _kind(term.words[0]) == _HAN
