"""Damage on the disk is found, put out of every reader's way, and mended when good bytes come back."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery import holding, scrub, sweeping
from eduhub.delivery.blobs import remember
from eduhub.delivery.models import BlobRow, DamagedBlob, PackageRow, PartRow
from eduhub.delivery.scrub import Scrubbed, Scrubber
from eduhub.errors import StoreUnreadable, WorkerStopping
from eduhub.signing import sha256_hex

from .conftest import NOTES, STILLS, VIDEO, VOICE, Machine, lesson_manifest, next_revision

WEEK_MS = scrub.AGAIN_AFTER_MS


class Watch:
    """A clock that only waiting moves, so that nobody waits for it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep_s(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def package_id(hub: Machine) -> str:
    """A lesson that the hub shows, whole, with everything in the store written down long ago."""
    made = hub.publish(lesson_manifest()).id
    grow_old(hub)
    return made


def grow_old(machine: Machine) -> None:
    """A week and more passes."""
    with machine.here.database.write() as session:
        for row in session.scalars(select(BlobRow)):
            row.verified_ms -= WEEK_MS + 1000


def scrubber(machine: Machine, watch: Watch) -> Scrubber:
    return Scrubber(machine.here.database, machine.here.blobs, monotonic_s=lambda: watch.now_s, sleep_s=watch.sleep_s)


def scrubbed(machine: Machine, watch: Watch) -> Scrubbed:
    return scrubber(machine, watch).run(mb_s=5, progress=lambda _done: None)


def place(machine: Machine, payload: bytes) -> Path:
    return machine.here.blobs.path(sha256_hex(payload))


def rot(machine: Machine, payload: bytes) -> None:
    """The disk changes one bit and tells nobody."""
    path = place(machine, payload)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(len(payload) // 2)
        was = file.read(1)[0]
        file.seek(len(payload) // 2)
        file.write(bytes([was ^ 4]))
    path.chmod(0o444)


def cannot_be_read(machine: Machine, payload: bytes) -> None:
    """The kernel answers EIO to whoever reads it, as it does for a bad sector."""
    path = place(machine, payload)
    path.unlink()
    path.symlink_to("/proc/self/mem")


def linked(machine: Machine, package_id: str) -> set[str]:
    return {file.name for file in (machine.here.packages_dir / package_id).iterdir()}


def damaged(machine: Machine) -> dict[str, bool]:
    """Each blob that was ever found damaged, and whether it is mended."""
    with machine.here.database.read() as session:
        return {row.sha256: row.mended_ms is not None for row in session.scalars(select(DamagedBlob))}


def test_a_whole_store_is_read_once_and_then_left_alone_for_a_week(hub: Machine, package_id: str, watch: Watch) -> None:
    first = scrubbed(hub, watch)
    assert (first.blobs, first.damaged) == (6, [])  # four parts, a piece list, the manifest
    assert first.bytes > len(VIDEO)
    assert scrubbed(hub, watch).blobs == 0
    clock.freeze(clock.now_ms() + WEEK_MS + 1000)
    assert scrubbed(hub, watch).blobs == 6


@pytest.mark.parametrize("spoil", [rot, cannot_be_read, lambda machine, payload: place(machine, payload).unlink()])
def test_a_damaged_part_is_in_no_package_any_more(
    hub: Machine, package_id: str, watch: Watch, spoil: Callable[[Machine, bytes], None]
) -> None:
    name = sha256_hex(VIDEO)
    spoil(hub, VIDEO)
    assert scrubbed(hub, watch).damaged == [name]
    assert name not in linked(hub, package_id)
    assert not hub.here.blobs.has(name)
    assert damaged(hub) == {name: False}
    with hub.here.database.read() as session:
        assert session.get(BlobRow, name) is None
        part = session.get_one(PartRow, (package_id, name))
        assert (part.held, part.wanted) == (False, True)
        assert session.get_one(PackageRow, package_id).floor_held  # sound and stills are whole
    assert scrubbed(hub, watch).damaged == []


def test_a_lesson_whose_floor_is_damaged_falls_back_to_the_last_whole_revision(
    hub: Machine, package_id: str, watch: Watch
) -> None:
    first = lesson_manifest()
    newer = hub.publish(next_revision(first, parts=tuple(part for part in first.parts if part.name != "stills"))).id
    with hub.here.database.write() as session:  # the older one needs the notes too, the newer one needs the video
        session.get_one(PartRow, (newer, sha256_hex(VIDEO))).is_floor = True
    grow_old(hub)
    rot(hub, VIDEO)
    scrubbed(hub, watch)
    with hub.here.database.read() as session:
        shown = holding.current(session, first.lesson)
    assert shown is not None
    assert shown.id == package_id


def test_what_comes_back_is_revealed_again_and_the_damage_is_mended(
    hub: Machine, package_id: str, watch: Watch
) -> None:
    for payload in (VOICE, VIDEO):
        rot(hub, payload)
    assert sorted(scrubbed(hub, watch).damaged) == sorted([sha256_hex(VOICE), sha256_hex(VIDEO)])
    with hub.here.database.write() as session:
        assert not session.get_one(PackageRow, package_id).floor_held
        assert holding.reveal_returned(session, hub.here.blobs) == 0
    for payload in (VOICE, VIDEO):
        blob = hub.here.blobs.put_bytes(payload)
        with hub.here.database.write() as session:
            remember(session, blob)
    with hub.here.database.write() as session:
        assert holding.reveal_returned(session, hub.here.blobs) == 2
        assert session.get_one(PackageRow, package_id).floor_held
    assert damaged(hub) == {sha256_hex(VOICE): True, sha256_hex(VIDEO): True}
    assert {sha256_hex(VOICE), sha256_hex(VIDEO)} <= linked(hub, package_id)
    assert (hub.here.packages_dir / package_id / sha256_hex(VIDEO)).read_bytes() == VIDEO


def test_a_damaged_manifest_is_written_again_from_its_row(hub: Machine, package_id: str, watch: Watch) -> None:
    with hub.here.database.read() as session:
        manifest = session.get_one(PackageRow, package_id).manifest
    rot(hub, manifest)
    assert scrubbed(hub, watch).damaged == [package_id]
    assert (hub.here.packages_dir / package_id / package_id).read_bytes() == manifest
    assert damaged(hub) == {package_id: True}


def test_a_disk_that_is_gone_puts_nothing_in_quarantine(hub: Machine, package_id: str, watch: Watch) -> None:
    blobs = hub.here.settings.data_dir / "blobs"
    os.rename(blobs, blobs.with_name("unplugged"))
    for number in range(256):
        (blobs / f"{number:02x}").mkdir(parents=True)
    with pytest.raises(StoreUnreadable):
        scrubbed(hub, watch)
    assert damaged(hub) == {}
    assert len(linked(hub, package_id)) == 6
    for payload in (VOICE, STILLS, VIDEO, NOTES):
        (blobs / sha256_hex(payload)[:2] / sha256_hex(payload)).symlink_to("/proc/self/mem")
    with pytest.raises(StoreUnreadable):
        scrubbed(hub, watch)
    assert damaged(hub) == {}


def test_a_large_blob_is_read_over_several_slices_and_goes_on_where_it_stood(hub: Machine, watch: Watch) -> None:
    blob = hub.here.blobs.put_bytes(os.urandom(1 << 20) * 7)
    with hub.here.database.write() as session:
        remember(session, blob)
    grow_old(hub)
    reader = scrubber(hub, watch)
    slices = [reader.run(mb_s=1, progress=lambda _done: None, lasts_s=3) for _ in range(3)]
    assert [done.blobs for done in slices] == [0, 0, 1]
    assert sum(done.bytes for done in slices) == blob.bytes
    assert all(done.bytes <= 4_200_000 for done in slices)


def test_it_reads_no_faster_than_it_may_and_lets_go_when_asked(hub: Machine, watch: Watch) -> None:
    blob = hub.here.blobs.put_bytes(bytes(10_000_000))
    with hub.here.database.write() as session:
        remember(session, blob)
    grow_old(hub)
    done = scrubber(hub, watch).run(mb_s=2, progress=lambda _done: None)
    assert done.bytes == 10_000_000
    assert watch.now_s == pytest.approx(5.0)

    def stop(done: float) -> None:
        raise WorkerStopping("the box is switched off")

    grow_old(hub)
    with pytest.raises(WorkerStopping):
        scrubber(hub, watch).run(mb_s=2, progress=stop)


def test_what_was_put_again_while_it_was_read_as_damaged_stays(hub: Machine, package_id: str) -> None:
    name = sha256_hex(VIDEO)
    rot(hub, VIDEO)
    bad = hub.here.blobs.file_id(name)
    hub.here.blobs.put_bytes(VIDEO)
    assert scrub.put_away(hub.here.database, hub.here.blobs, name, bad) is False
    assert place(hub, VIDEO).read_bytes() == VIDEO
    assert (hub.here.packages_dir / package_id / name).read_bytes() == VIDEO
    assert damaged(hub) == {}


def test_damage_that_comes_a_second_time_is_unmended_again(hub: Machine, package_id: str, watch: Watch) -> None:
    for _ in range(2):
        rot(hub, NOTES)
        scrubbed(hub, watch)
        assert damaged(hub) == {sha256_hex(NOTES): False}
        with hub.here.database.write() as session:
            remember(session, hub.here.blobs.put_bytes(NOTES))
        assert damaged(hub) == {sha256_hex(NOTES): True}
        grow_old(hub)


def test_what_was_kept_of_a_damaged_blob_goes_when_it_is_mended_or_needed_no_more(
    hub: Machine, package_id: str, watch: Watch
) -> None:
    data_dir = hub.here.settings.data_dir
    for payload in (NOTES, VIDEO):
        rot(hub, payload)
    scrubbed(hub, watch)

    def kept() -> set[str]:
        sweeping.run(hub.here.database, hub.here.blobs, data_dir / "run" / "unneeded.json", now_steady_s=0)
        return {file.name for file in (data_dir / "blobs" / "quarantine").iterdir()}

    assert kept() == {sha256_hex(NOTES), sha256_hex(VIDEO)}
    with hub.here.database.write() as session:
        remember(session, hub.here.blobs.put_bytes(NOTES))
    assert kept() == {sha256_hex(VIDEO)}
    with hub.here.database.write() as session:
        holding.withdraw(session, package_id)
        holding.retire(session, now_steady_s=0, pass_hours=12)
    assert kept() == set()
    assert damaged(hub) == {sha256_hex(NOTES): True}


@pytest.mark.two_writers
@pytest.mark.usefixtures("package_id")
def test_a_slice_waits_for_nobody_who_holds_blobs_while_he_publishes(hub: Machine) -> None:
    reading = Scrubber(hub.here.database, hub.here.blobs, sleep_s=lambda _seconds: None)
    slice_ = threading.Thread(target=lambda: reading.run(mb_s=5, progress=lambda _done: None, lasts_s=0.5), daemon=True)
    with hub.here.database.write() as session:
        remember(session, hub.here.blobs.put_bytes(VIDEO))  # and he wants the next one: two who wait for each other
        slice_.start()
        slice_.join(20)
        assert not slice_.is_alive()
        verified = {row.sha256 for row in session.scalars(select(BlobRow)) if row.verified_ms > clock.now_ms() - WEEK_MS}
        assert sha256_hex(VIDEO) not in verified
        assert sha256_hex(VOICE) in verified
