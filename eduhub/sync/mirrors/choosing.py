"""Which mirrors are asked, in which order, and for how long one is left alone: pure functions over what is known of them.

Found nearby comes before what a person named, for a network without a bill is quicker; then whoever failed less, then whoever
gave more. What a mirror says of itself decides nothing but that the same box is not asked twice.

This module must not know the database, clocks or the network.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MOST_ASKED = 4  # in one round
FRESH_S = 15 * 60  # found so long ago, it may be gone

FOUND, NAMED = "found", "named"
# Why a mirror is left alone, with the first pause and the longest, in seconds: each failure in a row doubles it.
SILENT, SLOW, LIED, REFUSED, EMPTY = "silent", "slow", "lied", "refused", "empty"
PAUSES_S = {
    SILENT: (60, 1800),
    SLOW: (300, 3600),
    LIED: (3600, 7 * 86_400),
    REFUSED: (600, 6 * 3600),  # its catalog or ours may be old: a round with the hub may mend it
    EMPTY: (300, 300),  # no failure: it has nothing that is missing here
}


@dataclass(frozen=True)
class Candidate:
    """One mirror, as it is known here. Times are of the steady clock."""

    url: str
    kind: str
    node_uid: str | None = None
    failures: int = 0
    aside_until_s: int = 0
    seen_s: int = 0
    bytes_got: int = 0


def order(candidates: Iterable[Candidate], now_s: float) -> list[Candidate]:
    """Whom to ask now, the best first: nobody who is left alone or was seen too long ago, and no box twice."""
    chosen: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=_rank):
        is_here = candidate.kind == NAMED or now_s - candidate.seen_s <= FRESH_S
        if is_here and now_s >= candidate.aside_until_s:
            chosen.setdefault(candidate.node_uid or candidate.url, candidate)
    return list(chosen.values())[:MOST_ASKED]


def pause_s(why: str, failures: int) -> int:
    """How long to leave a mirror alone after so many failures in a row, this one counted (at least 1)."""
    first_s, longest_s = PAUSES_S[why]
    return min(longest_s, first_s << min(max(0, failures - 1), 20))


def is_failure(why: str) -> bool:
    """Whether it counts against a mirror."""
    return why != EMPTY


def _rank(candidate: Candidate) -> tuple[int, int, int, str]:
    return (0 if candidate.kind == FOUND else 1, candidate.failures, -candidate.bytes_got, candidate.url)
