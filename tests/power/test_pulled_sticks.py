"""Whenever a stick is pulled out while it is written, and whatever of it was lost: both sides are whole, and go on.

The hub and a box are recorded once at filling a stick; it is then pulled out of the record many times (see replay.py).
"""

import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.errors import EduHubError, NoCourier
from eduhub.installation import Installation
from eduhub.sync.courier import trips
from tests.power import recording, replay
from tests.power.replay import Record
from tests.power.stick_flow import BOX, machine
from tests.sync.sticks import bring, events_at, lessons_shown
from tests.sync.world import WEDNESDAY_MS

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]
LESSONS, WATCHED = 2, 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    reason = recording.missing()
    if reason is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(dir=recording.memory_folder(tmp_path_factory.mktemp("sticks"))) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Record]:
    stick = folder / "stick"
    stick.mkdir()
    return replay.read(recording.record_program("tests.power.stick_flow", folder, stick, stick, folder / "machines"))


class Village:
    """Copies of the machines as they were, for one stick."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._opened = folder, list[Installation]()
        self.stick = folder / "pulled"
        shutil.rmtree(self.stick, ignore_errors=True)
        self.stick.mkdir()

    def __enter__(self) -> "Village":
        return self

    def __exit__(self, *_exception: object) -> None:
        for opened in self._opened:
            opened.database.close()
            shutil.rmtree(opened.settings.data_dir)

    def machine(self, name: str) -> Installation:
        """A copy of a machine as it was then."""
        place = self._folder / "copies" / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self._folder / "machines" / name, place)
        self._opened.append(machine(place, "hub" if name.startswith("hub") else "node"))
        return self._opened[-1]


def is_whole(box: Installation) -> bool:
    """Whether everything that is shown is there, byte for byte."""
    with box.database.read() as session:
        held = session.scalars(select(PartRow).where(PartRow.held)).all()
        shown = session.scalars(select(PackageRow.id).where(PackageRow.floor_held)).all()
        waiting = session.scalars(select(PartRow.package_id).where(PartRow.is_floor, ~PartRow.held)).all()
    read = {(box.packages_dir / row.package_id / row.sha256).read_bytes(): row.sha256 for row in held}
    return all(hashlib.sha256(found).hexdigest() == name for found, name in read.items()) and not set(shown) & set(waiting)


def export(hub: Installation, stick: Path) -> Any:
    return trips.export(hub, stick, nodes=(BOX,), on_progress=lambda _share: None)


def while_filled(village: Village, done: list[Any], number: int) -> Iterator[str]:
    """What is wrong after a stick was pulled out while the hub filled it the `number`th time."""
    box = village.machine("box before" if number == 1 else "box after")
    promised = LESSONS + number - 1 if {"filled": number} in done else 0
    try:
        bring(box, village.stick)
    except NoCourier:
        if number == 2 or promised:
            yield "the stick is none of ours any more"
    if not is_whole(box):
        yield "half a lesson is shown"
    if len(lessons_shown(box)) < max(promised, LESSONS if number == 2 else 0):
        yield "a lesson is missing"
    export(village.machine("hub after" if number == 2 else "hub before"), village.stick)
    bring(box, village.stick)
    if len(lessons_shown(box)) != LESSONS + number - 1 or not is_whole(box):
        yield "it does not go on"


def while_given(village: Village, done: list[Any]) -> Iterator[str]:
    """What is wrong after a stick was pulled out while the box took it and gave to it."""
    hub, box = village.machine("hub before"), village.machine("box watched")
    bring(hub, village.stick)
    known = events_at(hub)
    if {"given": 1} in done and len(known) != WATCHED:
        yield "something that was given is missing"
    bring(box, village.stick)
    bring(hub, village.stick)
    if len(events_at(hub)) != WATCHED or not known <= events_at(hub):
        yield "what was watched did not come home"


def broken(records: list[Record], folder: Path, count: int, seed: int) -> dict[str, str]:
    """What is wrong after so many pullings: what, and after which record it was first seen."""
    clock.freeze(WEDNESDAY_MS)
    found = dict[str, str]()
    for at, mode, left, done in replay.cuts(records, count, seed):
        with Village(folder) as village:
            left.write(village.stick)
            if {"given": 1} in done:
                wrong = while_filled(village, done, 2)
            elif {"filled": 1} in done:
                wrong = while_given(village, done)
            else:
                wrong = while_filled(village, done, 1)
            try:
                for problem in wrong:
                    found.setdefault(problem, f"after record {at}, {mode}")
            except EduHubError as error:
                found.setdefault(f"it stops: {error!r}", f"after record {at}, {mode}")
    return found


@pytest.mark.parametrize(("count", "seed"), [(24, 0), *(pytest.param(80, seed, marks=pytest.mark.long) for seed in range(1, 6))])
def test_a_stick_that_is_pulled_out_leaves_both_sides_whole(records: list[Record], folder: Path, count: int, seed: int) -> None:
    assert {record.kind for record in records} >= set("WNRMUBEA")
    assert broken(records, folder, count, seed=20_261_127 + seed) == {}


def test_what_was_said_to_be_on_the_stick_is_on_it(records: list[Record], folder: Path) -> None:
    """Pulled out right after each 'you may pull it out now', with everything lost that was not synced."""
    clock.freeze(WEDNESDAY_MS)
    for fact, check in (("filled", lambda it, done: while_filled(it, done, 1)), ("given", while_given)):
        disk = replay.Disk()
        for record in records:
            disk.play(record)
            if record.kind == "A" and fact in record.facts[0]:
                break
        with Village(folder) as village:
            replay.cut(disk, "nothing", random.Random(0)).write(village.stick)
            assert list(check(village, disk.promises)) == []


def test_a_hub_that_would_not_sync_is_found_out(records: list[Record], folder: Path) -> None:
    lazy = [record for record in records if record.kind not in "BE"]
    assert broken(lazy, folder, 24, seed=3) != {}


def test_filling_goes_on_after_a_kill(records: list[Record], folder: Path) -> None:
    """A real process, killed at any moment, time and again."""
    clock.freeze(WEDNESDAY_MS)
    lot = random.Random(5)
    with Village(folder) as village:
        hub, box = village.machine("hub after"), village.machine("box before")
        code = (
            "import sys; from pathlib import Path; from tests.power.stick_flow import machine, BOX\n"
            "from eduhub.sync.courier import trips\n"
            "trips.export(machine(Path(sys.argv[1]), 'hub'), Path(sys.argv[2]), nodes=(BOX,), on_progress=lambda s: print(s, flush=True))"
        )
        for _round in range(4):
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(hub.settings.data_dir), str(village.stick)], cwd=recording.ROOT,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            for _line in range(lot.randrange(1, 9)):
                process.stdout.readline()
            process.kill()
            process.wait()
            process.stdout.close()
            bring(box, village.stick)
            assert is_whole(box)
        before = export(hub, village.stick)
        assert before.is_whole
        bring(box, village.stick)
        assert len(lessons_shown(box)) == LESSONS + 1
