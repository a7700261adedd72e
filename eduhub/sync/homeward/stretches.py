"""Node: what a child watches without a pause goes home as one event, however often its player reports.

A player reports every ten seconds, so that nothing is lost when a phone goes dark; the box keeps each report, and counts
it. But forty minutes are then two hundred and forty events, and nearly all of what a school sends over its narrow line.
So a report that follows the one before without a gap makes that one longer in the outbox, as long as nobody was
shown it. The hub counts the same for one long stretch as for its pieces: seen and watched time, tallies, the place.

This module must not know what is waiting to be sent, nor who reports.
"""

from typing import Any

# Of two reports of one stretch these may differ.
_OWN = frozenset({"uid", "from_ms", "to_ms", "watched_ms", "stalls", "made_ms"})
MOST_APART_MS = 120_000  # between two reports, by the clock of the device


def joined(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any] | None:
    """Both reports as one, with the uid of the earlier; None when they are not one stretch by one child.

    Both must count: what is put aside for its times would take the other with it.
    """
    if earlier.get("kind") != "watched" or earlier.get("version") != 1 or earlier.get("subjects"):
        return None
    if earlier.keys() != later.keys() or any(earlier[name] != later[name] for name in earlier.keys() - _OWN):
        return None
    times = [one.get(name) for one in (earlier, later) for name in ("from_ms", "to_ms", "watched_ms", "made_ms")]
    if any(type(number) is not int for number in times):
        return None
    if earlier["to_ms"] != later["from_ms"] or not 0 <= later["made_ms"] - earlier["made_ms"] <= MOST_APART_MS:
        return None
    stalls = [one["stalls"] for one in (earlier, later) if type(one.get("stalls")) is int]
    return earlier | {
        "to_ms": later["to_ms"], "watched_ms": earlier["watched_ms"] + later["watched_ms"], "made_ms": later["made_ms"],
        **({"stalls": sum(stalls)} if "stalls" in earlier else {}),
    }  # fmt: skip
