"""What nobody needs goes after an hour of running time; what somebody takes meanwhile stays, at whatever moment he takes it."""

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub.delivery import blobs_disk, holding, sweeping
from eduhub.delivery.blobs import remember
from eduhub.delivery.models import BlobRow, PartRow
from eduhub.delivery.sweeping import Swept
from eduhub.errors import BlobMissing
from eduhub.signing import sha256_hex

from .conftest import NOTES, STILLS, VIDEO, VOICE, Machine, lesson_manifest, next_revision

HOUR = sweeping.REST_S
LISTING = {"names", "packages", "is_name", "_place"}  # hundreds of lines that only look
LEFT = b"put by a job that was killed before it wrote its rows"


def swept(machine: Machine, now_steady_s: float, *referrers: sweeping.Referrer) -> Swept:
    notes = machine.here.settings.data_dir / "run" / "unneeded.json"
    return sweeping.run(
        machine.here.database, machine.here.blobs, notes, now_steady_s=now_steady_s, referrers=referrers
    )


def rows(machine: Machine) -> set[str]:
    with machine.here.database.read() as session:
        return set(session.scalars(select(BlobRow.sha256)))


def test_what_a_crash_left_behind_goes_at_the_second_look_an_hour_later(hub: Machine) -> None:
    left = hub.here.blobs.put_bytes(LEFT)
    assert swept(hub, 0) == Swept()
    assert swept(hub, HOUR - 1) == Swept()
    assert swept(hub, HOUR) == Swept(blobs=1, bytes=len(LEFT))
    assert not hub.here.blobs.has(left.sha256)


def test_the_hour_goes_on_after_a_start_and_begins_anew_when_its_notes_are_lost(hub: Machine) -> None:
    hub.here.blobs.put_bytes(LEFT)
    notes = hub.here.settings.data_dir / "run" / "unneeded.json"
    swept(hub, 50_000)
    notes.write_text('{"rows": {}, "blobs"')
    assert swept(hub, 50_000 + HOUR) == Swept()
    assert swept(hub, 100) == Swept()  # the count of seconds was lost too
    assert swept(hub, 100 + HOUR).blobs == 1


def test_a_lesson_keeps_every_blob_it_needs(hub: Machine) -> None:
    package_id = hub.publish(lesson_manifest()).id
    for now_s in (0, HOUR, 2 * HOUR, 3 * HOUR):
        assert swept(hub, now_s) == Swept()
    assert {sha256_hex(payload) for payload in (VOICE, STILLS, VIDEO, NOTES)} < rows(hub)
    assert hub.here.blobs.has(package_id)


def test_a_replaced_revision_keeps_its_parts_until_nobody_can_be_reading_it(hub: Machine) -> None:
    first = lesson_manifest()
    old = hub.publish(first).id
    hub.publish(next_revision(first, parts=first.parts[:2]))

    def clear_away(now_steady_s: float) -> list[str]:
        return holding.clear_away(hub.here.database, hub.here.blobs, now_steady_s=now_steady_s, pass_hours=12)

    clear_away(0)
    for now_s in (0, HOUR, 11 * HOUR):
        assert swept(hub, now_s) == Swept()
    assert clear_away(12 * HOUR) == [old]
    assert swept(hub, 12 * HOUR) == Swept()
    assert swept(hub, 13 * HOUR).rows == 4  # the video, its piece list, the sheet and the old manifest
    assert swept(hub, 14 * HOUR).blobs == 4
    assert not hub.here.blobs.has(sha256_hex(VIDEO))
    assert hub.here.blobs.has(sha256_hex(VOICE))


def test_what_somebody_else_refers_to_stays_with_a_row_or_without(hub: Machine) -> None:
    source, odd = hub.here.blobs.put_bytes(b"Tashi's recording"), hub.here.blobs.put_bytes(b"its row is missing")
    with hub.here.database.write() as session:
        remember(session, source)

    def recordings(_session: Any) -> set[str]:
        return {source.sha256, odd.sha256}

    for now_s in (0, HOUR, 2 * HOUR):
        assert swept(hub, now_s, recordings) == Swept()
    assert swept(hub, 3 * HOUR) == Swept()
    assert swept(hub, 4 * HOUR) == Swept(rows=1, blobs=1, bytes=odd.bytes)
    assert swept(hub, 5 * HOUR).blobs == 1


def test_a_package_folder_that_no_row_knows_goes_too(hub: Machine) -> None:
    blob = hub.here.blobs.put_bytes(LEFT)
    hub.here.blobs.link("f" * 64, blob.sha256)
    swept(hub, 0)
    hub.here.blobs.link("f" * 64, hub.here.blobs.put_bytes(b"one more").sha256)
    assert swept(hub, HOUR).packages == 0  # somebody was at it meanwhile
    assert swept(hub, 2 * HOUR).packages == 1
    assert not (hub.here.packages_dir / ("f" * 64)).exists()


