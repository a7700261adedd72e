"""Five hundred recordings of schools of unequal size, on a clock of our own: order, turns, limits and windows."""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eduhub import clock
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.jobs import lanes, queue
from eduhub.jobs.running import Worker

MIDNIGHT_MS = 1_800_028_800_000  # of 2027-01-16 in Shanghai
HOUR_MS = 3_600_000
# Files of each school: 500 in all.
SCHOOLS = {"Nyalam": 300, "Shuanghu": 120, "Gertse": 50, "Nyima": 20, "Zanda": 7, "Medog": 3}
STEPS = {"v240": (55, "", 90), "v360": (60, lanes.ENCODE_WINDOW, 180), "v720": (70, lanes.ENCODE_WINDOW, 540)}
FLOOR_S = 60
KINDS = ["media.prepare", "media.encode"]
SETTINGS = Settings(encode_window="20:00-06:00", time_zone="Asia/Shanghai")


@dataclass
class Begun:
    """One job that was begun: when, whose, and which."""

    at_ms: int
    school: str
    step: str
    file: int


@dataclass
class Simulation:
    """Lanes that claim and end jobs at the moments of a made clock; no work is done."""

    database: Database
    worker: Worker
    begun: list[Begun] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    waiting: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def arrive(self, school: str, file: int) -> None:
        with self.database.write() as session:
            queue.enqueue(
                session, "media.prepare", {"step": "floor", "file": file}, org_uid=school, expected_s=FLOOR_S,
            )  # fmt: skip
        self.waiting["floor"][school] += 1

    def run(self) -> None:
        """Until nothing waits and nothing runs."""
        running: list[tuple[int, int, queue.Claim, str]] = []
        at_once: Counter[str] = Counter()
        while True:
            while len(running) < lanes.LANES and (held := self._claim()) is not None:
                step = held.args["step"]
                lasts_s = FLOOR_S if step == "floor" else STEPS[step][2]
                at_once[held.kind] += 1
                self.most[held.kind] = max(self.most[held.kind], at_once[held.kind])
                heapq.heappush(running, (clock.now_ms() + lasts_s * 1000, len(self.begun), held, self.begun[-1].school))
            if not running and not any(sum(each.values()) for each in self.waiting.values()):
                return
            if not running:
                clock.freeze(clock.now_ms() + round(lanes.opens_in_s(SETTINGS)[lanes.ENCODE_WINDOW] * 1000))
                continue
            at_ms, _, held, school = heapq.heappop(running)
            clock.freeze(max(clock.now_ms(), at_ms))
            at_once[held.kind] -= 1
            self._end(held, school)

    def _claim(self) -> queue.Claim | None:
        closed = lanes.closed_now(SETTINGS)
        held = queue.claim(self.database, self.worker, KINDS, 3600, lanes.LIMITS, closed)
        if held is None:
            return None
        step, (school, file) = held.args["step"], _whose(held.args["file"])
        self.begun.append(Begun(clock.now_ms(), school, step, file))
        self.waiting[step][school] -= 1
        self.outside += bool(closed) and step in {"v360", "v720"}
        return held

    def _end(self, held: queue.Claim, school: str) -> None:
        with self.database.write() as session:
            queue.finish(session, held)
            if held.args["step"] == "floor":
                for step, (priority, window, lasts_s) in STEPS.items():
                    queue.enqueue(
                        session, "media.encode", {"step": step, "file": held.args["file"]}, org_uid=school,
                        priority=priority, time_window=window, expected_s=lasts_s,
                    )  # fmt: skip
                    self.waiting[step][school] += 1
        self.ended[held.args["step"]] += 1


def _whose(file: int) -> tuple[str, int]:
    for school, count in SCHOOLS.items():
        if file < count:
            return school, file
        file -= count
    raise AssertionError(file)


@pytest.fixture
def simulation(database: Database, tmp_path: Path) -> Iterator[Simulation]:
    clock.freeze(MIDNIGHT_MS)
    if database.is_sqlite:  # four thousand transactions; what a power cut leaves is not asked here
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
    with Worker(tmp_path / "run") as worker:
        yield Simulation(database, worker)


@pytest.mark.parametrize("part", [10, pytest.param(1, marks=pytest.mark.long)], ids=["fifty", "five hundred"])
def test_recordings_are_made_in_order_and_in_turns_within_limits_and_windows(simulation, part):
    files = list(range(0, sum(SCHOOLS.values()), part))
    random.Random(7).shuffle(files)
    for file in files:
        clock.freeze(clock.now_ms() + 1)
        simulation.arrive(_whose(file)[0], file)
    simulation.run()

    assert simulation.ended == dict.fromkeys(("floor", "v240", "v360", "v720"), 500 // part)
    assert simulation.most == {"media.prepare": 1, "media.encode": 1}
    assert simulation.outside == 0
    for step in ("floor", "v240", "v360", "v720"):
        _check_turns([each for each in simulation.begun if each.step == step])
    _check_priorities(simulation.begun)
    # The bound for a school with three files, beside one with three hundred: its n-th floor is among the first n rounds.
    floors = [each.school for each in simulation.begun if each.step == "floor"]
    for small in ("Medog", "Zanda", "Nyima"):
        places = [place for place, school in enumerate(floors) if school == small]
        assert all(place < (number + 1) * len(SCHOOLS) for number, place in enumerate(places))


def _check_turns(begun: list[Begun]) -> None:
    """Between two of one school no other school comes twice, while the first still has work that waits.

    Which is the bound: a school waits for at most one job of each other school before each of its own.
    """
    last = {school: max((at for at, each in enumerate(begun) if each.school == school), default=0) for school in SCHOOLS}
    since: dict[str, Counter[str]] = {school: Counter() for school in SCHOOLS}
    for at, each in enumerate(begun):
        for school in SCHOOLS:
            if school == each.school:
                since[school].clear()
            elif at < last[school] and each.step == "floor":
                since[school][each.school] += 1
                assert since[school][each.school] <= 1, f"{each.school} twice before {school}"


def _check_priorities(begun: list[Begun]) -> None:
    """A heavier step of a recording never begins before a lighter one of the same."""
    order = ["floor", *STEPS]
    seen: dict[tuple[str, int], list[str]] = defaultdict(list)
    for each in begun:
        seen[each.school, each.file].append(each.step)
    assert all(steps == order for steps in seen.values())
