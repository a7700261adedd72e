"""What a link did while something came over it: villagelink's record of every tenth of a second."""

import csv
from dataclasses import dataclass
from pathlib import Path

FULL_PACKET = 1500  # bytes on the wire
OVER_S = 0.5  # in which the rate is looked at


@dataclass(frozen=True)
class Outage:
    """One time in which the link was down."""

    lost_kb: float  # what was sent into it
    half_rate_s: float | None  # from its end until half the rate was there again; None: it came to no end before the record did


def outages(record: Path, bits_per_s: int) -> list[Outage]:
    """Those in a record that `Link(timeline=...)` wrote, since its last reset."""
    with record.open() as file:
        rows = [{name: float(value or 0) for name, value in row.items()} for row in csv.DictReader(file)]
    begun = max((at for at in range(1, len(rows)) if rows[at]["t"] < rows[at - 1]["t"]), default=0)
    rows = rows[begun:]
    found, at = [], 0
    while (first := _next(rows, at, 1.0)) is not None:
        end = _next(rows, first, 0.0)
        last = rows[-1] if end is None else rows[end]
        lost = last["down_outage_drop_packets"] - rows[max(0, first - 1)]["down_outage_drop_packets"]
        found.append(Outage(lost * FULL_PACKET / 1000, None if end is None else _back_after_s(rows, end, bits_per_s / 2)))
        if end is None:
            break
        at = end
    return found


def _next(rows: list[dict[str, float]], at: int, is_down: float) -> int | None:
    return next((here for here in range(at, len(rows)) if rows[here]["is_down"] == is_down), None)


def _back_after_s(rows: list[dict[str, float]], end: int, bits_per_s: float) -> float | None:
    began, before = rows[end]["t"], end
    for row in rows[end:]:
        while row["t"] - rows[before]["t"] > OVER_S:
            before += 1
        span_s = row["t"] - rows[before]["t"]
        if span_s and (row["down_out_bytes"] - rows[before]["down_out_bytes"]) * 8 / OVER_S >= bits_per_s:
            return row["t"] - began
    return None