def test_a_publishing_that_finds_the_links_of_one_that_was_killed_has_its_hour(hub: Machine) -> None:
    left = hub.here.blobs.put_bytes(LEFT)
    hub.here.blobs.link("f" * 64, left.sha256)  # killed before it was committed
    swept(hub, 0)
    hub.here.blobs.link("f" * 64, left.sha256)  # once more, and not committed yet
    assert swept(hub, HOUR).packages == 0


@pytest.mark.parametrize("take", ["put_bytes", "put_file", "link"])
def test_a_blob_that_is_taken_between_the_looks_has_its_hour_again(hub: Machine, tmp_path: Path, take: str) -> None:
    left = hub.here.blobs.put_bytes(LEFT)
    swept(hub, 0)
    if take == "put_bytes":
        hub.here.blobs.put_bytes(LEFT)
    elif take == "put_file":
        (tmp_path / "again").write_bytes(LEFT)
        hub.here.blobs.put_file(tmp_path / "again")
    else:
        hub.here.blobs.link("f" * 64, left.sha256)
    assert swept(hub, HOUR).blobs == 0
    with hub.here.database.write() as session:
        remember(session, left)
    assert swept(hub, 2 * HOUR).blobs == 0
    assert hub.here.blobs.has(left.sha256)


class Pausing:
    """Stops one thread before its n-th line in the store or the sweep, until another has done its work or waits for a lock."""

    def __init__(self, line: int, other: threading.Thread) -> None:
        self.left, self.other = line, other

    def __call__(self, frame: Any, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in {blobs_disk.__file__, sweeping.__file__} or frame.f_code.co_name in LISTING:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                self.other.start()
                self.other.join(0.2)  # it ends, or it waits for the lock that this thread holds
        return self


def interleaved(pausing: Callable[[], object], other: Callable[[], object], line: int) -> bool:
    """Run `other` in the midst of `pausing`, before its n-th line; False: it has not so many."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    second = threading.Thread(target=guarded, args=(other,))
    pause = Pausing(line, second)

    def first() -> None:
        sys.settrace(pause)
        try:
            guarded(pausing)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=first)
    thread.start()
    thread.join()
    if pause.left > 0:
        return False
    second.join()
    assert errors == []
    return True


EVERY_LINE = pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])


@EVERY_LINE
@pytest.mark.parametrize("who_pauses", ["the sweep", "the job"])
def test_a_job_that_puts_the_same_bytes_at_any_moment_of_the_sweep_finds_them_kept(
    hub: Machine, who_pauses: str, step: int
) -> None:
    """Whatever the order: once the job has written its row, the blob is there."""
    blobs, line, now_s, kept, removed = hub.here.blobs, 1, 0.0, 0, 0

    def job() -> None:
        blob = blobs.put_bytes(LEFT)
        with hub.here.database.write() as session:
            remember(session, blob)

    def sweep() -> None:
        nonlocal kept, removed
        done = swept(hub, now_s)
        removed += done.blobs
        kept += 1 - done.blobs

    while True:
        name = blobs.put_bytes(LEFT).sha256
        with hub.here.database.write() as session:
            for row in session.scalars(select(BlobRow).where(BlobRow.sha256 == name)):
                session.delete(row)
        swept(hub, now_s)
        now_s += HOUR
        going_on = interleaved(sweep, job, line) if who_pauses == "the sweep" else interleaved(job, sweep, line)
        if not going_on:
            break
        assert blobs.has(name), line
        assert name in rows(hub)
        with blobs.open(name) as file:
            assert file.read() == LEFT
        line += step
        now_s += HOUR
    assert line > 15
    assert kept > 0
    assert removed > 0


@EVERY_LINE
def test_a_publishing_that_links_at_any_moment_of_the_sweep_has_the_blob_or_is_told_that_it_is_gone(
    hub: Machine, step: int
) -> None:
    first = lesson_manifest()
    package_id = hub.publish(first).id
    name, line, now_s = sha256_hex(NOTES), 1, 0.0
    outcomes = set()

    def publish() -> None:
        with contextlib.suppress(BlobMissing), hub.here.database.write() as session:
            holding.reveal_present(session, hub.here.blobs, package_id)

    def sweep() -> None:
        swept(hub, now_s)

    while True:
        hub.here.blobs.put_bytes(NOTES)
        with hub.here.database.write() as session:  # as after a crash: the blob is here, and no row says so
            for part in session.scalars(select(PartRow).where(PartRow.sha256 == name)):
                part.held = part.wanted = False
            for row in session.scalars(select(BlobRow).where(BlobRow.sha256 == name)):
                session.delete(row)
        swept(hub, now_s)
        now_s += HOUR
        if not interleaved(sweep, publish, line):
            break
        here, row = hub.here.blobs.has(name), name in rows(hub)
        assert here == row, line
        outcomes.add(here)
        line += step
        now_s += HOUR
    assert outcomes == {True, False}
