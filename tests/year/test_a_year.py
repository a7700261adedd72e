"""Some weeks of a county in fast motion: outages, power cuts, full disks, wrong clocks, backups brought back, and people at work all
the while. At the end all machines are equal, nothing that was told is lost, and at no moment was half a lesson shown.

Each runs in a process of its own, below the recorder of what it writes (tests/power). The long form is benchmarks/bench_year.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.power import recording
from tests.year import drawing, power
from tests.year.county import SETTLING_DAYS

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]
LIMIT_S = 900


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reason = recording.missing()
    if reason is not None:
        pytest.skip(reason)
    return power.build(tmp_path_factory.mktemp("recorder"))


def played(recorder: Path, *arguments: str) -> dict[str, Any]:
    environment = os.environ | {"LD_PRELOAD": str(recorder), "PYTHONPATH": str(recording.ROOT), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.year.running", *arguments], env=environment, cwd=recording.ROOT, capture_output=True,
        text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def wrong(ended: dict[str, Any]) -> dict[str, Any]:
    return {name: ended[name] for name in ("lost", "diverged", "corrupt", "half_shown", "surprises") if ended[name]}


@pytest.mark.parametrize("seed", [33])
def test_after_some_weeks_all_are_equal_and_nothing_is_lost(recorder: Path, seed: int) -> None:
    ended = played(recorder, str(seed), "--weeks", "4", "--boxes", "6")
    assert wrong(ended) == {}
    assert ended["counts"]["events promised"] > 100
    assert ended["counts"]["power cuts in the middle"] > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_year_all_are_equal_and_nothing_is_lost(recorder: Path, seed: int) -> None:
    assert wrong(played(recorder, str(seed))) == {}


def acts_of(*acts: dict[str, Any]) -> list[dict[str, Any]]:
    """One a few hours after the other, each with a chance of its own."""
    return [act | {"at_min": 200 * number, "seed": number} for number, act in enumerate(acts, start=1)]


def file_of(folder: Path, acts: list[dict[str, Any]]) -> str:
    file = folder / "acts.jsonl"
    file.write_text("".join(json.dumps(act) + "\n" for act in acts))
    return str(file)


@pytest.mark.parametrize("mode", ["nothing", "some"])
def test_new_releases_come_in_mid_year_one_is_taken_back_and_the_power_goes_while_they_do(recorder: Path, tmp_path: Path, mode: str) -> None:
    cut = {"who": "box", "after": 40, "mode": mode, "lot": 3}
    lesson = [{"do": "learn", "box": 0}, {"do": "round", "box": 0}]
    acts = acts_of(
        *lesson, {"do": "update", "cut": cut}, *lesson, {"do": "update", "box": 0, "cut": cut | {"after": 25}}, *lesson,
        {"do": "take_back", "box": 0, "cut": cut}, {"do": "admit", "box": 0}, *lesson, {"do": "update", "box": 0}, {"do": "update", "box": 0},
        {"do": "update"}, {"do": "restore"}, *lesson, {"do": "restore", "box": 0}, *lesson, {"do": "take_back"}, *lesson,
    )  # fmt: skip
    ended = played(recorder, "0", "--boxes", "2", "--acts", file_of(tmp_path, acts))
    assert wrong(ended) == {}
    assert ended["counts"]["update"] == 5


@pytest.mark.parametrize("mode", ["nothing", "names without bytes"])
@pytest.mark.parametrize("who", [{"box": 1}, {}])
def test_a_machine_whose_backup_was_brought_back_stands_though_its_power_goes_at_once(
    recorder: Path, tmp_path: Path, who: dict[str, int], mode: str
) -> None:
    cut = {"who": "box", "after": 100_000, "mode": mode, "lot": 2}
    lesson = [act for box in range(2) for act in ({"do": "round", "box": box}, {"do": "learn", "box": box}, {"do": "round", "box": box})]
    acts = acts_of(*lesson, {"do": "backup", **who}, {"do": "restore", "cut": cut, **who}, *lesson)
    assert wrong(played(recorder, "0", "--boxes", "2", "--acts", file_of(tmp_path, acts))) == {}


def test_boxes_are_replaced_and_stolen_sticks_pulled_out_restores_cut_and_disks_made_small(recorder: Path, tmp_path: Path) -> None:
    def pull(after: int) -> dict[str, Any]:
        return {"pull": {"who": "stick", "after": after, "mode": "some", "lot": after}}

    def cut(after: int) -> dict[str, Any]:
        return {"cut": {"who": "box", "after": after, "mode": "some", "lot": after}}

    def each(do: str) -> list[dict[str, Any]]:
        return [{"do": do, "box": box} for box in range(3)]

    acts = acts_of(
        *each("round"), *each("learn"), *each("policy"), *each("round"), {"do": "learn", "box": 0}, {"do": "admit", "box": 0},
        {"do": "replace", "box": 0, "stolen": False}, {"do": "learn", "box": 0}, {"do": "round", "box": 0},
        *each("learn"), {"do": "admit", "box": 1}, {"do": "replace", "box": 1, "stolen": True}, *each("round"), *each("learn"),
        {"do": "fill", "stick": 0, "for": [0, 1, 2]} | pull(40), {"do": "plug", "stick": 0, "box": 0},
        {"do": "fill", "stick": 0, "for": [0, 1, 2]}, {"do": "plug", "stick": 0, "box": 1} | pull(9),
        {"do": "plug", "stick": 0, "box": 1}, {"do": "plug", "stick": 0} | pull(5), {"do": "plug", "stick": 0},
        {"do": "backup"}, {"do": "restore"} | cut(200), {"do": "learn", "box": 2}, {"do": "backup", "box": 2},
        {"do": "restore", "box": 2} | cut(150), {"do": "publish"}, *each("policy"), *each("round"),
    )  # fmt: skip
    ended = played(recorder, "0", "--boxes", "3", "--acts", file_of(tmp_path, acts))
    assert wrong(ended) == {}
    assert ended["counts"]["refused sync.node_replaced"] == SETTLING_DAYS, "the box in the cupboard has called, day by day"
    assert ended["counts"]["sticks pulled out in the middle"] > 0
    assert ended["counts"]["power cuts in the middle"] == 2


def test_cards_that_a_stolen_box_knew_and_that_open_something_still_are_found_out(recorder: Path, tmp_path: Path) -> None:
    """The oracle itself: somebody has shut the box out, and has not ended the cards."""
    stolen = {"do": "replace", "box": 0, "stolen": True, "careless": True}
    acts = acts_of({"do": "round", "box": 0}, {"do": "admit", "box": 0}, {"do": "round", "box": 0}, stolen)
    ended = played(recorder, "0", "--boxes", "2", "--acts", file_of(tmp_path, acts))
    assert any("was in a stolen box" in found for found in ended["lost"])


def test_the_same_seed_draws_the_same_year() -> None:
    assert drawing.draw(7, weeks=3) == drawing.draw(7, weeks=3)
    assert drawing.draw(7, weeks=3) != drawing.draw(8, weeks=3)


def test_a_program_that_told_before_its_commit_is_on_the_disk_is_found_out(recorder: Path, tmp_path: Path) -> None:
    """The oracle itself: with SQLite's syncs switched off, power cuts lose what was told."""
    acts = [
        {"do": "learn", "box": number % 3, "at_min": 60 * number, "seed": number,
         "cut": {"who": "box", "after": 100_000, "mode": "nothing", "lot": 2 * number}}
        for number in range(1, 12)
    ]  # fmt: skip
    acts = [*({"do": "round", "box": box, "at_min": box, "seed": box} for box in range(3)), *acts]
    file = tmp_path / "acts.jsonl"
    file.write_text("".join(json.dumps(act) + "\n" for act in acts))
    assert wrong(played(recorder, "0", "--boxes", "3", "--acts", str(file))) == {}
    careless = played(recorder, "0", "--boxes", "3", "--acts", str(file), "--careless")
    assert any("is lost" in found for found in careless["lost"]) or careless["surprises"]
