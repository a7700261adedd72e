"""What commands show on a terminal: tables of text and progress bars."""

import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from eduhub import clock


@contextmanager
def bar(label: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error, moved by calls with 0.0 to 1.0; none where nobody looks."""
    form = "{desc} {percentage:3.0f}% |{bar}| {elapsed} (about {remaining} left)"
    with tqdm(total=1000, desc=label, bar_format=form, leave=False, disable=None, file=sys.stderr) as shown:

        def move(done: float) -> None:
            shown.update(round(1000 * min(1.0, max(0.0, done))) - shown.n)

        yield move


@contextmanager
def fetching_bar(label: str) -> Iterator[tuple[Callable[[float], None], Callable[[int], None]]]:
    """The same for what comes over a link: (move, came), where `came` is told bytes; it also shows how many, and at what rate."""
    form = "{desc} {percentage:3.0f}% |{bar}| {postfix} (about {remaining} left)"
    began_s, total = clock.monotonic_s(), 0
    with tqdm(total=1000, desc=label, bar_format=form, leave=False, disable=None, file=sys.stderr) as shown:
        shown.set_postfix_str(amount(0, 0.0), refresh=False)

        def move(done: float) -> None:
            shown.update(round(1000 * min(1.0, max(0.0, done))) - shown.n)

        def came(count: int) -> None:
            nonlocal began_s, total
            if not total:
                began_s = clock.monotonic_s()  # what came before were no lessons
            total += count
            shown.set_postfix_str(amount(total, clock.monotonic_s() - began_s), refresh=False)

        yield move, came


def amount(count: int, seconds: float) -> str:
    """`12.3 MB, 21 kB/s`."""
    if seconds < 1:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e6:.1f} MB, {count / 1000 / seconds:.0f} kB/s"


def parts_bar(share: float, width: int = 20) -> str:
    """`[##########----------]`: a share from 0.0 to 1.0."""
    full = round(width * min(1.0, max(0.0, share)))
    return f"[{'#' * full}{'-' * (width - full)}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns that stand under each other, also with characters that take two places."""
    every = [head, *rows]
    widths = [max(_places(row[column]) for row in every) for column in range(len(head))]
    lines = ["  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in every]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _places(text))


def _places(text: str) -> int:
    """Columns that a terminal gives to `text`: Chinese takes two, a mark above or below takes none."""
    return sum(
        0 if unicodedata.category(character) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
