"""The steady clock never goes back, whatever the wall clock and the mains do."""

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import clock
from eduhub.clock import SteadyClock
from eduhub.errors import BadInput


class FakeMachine:
    """A machine that can be rebooted."""

    def __init__(self) -> None:
        self.boots, self.uptime_s = 1, 40.0

    def clock(self, file: Path) -> SteadyClock:
        return SteadyClock(file, uptime_s=lambda: self.uptime_s, boot_id=lambda: f"boot {self.boots}")

    def reboot(self, uptime_s: float = 0.0) -> None:
        self.boots, self.uptime_s = self.boots + 1, uptime_s


def test_it_counts_from_the_first_call(tmp_path: Path) -> None:
    machine = FakeMachine()
    steady = machine.clock(tmp_path / "new folder" / "steady")
    assert steady.now_s() == 0.0
    machine.uptime_s += 2.5
    assert steady.now_s() == 2.5


def test_a_second_process_reads_the_same_time(tmp_path: Path) -> None:
    machine = FakeMachine()
    first, second = machine.clock(tmp_path / "steady"), machine.clock(tmp_path / "steady")
    first.now_s()
    machine.uptime_s += 10
    assert second.now_s() == first.now_s() == 10.0


def test_after_a_power_cut_it_goes_on_from_what_was_kept(tmp_path: Path) -> None:
    machine = FakeMachine()
    steady = machine.clock(tmp_path / "steady")
    steady.now_s()
    machine.uptime_s += 100
    steady.keep()
    machine.uptime_s += 30  # lost: nobody kept it
    machine.reboot(uptime_s=5)
    assert steady.now_s() == 100.0
    machine.uptime_s += 1
    assert machine.clock(tmp_path / "steady").now_s() == 101.0


def test_a_stepped_wall_clock_moves_nothing(tmp_path: Path) -> None:
    steady = FakeMachine().clock(tmp_path / "steady")
    steady.now_s()
    for unix_ms in (0, 4_070_908_800_000):
        clock.freeze(unix_ms)
        assert steady.now_s() == 0.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}', '{"boot": "b", "uptime_s": "x", "steady_s": 1}'])
def test_a_file_that_is_no_clock_starts_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "steady").write_text(text)
    assert FakeMachine().clock(tmp_path / "steady").now_s() == 0.0
    assert json.loads((tmp_path / "steady").read_text())["steady_s"] == 0.0


@given(st.lists(st.one_of(st.tuples(st.just("run"), st.floats(0, 1000)), st.sampled_from([("keep",), ("reboot",)]))))
def test_within_what_was_kept_it_never_goes_back(tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, float]]) -> None:
    machine = FakeMachine()
    steady = machine.clock(tmp_path_factory.mktemp("clock") / "steady")
    kept, last = steady.now_s(), 0.0
    for kind, *amount in story:
        if kind == "run":
            machine.uptime_s += amount[0]
        elif kind == "keep":
            steady.keep()
            kept = steady.now_s()
        else:
            machine.reboot()
            last = 0.0
        found = steady.now_s()
        assert found >= max(last, kept)
        last = found


def _read_many(file: Path, found: "multiprocessing.Queue[list[float]]") -> None:
    steady = SteadyClock(file, boot_id=lambda: "the next boot")
    found.put([steady.now_s() for _ in range(200)])


def test_two_processes_that_start_after_one_boot_agree(tmp_path: Path) -> None:
    file = tmp_path / "steady"
    file.write_text(json.dumps({"boot": "the last boot", "uptime_s": 5.0, "steady_s": 1000.0}))
    spawn = multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[list[float]] = spawn.Queue()
    processes = [spawn.Process(target=_read_many, args=(file, found)) for _ in range(2)]
    for process in processes:
        process.start()
    series = [found.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    found.close()
    found.join_thread()
    for times in series:
        assert times == sorted(times)
        assert times[0] >= 1000.0
    assert sorted(times[0] == 1000.0 for times in series) == [False, True], "exactly one begins the count"


def test_the_real_one_runs(tmp_path: Path) -> None:
    steady = SteadyClock(tmp_path / "steady")
    first = steady.now_s()
    steady.keep()
    assert 0.0 <= first <= steady.now_s() < 60


def test_a_day_is_the_day_of_its_place() -> None:
    clock.freeze(1_795_453_200_000)  # 2026-11-23 17:00 UTC
    assert clock.today() == "2026-11-23"
    assert clock.today("Asia/Shanghai") == "2026-11-24"
    assert clock.check_day("2026-11-24") == "2026-11-24"
    with pytest.raises(BadInput):
        clock.check_day("24.11.2026")
