"""Is anything lost when processes are killed or the power goes? Fixed seeds; prints one JSON line.

kills: `kill -9` of all processes, the supervisor, the web servers or the worker of a hub that `eduhub serve` runs, at random
moments of upload, encoding and publishing; `recover_s` is from the kill (or the start after it) until pages answer and all
interrupted work is in living hands. power_states: the same flow is recorded once, and the power cut at so
many places of the record, with unsynced writes and names dropped. Must: lost 0, inconsistent 0.

BENCH=short: few of each.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from eduhub.config import Settings
from eduhub.ops.opening import make_ready
from tests.flows import machines
from tests.flows.machines import Machine
from tests.media import clips
from tests.power import checking, killing, recording, replay

SHORT = os.environ.get("BENCH") == "short"
KILLS, STATES, GO_ON = (3, 60, 1) if SHORT else (100, 2500, 20)
SEED = 20_261_123


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        states, wrong = power_cuts(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        outcome = kills(Path(folder))
    for problem in (*wrong, *outcome.lost, *outcome.inconsistent):
        print(problem, file=sys.stderr)
    print(f"killed during: {dict(Counter(outcome.phases))}", file=sys.stderr)
    lost = [problem for problem in wrong if "lost" in problem]
    print(json.dumps({
        "kills": outcome.kills, "power_states": states, "lost": len(lost) + len(outcome.lost),
        "inconsistent": len(wrong) - len(lost) + len(outcome.inconsistent),
        "recover_s_median": round(statistics.median(outcome.recover_s), 2),
        "recover_s_worst": round(max(outcome.recover_s), 2), "load_average": round(os.getloadavg()[0], 1),
    }))  # fmt: skip


def power_cuts(folder: Path) -> tuple[int, list[str]]:
    """How many states were looked at, and what was wrong with them."""
    with tempfile.TemporaryDirectory(dir=recording.memory_folder(folder)) as made:
        records = replay.read(recording.record(Path(made)))
        place, known, wrong, count = Path(made) / "cut", dict[bytes, str](), [], 0
        for at, mode, left, promises in replay.cuts(records, STATES, SEED):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            left.write(place)
            try:
                found = checking.problems(place / "data", promises, known=known)
                if count % (STATES // GO_ON) == STATES // GO_ON // 2:
                    found += checking.goes_on(place / "data")
            except Exception as error:  # noqa: BLE001 - a start that fails is what this looks for
                found = [f"it does not start: {error!r}"]
            wrong += [f"power cut after record {at} ({mode}): {problem}" for problem in found]
            count += 1
        return count, wrong


def kills(folder: Path) -> killing.Outcome:
    """One hub, killed again and again."""
    clip = clips.lesson(folder / "clip.mp4").read_bytes()
    settings = Settings(
        data_dir=folder / "hub", encode_threads=1, web_processes=1, web_threads=8, disk_spare_mb=0, log_format="json",
        secure_cookies=False, job_lease_s=15,
    )  # fmt: skip
    machines.START_LIMIT_S = 300  # a busy machine is slow, and that is what is measured here
    machine = Machine(settings, "127.0.0.1")
    here = make_ready(machine.settings)
    machine.start()
    try:
        killed = killing.Killed(machine, here, clip, SEED)
        for _ in range(KILLS):
            killed.round()
    finally:
        machine.stop()
        here.database.close()
    return killed.outcome


if __name__ == "__main__":
    main()
