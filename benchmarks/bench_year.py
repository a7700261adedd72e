"""Years of a county in fast motion: a hub, seven schools, ten boxes; is everything equal at the end, and nothing lost or half shown?

Each year is drawn from one seed (tests/year/drawing.py): children learn, admins at box and hub edit the same rows, lessons are
published, improved and taken back, keys change, children are erased; lines are cut and answers lost, clocks are wrong, disks are full,
the power goes in the middle of a round or a form, at a box or at the hub, and what was not synced is lost by lot; backups of hub and
boxes are brought back. The acts and the outcome of each year are kept in a folder, so that a year can be played again.

years: how many were played to their end. lost: what was told to somebody and is not there; diverged: rows, progress, catalogs or
lessons that are not alike; corrupt: files or databases that are damaged; half_shown: lessons that were shown and not whole;
surprises: errors that no fault explains. Prints a table, then one JSON object. BENCH=short: one year of six weeks.

    python benchmarks/bench_year.py [--years 3] [--first 1] [--keep .build/years]
    python benchmarks/bench_year.py --sum FOLDER ...      plays nothing: what lies in these folders
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.power import recording
from tests.year import power

ROOT = Path(__file__).parents[1]
SHORT = os.environ.get("BENCH") == "short"
WRONG = ("lost", "diverged", "corrupt", "half_shown", "surprises")


def year(seed: int, recorder: Path, keep: Path) -> dict[str, Any]:
    """Play one, in a process of its own below the recorder; its acts and its outcome lie in `keep` then."""
    environment = os.environ | {"LD_PRELOAD": str(recorder), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    length = ["--weeks", "6"] if SHORT else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.year.running", str(seed), "--log", str(keep), *length],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        wrong = {name: [done.stderr[-3000:]] if name == "surprises" else [] for name in WRONG}
        return {"seed": seed, "seconds": 0.0, "acts": 0, "counts": {}, **wrong}
    (keep / f"{seed}.json").write_text(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def summed(ended: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of some years."""
    counts: dict[str, int] = {}
    for one in ended:
        for name, count in one["counts"].items():
            counts[name] = counts.get(name, 0) + count
    took = sorted(one["seconds"] for one in ended)
    return {
        "years": len(ended), **{name: sum(len(one[name]) for one in ended) for name in WRONG},
        "seconds_a_year": took[len(took) // 2] if took else 0.0, "counts": counts,
    }  # fmt: skip


def outcomes(folders: list[Path]) -> list[dict[str, Any]]:
    """Of every year that was played to its end and left its outcome there, whatever the file is called; others do not count."""
    found: list[dict[str, Any]] = []
    for path in sorted(file for folder in folders for file in folder.iterdir() if file.suffix in {".json", ".out"}):
        with suppress(ValueError):
            one = json.loads(path.read_text())
            found += [one] if isinstance(one, dict) and one.keys() >= {"seed", "counts", *WRONG} else []
    return found


def main() -> None:
    """Years one after the other; those that lie in the folder already count too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=1 if SHORT else 3)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--keep", type=Path, default=ROOT / ".build" / ("years-short" if SHORT else "years"))
    parser.add_argument("--sum", type=Path, nargs="+", help="count what lies in these folders, and play nothing")
    asked = parser.parse_args()
    if asked.sum:
        ended = outcomes(asked.sum)
        for one in ended:
            wrong = {name: len(one[name]) for name in WRONG if one[name]}
            print(f"seed {one['seed']}: {one['acts']} acts, {one['seconds']} s, {wrong or 'all equal, nothing lost'}")
        print(json.dumps(summed(ended)))
        return
    if reason := recording.missing():
        print(f"nothing is measured: {reason}")
        print(json.dumps({}))
        return
    asked.keep.mkdir(parents=True, exist_ok=True)
    ended = []
    with tempfile.TemporaryDirectory() as folder:
        recorder = power.build(Path(folder))
        for seed in range(asked.first, asked.first + asked.years):
            kept = asked.keep / f"{seed}.json"
            ended.append(json.loads(kept.read_text()) if kept.exists() else year(seed, recorder, asked.keep))
            wrong = {name: len(ended[-1][name]) for name in WRONG if ended[-1][name]}
            print(f"year {seed}: {ended[-1]['seconds']} s, {wrong or 'all equal, nothing lost'}", flush=True)
    print(json.dumps(summed(ended)))


if __name__ == "__main__":
    main()
