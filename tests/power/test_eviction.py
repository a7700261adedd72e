"""Wherever the power goes while a full box makes room: no row promises bytes that are not there, and the rest is cleared away.

The box is recorded once, from the rows over the unlinking to the sweep; power cuts are then made of the record (see replay.py).
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery import holding
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from eduhub.sync.models import Dropped, OutboxRow
from tests.power import checking, recording, replay
from tests.power.evicting_flow import clear_away
from tests.power.replay import Record
from tests.power.stick_flow import machine
from tests.sync.world import WEDNESDAY_MS

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    reason = recording.missing()
    if reason is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(dir=recording.memory_folder(tmp_path_factory.mktemp("evicting"))) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Record]:
    disk = folder / "disk"
    disk.mkdir()
    return replay.read(recording.record_program("tests.power.evicting_flow", folder, disk, disk / "box", folder / "hub"))


def promised_at(records: list[Record], word: str) -> int:
    """After how many records something was said to be done."""
    return next(at for at, record in enumerate(records, 1) if record.kind == "A" and f'"{word}"' in record.facts[0])


def broken(records: list[Record], folder: Path, count: int, seed: int) -> dict[str, str]:
    """What is wrong after so many power cuts: what, and where it was first seen."""
    place, known, found = folder / "cut", dict[bytes, str](), dict[str, str]()
    for at, mode, left, promises in replay.cuts(records, count, seed, since=promised_at(records, "full")):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        left.write(place)
        clock.freeze(WEDNESDAY_MS)
        try:
            wrong = problems(place / "box", promises, known)
        except Exception as error:  # noqa: BLE001 - a start that fails is what this looks for
            wrong = [f"it does not start: {error!r:.300}"]
        found |= {what: f"{mode}, after {at} of {len(records)}" for what in wrong if what not in found}
    return found


def problems(data_dir: Path, promises: list[dict[str, Any]], known: dict[bytes, str]) -> list[str]:
    """What is broken after a start, and after the day that comes then."""
    box = machine(data_dir, "node")
    try:
        found = checking.damage(box, known) + broken_promises(box, promises)
        clear_away(box)
        found += [f"a day later: {what}" for what in checking.damage(box, known) + not_cleared(box)]
        return found + [f"a day later: {what}" for what in broken_promises(box, promises)]
    finally:
        box.database.close()


def broken_promises(box: Installation, promises: list[dict[str, Any]]) -> list[str]:
    """What was said to have gone and is shown, or has not been told to the hub; what was said to be shown and is not."""
    found = []
    with box.database.read() as session:
        shown = set(session.scalars(select(PackageRow.id).where(PackageRow.floor_held)))
        noted = set(session.scalars(select(Dropped.package_id).where(Dropped.is_floor)))
        kinds = [row.body for row in session.scalars(select(OutboxRow).where(OutboxRow.kind == "event"))]
    told = {body["part"] for body in kinds if body["kind"] == "dropped"}
    for fact in promises:
        gone = set(fact.get("dropped", ()))
        if gone & shown or not gone <= noted or not gone <= told:
            found.append("what went is shown, or is written down nowhere")
        if "shown" in fact and fact["shown"] not in shown:
            found.append("what was shown is not")
    return found


def not_cleared(box: Installation) -> list[str]:
    """What was let go of and still lies there."""
    found = []
    with box.database.read() as session:
        needed = holding.in_use(session)
        for row in session.scalars(select(Dropped)):
            if not row.is_unlinked or (box.packages_dir / row.package_id / row.sha256).exists():
                found.append("a link of what went is still there")
            if row.sha256 not in needed and box.blobs.has(row.sha256):
                found.append("a blob that nobody needs is still there")
    return found


@pytest.mark.parametrize("count", [40, pytest.param(1500, marks=pytest.mark.long)])
def test_no_row_promises_bytes_that_are_not_there_and_all_that_went_is_cleared_away(
    records: list[Record], folder: Path, count: int
) -> None:
    assert broken(records, folder, count, seed=20_261_127) == {}


def test_a_box_that_would_not_sync_its_rows_before_it_unlinks_is_found_out(records: list[Record], folder: Path) -> None:
    folders, since = {record.facts[0] for record in records if record.kind == "M"}, promised_at(records, "full")
    lazy = records[:since] + [record for record in records[since:] if record.kind not in "BE" or record.facts[0] in folders]
    assert len(lazy) < len(records)
    assert broken(lazy, folder, 12, seed=7) != {}
