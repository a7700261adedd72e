"""Wherever the power goes during a first start, an upload, an encoding, a publishing: nothing promised is lost, nothing half is shown.

The program is recorded once; thousands of power cuts are then made of the record (see replay.py).
"""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power import checking, recording, replay
from tests.power.replay import Record

pytestmark = [pytest.mark.ffmpeg, pytest.mark.processes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    reason = recording.missing()
    if reason is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(dir=recording.memory_folder(tmp_path_factory.mktemp("power"))) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Record]:
    return replay.read(recording.record(folder))


def broken(records: list[Record], folder: Path, count: int, seed: int) -> dict[str, str]:
    """What is wrong after so many power cuts: what, and after which record it was first seen."""
    place, known, found = folder / "cut", dict[bytes, str](), dict[str, str]()
    for at, mode, left, promises in replay.cuts(records, count, seed):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        left.write(place)
        try:
            wrong = checking.problems(place / "data", promises, known=known)
        except Exception as error:  # noqa: BLE001 - a start that fails is what this looks for
            wrong = [f"it does not start: {error!r:.300}"]
        for problem in wrong:
            found.setdefault(problem, f"after record {at}, {mode}")
    return found


def test_the_replay_ends_with_the_very_files_that_the_program_left(records: list[Record], folder: Path) -> None:
    disk = replay.Disk()
    for record in records:
        disk.play(record)
    place = folder / "end"
    place.mkdir()
    replay.cut(disk, "everything", random.Random(0)).write(place)

    def files(root: Path) -> dict[str, bytes]:
        return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}

    assert files(place) == files(folder / "disk")
    kinds = Counter(record.kind for record in records)
    assert min(kinds[kind] for kind in "WNRLUBEA") >= 10
    told = [fact for fact in disk.promises if "published" in fact]
    assert len(told) >= 3  # the floor first, then better revisions


@pytest.mark.parametrize("count", [40, pytest.param(2500, marks=pytest.mark.long)])
def test_nothing_promised_is_lost_and_nothing_half_is_shown(records: list[Record], folder: Path, count: int) -> None:
    assert broken(records, folder, count, seed=20_261_123) == {}


def test_after_a_power_cut_everything_goes_on_to_the_end(records: list[Record], folder: Path) -> None:
    published = [at for at, record in enumerate(records, 1) if record.kind == "A" and "published" in record.facts[0]]
    place = folder / "cut"
    for at in (published[0] - 40,):
        disk = replay.Disk()
        for record in records[:at]:
            disk.play(record)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        replay.cut(disk, "nothing", random.Random(at)).write(place)
        assert checking.goes_on(place / "data") == []
        assert checking.problems(place / "data", disk.promises) == []


@pytest.mark.parametrize("what", ["files", "folders"])
def test_a_program_that_would_not_sync_its_files_or_its_folders_is_found_out(
    records: list[Record], folder: Path, what: str
) -> None:
    folders = {record.facts[0] for record in records if record.kind == "M"}
    lazy = [
        record for record in records
        if record.kind not in "BE" or (record.facts[0] in folders) != (what == "folders")
    ]
    assert len(lazy) < len(records)
    assert broken(lazy, folder, 12, seed=7) != {}
