"""Node: how long a bad link is waited for. Measured in docs/decisions/0016.

This module must not know who waits.
"""

LEAST_WAIT_S, MAX_WAIT_S = 0.5, 30.0


def all_silent_s(round_trip_s: float) -> float:
    """After so long without a byte on any connection, the link is taken for down."""
    return max(3.0, 4 * round_trip_s)


def one_silent_s(round_trip_s: float) -> float:
    """After so long without a byte a connection is replaced though others speak."""
    return max(10.0, 8 * round_trip_s)


def straggler_s(round_trip_s: float) -> float:
    """A connection that needs longer for the last of all that was asked for gives it to others: that costs them a round trip."""
    return max(4.0, 6 * round_trip_s)


def opening_s(round_trip_s: float) -> float:
    """So long a connection may take to open: on a full satellite link the packets of a handshake wait for seconds."""
    return max(10.0, 8 * round_trip_s)


def next_knock_s(round_trip_s: float) -> float:
    """While the link is down a new connection is tried so often: a lost first packet is not waited for."""
    return max(1.0, 1.5 * round_trip_s)


def wait_s(failures: int, chance: float) -> float:
    """Before the next try after so many in a row (from 1); `chance` is between 0 and 1."""
    return max(LEAST_WAIT_S, chance * min(MAX_WAIT_S, 0.5 * 2.0 ** min(failures, 10)))
