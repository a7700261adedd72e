"""How soon killed work is back, and what a claim costs.

A real `eduhub serve` encodes a clip of its own; its worker is killed (kill -9) several times in mid-encode, then the supervisor
once, which is started again at once as systemd does. Where PostgreSQL is installed two more machines share a database and a
store (a disk that both have mounted), the one that encodes is killed and the other takes over when the lease (15 s, the default) is out. A figure is the time from the
kill until the next attempt runs an encoder.

`recover_s` is the worst on the same machine, `lost` counts steps that were not made in the end, `doubled` how often more than one
encoder was seen at the one thing in work, `claims_per_s` a claim and its end on SQLite with 10,000 jobs waiting. `program_start_s` is what
importing the worker alone took in the same run: on a busy machine look at `recover_vs_start`. Prints a table, then one JSON object.
BENCH=short: about a minute where little else runs.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from eduhub.config import Settings
from eduhub.db import Database
from eduhub.jobs import queue
from eduhub.jobs.running import Worker
from eduhub.ops import migrate, supervisor
from eduhub.ops.opening import make_ready
from tests import postgresql_cluster
from tests.jobs.machines import ROOT, SERVE, WORKER, Machine, School, Watch, clip, encoders, wait_until
from tests.ops.commanding import on_a_free_port

SHORT = os.environ.get("BENCH") == "short"
KILLS = 2 if SHORT else 8
CLIP_S = 20 if SHORT else 240
WAITING, SCHOOLS, CLAIMS = 10_000, 300, 200 if SHORT else 1000


def settings_in(folder: Path, **values: Any) -> Settings:
    return on_a_free_port(Settings(
        data_dir=folder, secure_cookies=False, web_server="gunicorn", web_processes=1, web_threads=4, **values
    ))  # fmt: skip


class Killing:
    """One school's recording under way on some machines, and what was seen."""

    def __init__(self, school: School, machines: list[Machine]) -> None:
        self.school, self.machines = school, machines
        self.folders = [each.settings.data_dir for each in machines]

    def wait_for_work(self, after_attempt: dict[str, int] | None = None) -> float:
        """Seconds until a video step is encoded, by a later attempt than was known."""
        return wait_until(lambda: self._is_encoding(after_attempt or {}), 300)

    def attempts(self) -> dict[str, int]:
        return {job.uid: job.attempt for job in self.school.jobs()}

    def is_over(self) -> bool:
        return all(job.state in {"done", "failed", "cancelled"} for job in self.school.jobs())

    def _is_encoding(self, known: dict[str, int]) -> bool:
        step = self.school.running_step()
        return step is not None and step.attempt > known.get(step.uid, 0) and bool(encoders(self.folders))

    def finish(self) -> int:
        """Let the rest be made; how many steps were not."""
        wait_until(self.is_over, 3600)
        for job in self.school.jobs():
            if job.state != "done":
                print(f"not made: {job.kind} {job.args} {job.state} after attempt {job.attempt}: {job.error_code} {job.error_facts}")
        return sum(state != "done" for state in self.school.steps().values())


def same_machine(folder: Path, recording: Path) -> dict[str, Any]:
    settings = settings_in(folder)
    make_ready(settings).database.close()
    killing = Killing(School([settings], recording), [machine := Machine(settings, SERVE, folder / "log")])
    machine.start()
    worker_s, doubled = [], 0
    try:
        with Watch(killing.folders) as watch:
            killing.wait_for_work()
            for number in range(KILLS):
                # In different places of the work; a worker that died young would be started again later each time.
                time.sleep(supervisor.LIVED_LONG_S + 0.5 + number % 3)
                killing.school.forgive()
                known = killing.attempts()
                machine.kill_worker()
                worker_s.append(killing.wait_for_work(known))
            killing.school.forgive()
            known, began = killing.attempts(), time.monotonic()
            machine.kill()
            while not _comes_up(machine, killing, known):
                pass  # the port is not free yet
            supervisor_s = time.monotonic() - began
            doubled = max(0, watch.at_once - 1)
        return {"worker_s": worker_s, "supervisor_s": supervisor_s, "lost": killing.finish(), "doubled": doubled}
    finally:
        machine.close()


def _comes_up(machine: Machine, killing: Killing, known: dict[str, int]) -> bool:
    machine.start()
    began = machine.processes[-1]
    wait_until(lambda: began.poll() is not None or killing._is_encoding(known), 300)
    return began.poll() is None


