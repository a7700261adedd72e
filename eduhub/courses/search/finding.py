"""Asking the index: which lessons have all the words that somebody looks for, best first, and where in them.

This module must not know who may read: the caller takes away what is not for the reader.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from eduhub.courses.search import tables
from eduhub.courses.search.indexing import WORDS
from eduhub.courses.search.tokens import Term, marked, tokens_of

LONGEST_SHOWN = 120  # characters of a line
_BEFORE = 30  # of them before the first word that was looked for
_FOUND = (
    "SELECT lesson.uid, lesson.course_uid, lesson.position, min(search_text.place) FROM search_text"
    " JOIN lesson ON lesson.uid = search_text.lesson_uid WHERE search_text.id IN ({matching})"
    " GROUP BY lesson.uid, lesson.course_uid, lesson.position"
)
_WHERE = (
    "SELECT min(search_text.id) FROM search_text WHERE search_text.id IN ({matching})"
    " AND search_text.lesson_uid IN :lesson_uids GROUP BY search_text.lesson_uid, search_text.place"
)


@dataclass(frozen=True)
class Found:
    """A lesson that has every word. `place`: 0 when all are in its title, 1 in its text, 2 where one is only said."""

    lesson_uid: str
    course_uid: str
    place: int


@dataclass(frozen=True)
class Hit:
    """A line in which something stands that was looked for, cut to what can be shown."""

    place: int
    language: str
    at_ms: int | None
    pieces: tuple[tuple[str, bool], ...]  # text, and whether it was looked for

    @property
    def is_written(self) -> bool:
        """Whether it is of the lesson's text, which may carry the marks of Markdown."""
        return self.place == WORDS

    @property
    def text(self) -> str:
        """The line without its marks."""
        return "".join(piece for piece, _is_wanted in self.pieces)


def find(session: Session, terms: Sequence[Term]) -> list[Found]:
    """Every lesson that has all the terms: in its title first, in its text, then in what is said; else as courses have them."""
    connection = session.connection()
    if not terms or not tables.are_there(connection):
        return []
    by_term: list[dict[str, tuple[str, int, int]]] = []
    for term in terms:
        sql, parameters = tables.matching(connection, term)
        rows = connection.execute(text(_FOUND.format(matching=sql)), parameters)
        by_term.append({uid: (course_uid, position, place) for uid, course_uid, position, place in rows})
    ranked = []
    for uid in set.intersection(*(set(found) for found in by_term)):
        course_uid, position, _place = by_term[0][uid]
        places = [found[uid][2] for found in by_term]
        ranked.append((max(places), sum(places), course_uid, position, uid))
    return [Found(uid, course_uid, place) for place, _sum, course_uid, _position, uid in sorted(ranked)]


def passages(session: Session, terms: Sequence[Term], lesson_uids: Iterable[str]) -> dict[str, list[Hit]]:
    """For each lesson the lines in which the terms stand first, by place; the best one of each place alone."""
    wanted = list(lesson_uids)
    if not wanted or not terms or not tables.are_there(session.connection()):
        return {}
    ids: set[int] = set()
    for term in terms:
        sql, parameters = tables.matching(session.connection(), term)
        asked = text(_WHERE.format(matching=sql)).bindparams(bindparam("lesson_uids", expanding=True))
        ids.update(session.execute(asked, parameters | {"lesson_uids": wanted}).scalars())
    found: dict[str, dict[int, Hit]] = {}
    for row in session.execute(select(tables.TEXT).where(tables.TEXT.c.id.in_(ids)).order_by(tables.TEXT.c.id)):
        hit = _best(row, tuple(terms))
        if hit is not None:
            found.setdefault(row.lesson_uid, {}).setdefault(hit.place, hit)
    return {uid: [hits[place] for place in sorted(hits)] for uid, hits in found.items()}


def _best(row: Any, terms: tuple[Term, ...]) -> Hit | None:
    """The line of a text with the most of what is looked for, the first of equals; or the line in which it begins."""
    spans = [(at_ms, line, marked(line, terms)) for at_ms, line in row.lines]
    at_ms, line, found = max(
        spans, key=lambda span: len({_of(span[1], part) for part in span[2]}), default=(None, "", [])
    )
    if not found:  # a row of words that goes on in the next line
        at_ms, line = row.lines[0]
    return Hit(row.place, row.language, at_ms, _cut(line, found))


def _of(line: str, span: tuple[int, int]) -> str:
    return line[span[0] : span[1]].casefold()


def _cut(line: str, spans: Sequence[tuple[int, int]]) -> tuple[tuple[str, bool], ...]:
    """The line in pieces, cut between words around the first that was looked for."""
    start, end = 0, len(line)
    if end > LONGEST_SHOWN:
        edges = [token.start for token in tokens_of(line)]
        first = spans[0][0] if spans else 0
        start = max((edge for edge in edges if edge <= max(0, first - _BEFORE)), default=0) if first > _BEFORE else 0
        end = max((edge for edge in edges if start < edge <= start + LONGEST_SHOWN), default=start + LONGEST_SHOWN)
        if edges and edges[-1] <= start + LONGEST_SHOWN and len(line) <= start + LONGEST_SHOWN:
            end = len(line)
    pieces = [("…", False)] if start else []
    at = start
    for span_start, span_end in spans:
        if span_start >= end:
            break
        pieces += [(line[at:span_start], False), (line[span_start : min(span_end, end)], True)]
        at = min(span_end, end)
    pieces += [(line[at:end], False), ("…", False)] if end < len(line) else [(line[at:end], False)]
    return tuple((piece, is_wanted) for piece, is_wanted in pieces if piece)
