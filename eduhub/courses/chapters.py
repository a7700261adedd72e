"""Chapters: moments of a lesson with a title, as a manifest's field `chapters` carries them.

This module must not know rows or pages. See docs/formats/captions.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eduhub.errors import N_, ChaptersRefused

FIELD = "chapters"
MOST = 100
LONGEST_TITLE = 120
MOST_MS = 24 * 3_600_000

TOO_MANY = N_("there are more chapters than a lesson can have")
NO_TITLE = N_("the title is missing")
TITLE_TOO_LONG = N_("the title is too long")
BAD_TIME = N_("write a time and a title, for example 3:20 Ice floats")
REASONS = (TOO_MANY, NO_TITLE, TITLE_TOO_LONG, BAD_TIME)


@dataclass(frozen=True)
class Chapter:
    """Where it begins, and what it is called."""

    at_ms: int
    title: str


def checked(found: Sequence[Chapter]) -> list[Chapter]:
    """Chapters in the order of time. Raises ChaptersRefused with the number of the chapter."""
    for line, chapter in enumerate(found, start=1):
        check(chapter, line)
        if line > MOST:
            raise refused(line, TOO_MANY)
    return sorted(found, key=lambda one: one.at_ms)


def check(chapter: Chapter, line: int) -> None:
    """Raises ChaptersRefused for one that stands on this line and cannot be used."""
    if not chapter.title or chapter.title != chapter.title.strip():
        raise refused(line, NO_TITLE)
    if len(chapter.title) > LONGEST_TITLE:
        raise refused(line, TITLE_TOO_LONG)
    if not 0 <= chapter.at_ms < MOST_MS or not chapter.title.isprintable():
        raise refused(line, BAD_TIME)


def refused(line: int, reason: str) -> ChaptersRefused:
    """A refusal that names a line."""
    return ChaptersRefused(f"line {line}: {reason}", line=line, reason=reason)


def as_json(found: Iterable[Chapter]) -> list[dict[str, Any]]:
    """As they stand in a manifest."""
    return [{"at_ms": one.at_ms, "title": one.title} for one in found]


def in_manifest(extra: Mapping[str, Any]) -> dict[str, tuple[Chapter, ...]]:
    """The chapters of a manifest by language; what a later release wrote otherwise is passed over."""
    found = extra.get(FIELD)
    if not isinstance(found, dict):
        return {}
    read = {str(language): tuple(_read(rows)) for language, rows in found.items() if isinstance(rows, list)}
    return {language: chapters for language, chapters in read.items() if chapters}


def _read(rows: Iterable[Any]) -> Iterable[Chapter]:
    for row in rows:
        if isinstance(row, dict) and type(row.get("at_ms")) is int and isinstance(row.get("title"), str):
            yield Chapter(max(0, row["at_ms"]), row["title"])
