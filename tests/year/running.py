"""Play a year and say how it ended.

    python -m tests.year.running SEED [--weeks 40] [--boxes 10] [--log FOLDER] [--acts FILE]
"""

import argparse
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eduhub import clock, logs
from eduhub.config import Settings
from tests.power.recording import memory_folder
from tests.year import drawing, judging, power, spares
from tests.year.county import County
from tests.year.drawing import Act

ROOT = Path(__file__).parents[2]


@dataclass
class Ended:
    """How a year ended: nothing in any of the lists, it should be."""

    seed: int
    seconds: float = 0.0
    acts: int = 0
    lost: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    half_shown: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.lost or self.diverged or self.corrupt or self.half_shown or self.surprises)


def play(acts: list[Act], seed: int = 0, *, boxes: int = drawing.BOXES) -> Ended:
    """Play some acts in a county of their own, and judge it."""
    began_s, ended = clock.monotonic_s(), Ended(seed, acts=len(acts))
    with tempfile.TemporaryDirectory(dir=memory_folder(Path(tempfile.gettempdir())), prefix="year-") as folder:
        county = County(Path(folder), boxes=boxes)
        for act in acts:
            county.play(act)
            if len(county.failures) > 20:
                break
        county.settle()
        shown = [failure for failure in county.failures if "shows" in failure.splitlines()[0]]
        ended.half_shown = shown
        ended.surprises = [failure for failure in county.failures if failure not in shown]
        ended.lost = [*judging.lost(county.hub, county.all_boxes, county.promised), *spares.wrong(county)]
        ended.diverged = list(judging.diverged(county.hub, county.all_boxes))
        ended.corrupt = [wrong for machine in county.everything for wrong in judging.corrupt(machine)]
        ended.counts = county.counts | {
            "events promised": len(county.promised.events), "changes promised": len(county.promised.changes),
            "excused": county.promised.excused,
        }  # fmt: skip
        county.close()
    ended.seconds = round(clock.monotonic_s() - began_s, 1)
    return ended


def preloaded(arguments: list[str]) -> None:
    """Start this program anew with the recorder, without which the power never goes and no disk is full."""
    if power.is_preloaded():
        return
    with tempfile.TemporaryDirectory() as folder:
        library = power.build(Path(folder))
        environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        sys.exit(subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode)


def main() -> None:
    """From the command line: the outcome as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--weeks", type=int, default=drawing.WEEKS)
    parser.add_argument("--boxes", type=int, default=drawing.BOXES)
    parser.add_argument("--acts", type=Path, help="play these instead of drawing some")
    parser.add_argument("--careless", action="store_true", help="let databases acknowledge what is not on the disk yet")
    parser.add_argument("--log", type=Path, help="a folder for the acts that were drawn")
    asked = parser.parse_args()
    preloaded(["-m", "tests.year.running", *sys.argv[1:]])
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)  # a year makes and drops objects all the while, and looking for rings among them takes a tenth of it
    logs.configure(Settings(log_format="text"), logging.CRITICAL)
    if asked.careless:
        power.be_careless()
    if asked.acts:
        acts = [json.loads(line) for line in asked.acts.read_text().splitlines()]
    else:
        acts = drawing.draw(asked.seed, weeks=asked.weeks, boxes=asked.boxes)
    if asked.log:
        asked.log.mkdir(parents=True, exist_ok=True)
        (asked.log / f"{asked.seed}.jsonl").write_text("".join(json.dumps(act) + "\n" for act in acts))
    ended = play(acts, asked.seed, boxes=asked.boxes)
    sys.stdout.write(json.dumps(asdict(ended), indent=1) + "\n")
    sys.exit(0 if ended.is_good else 1)


if __name__ == "__main__":
    main()
