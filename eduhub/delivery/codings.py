"""Which coding an answer gets, and the static files that were compressed when they were built.

A `.br` or `.gz` beside a file counts only when it unpacks to the very bytes of the file; whatever the times of files say, an
old one is never sent. nginx does not look: `remove_stale` is for before it starts.

This module must not know Flask, nor what the files are for.
"""

import gzip
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import brotli

CODINGS = ("br", "zstd", "gzip")  # best first, where a browser wants them alike
BUILT = {"br": ".br", "gzip": ".gz"}  # codings of static files, and how their names end


class Choice(NamedTuple):
    """The coding for an answer (None: as it is), and whether the plain form was refused."""

    coding: str | None
    never_plain: bool = False


@lru_cache(maxsize=256)
def choose(header: str | None, offered: tuple[str, ...] = CODINGS) -> Choice:
    """What an Accept-Encoding asks for (RFC 9110, 12.5.3): the one of `offered` with the most weight, the first of equals."""
    wanted = _weights(header or "")
    others = wanted.get("*", 0.0)
    weights = {coding: wanted.get(coding, others) for coding in offered}
    best = max(weights, key=lambda coding: weights[coding], default=None)
    plain = wanted.get("identity")  # not named, it is what remains
    never_plain = plain == 0.0 or (plain is None and wanted.get("*") == 0.0)
    if best is None or weights[best] <= 0.0 or (plain is not None and plain > weights[best]):
        return Choice(None, never_plain)
    return Choice(best, never_plain)


def _weights(header: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for element in header.lower().split(","):
        coding, *parameters = (part.strip() for part in element.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if coding:
            found["gzip" if coding == "x-gzip" else coding] = weight if 0.0 < weight <= 1.0 else 0.0
    return found


def is_built(plain: str, coding: str) -> bool:
    """Whether the compressed form of the file at the path `plain` is there and is of this very file."""
    try:
        one, other = os.stat(plain), os.stat(plain + BUILT[coding])
    except OSError:
        return False
    return _unpacks_to(plain, coding, (one.st_size, one.st_mtime_ns), (other.st_size, other.st_mtime_ns))


@lru_cache(maxsize=256)
def _unpacks_to(plain: str, coding: str, _plain_is: tuple[int, int], _packed_is: tuple[int, int]) -> bool:
    packed = Path(plain + BUILT[coding]).read_bytes()
    try:
        unpacked = brotli.decompress(packed) if coding == "br" else gzip.decompress(packed)
    except (OSError, EOFError, brotli.error):
        return False
    return bool(unpacked == Path(plain).read_bytes())


def remove_stale(folder: Path) -> list[str]:
    """Remove compressed files that are not of their file any more; returns their names. Raises PermissionError."""
    gone = []
    for coding, end in BUILT.items():
        for path in sorted(folder.rglob(f"*{end}")):
            if not is_built(str(path.with_suffix("")), coding):
                path.unlink(missing_ok=True)
                gone.append(str(path.relative_to(folder)))
    return gone