def other_machine(folder: Path, recording: Path) -> dict[str, Any]:
    """Two machines, one database, one store; what else is in a data folder is each machine's own."""
    cluster = postgresql_cluster.Cluster()
    try:
        first = settings_in(folder / "first", database=cluster.address)
        second = replace(first, data_dir=folder / "second")
        make_ready(first).database.close()
        second.data_dir.mkdir(parents=True)
        for shared in ("blobs", "packages"):
            (second.data_dir / shared).symlink_to(first.data_dir / shared)
        make_ready(second).database.close()
        school = School([first, second], recording)
        machines = [Machine(each, WORKER, each.data_dir / "log") for each in (first, second)]
        killing = Killing(school, machines)
        try:
            return _take_over(killing, machines)
        finally:
            for machine in machines:
                machine.close()
            school.database.close()
    finally:
        cluster.stop()


def _take_over(killing: Killing, machines: list[Machine]) -> dict[str, Any]:
    took = []
    with Watch(killing.folders) as watch:
        machines[0].start()
        killing.wait_for_work()
        for number in range(1 if SHORT else 3):
            dying, heir = machines[number % 2], machines[1 - number % 2]
            heir.start()
            wait_until(lambda heir=heir: "worker started" in heir.log().rpartition("worker stopped")[2])
            time.sleep(3)  # it looks for work all the time, and must not take what is held
            killing.school.forgive()
            known = killing.attempts()
            dying.kill()
            took.append(killing.wait_for_work(known))
        lost = 0 if SHORT else killing.finish()
    return {"other_s": took, "lost": lost, "doubled": max(0, watch.at_once - 1)}


def claims_per_s(folder: Path) -> float:
    database, pick = Database(f"sqlite:///{folder / 'claims.db'}"), random.Random(3)
    with closing(database):
        migrate.upgrade(database)
        with database.write() as session:
            for number in range(WAITING):
                queue.enqueue(
                    session, "media.encode", {"n": number}, org_uid=f"school {pick.randrange(SCHOOLS)}",
                    priority=(55, 60, 70)[number % 3], time_window=("", "encode", "encode")[number % 3],
                )  # fmt: skip
        began = time.monotonic()
        with Worker(folder / "run") as worker:
            for _ in range(CLAIMS):
                held = queue.claim(database, worker, ["media.prepare", "media.encode"], 15, {"media.encode": 1})
                assert held is not None
                with database.write() as session:
                    queue.finish(session, held)
        return CLAIMS / (time.monotonic() - began)


def program_start_s() -> float:
    """What it takes to have the worker's code in memory, the median of three."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import eduhub.worker"], check=True, cwd=ROOT)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="eduhub-bench-") as place:
        folder = Path(place)
        recording = clip(folder / "clip.mp4", CLIP_S)
        start_s = program_start_s()
        here = same_machine(folder / "hub", recording)
        missing = postgresql_cluster.missing()
        there = other_machine(folder, recording) if missing is None else {"other_s": [], "lost": 0, "doubled": 0}
        claims = claims_per_s(folder)
    if missing is not None:
        print(f"no other machine: {missing}")
    print("worker killed, back after s:     " + " ".join(f"{each:.1f}" for each in here["worker_s"]))
    print(f"supervisor killed, back after s: {here['supervisor_s']:.1f}")
    print("other machine, back after s:     " + " ".join(f"{each:.1f}" for each in there["other_s"]))
    worst = max(*here["worker_s"], here["supervisor_s"])
    print(json.dumps({
        "recover_s": round(worst, 2),
        "recover_median_s": round(statistics.median([*here["worker_s"], here["supervisor_s"]]), 2),
        "recover_supervisor_s": round(here["supervisor_s"], 2),
        "recover_other_machine_s": round(max(there["other_s"]), 2) if there["other_s"] else None,
        "lost": here["lost"] + there["lost"],
        "doubled": here["doubled"] + there["doubled"],
        "claims_per_s": round(claims, 1),
        "program_start_s": round(start_s, 2),
        "recover_vs_start": round(worst / start_s, 2),
        "kills": KILLS + 1 + len(there["other_s"]),
        "loadavg": [round(load, 2) for load in os.getloadavg()],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
