"""What a request asks of one representation: its range and its conditions, by RFC 9110. Pure.

This module must not know files, passes or WSGI.
"""

import re
from typing import NamedTuple

# What a box asks for with `Prefer` (RFC 7240): it fetches by hash and keeps no answers, and needs nothing of what a browser is told of a part.
TERSE = "return=minimal"
SCHEME = "EduHub-Pass "  # of a pass in Authorization; browsers have theirs in a cookie
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,40})-([0-9]{0,40})[ \t]*", re.IGNORECASE)


class Span(NamedTuple):
    """Bytes `start` to `start + length - 1` of a file."""

    start: int
    length: int


class Unsatisfiable(Exception):
    """The range lies behind the end of the file, or ends before it begins."""


def parse_range(header: str | None, size: int) -> Span | None:
    """The one range that is asked for; None means the whole file. Raises Unsatisfiable.

    More than one range, another unit or a malformed header is answered with the whole, as is any range of an empty
    file; a range that ends before it begins is refused. RFC 9110 leaves the choice (14.2); nginx chooses so.
    """
    found = _RANGE.fullmatch(header) if header and size else None
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:  # the last n bytes
        length = min(int(found[2]), size)
        if length == 0:
            raise Unsatisfiable
        return Span(size - length, length)
    first, last = int(found[1]), min(int(found[2]), size - 1) if found[2] else size - 1
    if first >= size or (found[2] and int(found[2]) < first):
        raise Unsatisfiable
    return Span(first, last - first + 1)


def is_wanted(if_match: str | None, etag: str) -> bool:
    """Whether the asker would have these bytes (If-Match): compared strongly, so a weak tag never holds."""
    return if_match is None or etag in (named := [text.strip() for text in if_match.split(",")]) or named == ["*"]


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the asker has these bytes (If-None-Match): compared weakly."""
    if if_none_match is None:
        return False
    named = [text.strip().removeprefix("W/") for text in if_none_match.split(",")]
    return etag in named or named == ["*"]


def is_terse(prefer: str | None, authorization: str | None) -> bool:
    """Whether who asks is a box that wants the part and no words for browsers. Its pass keeps caches on the way from keeping the answer."""
    return (prefer or "").lower() == TERSE and (authorization or "").startswith(SCHEME)
