"""Thousands of broken files shown to probing and, a part of them, to the encoder: what happened, and what it cost.

Prints a table of outcomes and one JSON object. `crashed`, `hung`, `read_outside` and `strays` must be 0. The
files are made from one seed of each format and codec on the lists (tests/media/seeds.py) by fixed numbers, so every
run tries the same ones. BENCH=short: 150 of them.
"""

import json
import os
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.media import mutating, seeds
from tests.media.trying import Range, Trial, largest_child_mb

FILES = 150 if os.environ.get("BENCH") == "short" else 3000
GOOD = ("accepted", "encoded", "refused", "encode_failed")


def main() -> int:
    """Try them all, two at a time."""
    with tempfile.TemporaryDirectory() as made_in, tempfile.TemporaryDirectory() as tried_in:
        found, missing = seeds.make_all(Path(made_in))
        place = Range(Path(tried_in))
        if not place.sees_reads():
            print("This file system does not say what was read; read_outside proves nothing.")

        def one(number: int) -> Trial:
            name, payload = mutating.broken(found, number)
            kind = ("auto", "rlimits")[number % 2]
            return place.try_file(f"{number}-{name}", payload, jail=kind, encoding=number % 4 == 0)

        with ThreadPoolExecutor(2) as pool:
            trials = list(pool.map(one, range(FILES)))
        strays, was_read = place.strays(), place.bait_was_read
    outcomes = Counter(trial.outcome for trial in trials)
    for outcome, count in outcomes.most_common():
        print(f"{count:6} {outcome}")
    bad = [trial for trial in trials if trial.outcome not in GOOD]
    for trial in bad[:20]:
        print(f"BAD {trial.name}: {trial.outcome}")
    seconds = sorted(trial.seconds for trial in trials)
    figures = {
        "files": len(trials), "seeds": len(found), "seeds_missing": len(missing),
        **{name: outcomes[name] for name in GOOD},
        "crashed": sum("raised" in trial.outcome for trial in bad), "hung": sum("hung" in trial.outcome for trial in bad),
        "read_outside": int(was_read), "strays": len(strays), "median_s": round(seconds[len(seconds) // 2], 3),
        "slowest_s": round(seconds[-1], 2), "largest_child_mb": round(largest_child_mb()),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures))
    return 1 if bad or strays or was_read else 0


if __name__ == "__main__":
    sys.exit(main())
