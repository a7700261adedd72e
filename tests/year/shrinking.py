"""Make a year that ends badly small: leave acts out as long as it still ends badly.

    python -m tests.year.shrinking ACTS [--boxes 10] [--about WORDS]      writes ACTS.small
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.year.drawing import Act


def is_bad(acts: list[Act], boxes: int, about: str) -> bool:
    """Whether these acts end badly, in such words."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("".join(json.dumps(act) + "\n" for act in acts))
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "tests.year.running", "0", "--boxes", str(boxes), "--acts", file.name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    ended = json.loads(done.stdout)
    wrong = [found for name in ("lost", "diverged", "corrupt", "half_shown", "surprises") for found in ended[name]]
    return any(about in found for found in wrong)


def smaller(acts: list[Act], boxes: int, about: str) -> list[Act]:
    """Leave out halves, then quarters, and so on, while it still ends badly."""
    size = len(acts) // 2
    while size >= 1:
        at = 0
        while at < len(acts):
            fewer = acts[:at] + acts[at + size :]
            if fewer and is_bad(fewer, boxes, about):
                acts = fewer
                sys.stderr.write(f"{len(acts)} acts\n")
            else:
                at += size
        size //= 2
    return acts


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("acts", type=Path)
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--about", default="")
    asked = parser.parse_args()
    acts = [json.loads(line) for line in asked.acts.read_text().splitlines()]
    found = smaller(acts, asked.boxes, asked.about)
    asked.acts.with_suffix(".small").write_text("".join(json.dumps(act) + "\n" for act in found))


if __name__ == "__main__":
    main()
