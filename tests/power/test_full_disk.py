"""The disk is full at any step of an upload, an encoding, a publishing, a scrub or a backup: it is said, the store is whole,
nothing half-written stays, and everything goes on when there is room again.
"""

import contextlib
import errno
import hashlib
import io
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, update

from eduhub.courses.models import Lesson
from eduhub.delivery import scrub
from eduhub.delivery.models import BlobRow, DamagedBlob, PartRow
from eduhub.errors import DiskFull
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.media import tus, uploads
from eduhub.ops import backup, opening, upkeep
from eduhub.ops.handlers import HANDLERS
from eduhub.uids import new_uid
from tests.media import clips
from tests.power import checking, flow

pytestmark = [pytest.mark.ffmpeg]

# Room that is left, in bytes: nothing, less than a page of the database, and always a little further.
LEFT = (0, 8_000, 40_000, 120_000, 400_000)
LEFT_TO_JOBS = (0, 60_000)


class SmallDisk:
    """A file system of a few MB, of which a test can leave as little as it likes."""

    def __init__(self, place: Path) -> None:
        self.place, self._filler = place, place / "filler"

    @contextmanager
    def left(self, count: int) -> Iterator[None]:
        """Only so many bytes are free in the block."""
        facts = os.statvfs(self.place)
        size = facts.f_bavail * facts.f_frsize - count
        with self._filler.open("wb") as file:
            if size > 0:
                os.posix_fallocate(file.fileno(), 0, size)
        try:
            yield
        finally:
            self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs root; a limit on the size of files is tested all the same (tests/delivery)")
    yield SmallDisk(place)
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def hub(disk: SmallDisk) -> Iterator[Installation]:
    here = opening.make_ready(flow.settings_of(disk.place / "hub"))
    yield here
    here.database.close()


def strays(here: Installation) -> set[str]:
    """What nothing needs: temporary files of the store, folders of work, backups that are none."""
    root = here.settings.data_dir
    found = [*(root / "blobs").glob(".new-*"), *(root / "work").iterdir(), *(root / "packages").glob(".gone-*")]
    return {str(path.relative_to(root)) for path in found}


def whole(here: Installation) -> None:
    assert checking.damage(here) == []
    assert strays(here) == set()


def tried(disk: SmallDisk, here: Installation, work: Callable[[], object], lefts: Sequence[int] = LEFT) -> int:
    """Do it with ever more room, until it fits; returns how often it did not. Everything was whole each time."""
    for times, count in enumerate((*lefts, 16_000_000)):
        try:
            with disk.left(count):
                work()
        except OSError as error:  # the queue waits for room after both
            if error.errno != errno.ENOSPC:
                raise
            whole(here)
            continue
        except DiskFull:
            whole(here)
            continue
        whole(here)
        return times
    raise AssertionError("it never fitted")


def test_every_step_of_a_lesson_survives_a_full_disk(hub: Installation, disk: SmallDisk, tmp_path: Path) -> None:
    lesson_uid, intent = flow.lesson_of(hub)
    clip = clips.lesson(tmp_path / "clip.mp4").read_bytes()

    def announce() -> None:
        uploads.create(hub, intent, len(clip), tus.parse_metadata(""))

    def send() -> None:
        going = uploads.find(hub, intent.source_uid)
        at = len(clip) if going is None else going.offset
        arrived.append(at)
        uploads.append(hub, intent, at, io.BytesIO(clip[at:]))

    arrived: list[int] = []
    assert tried(disk, hub, announce) >= 3  # what cannot fit is refused before a byte is sent
    assert tried(disk, hub, send) >= 3
    assert len(set(arrived)) >= 3  # each time it went on where it stood
    with hub.database.read() as session:
        assert session.get_one(flow.Source, intent.source_uid).sha256 == hashlib.sha256(clip).hexdigest()

    refused: dict[str, int] = {}
    with Worker(hub.settings.data_dir / "run") as worker:
        while True:
            with hub.database.write() as session:
                session.execute(update(JobRow).values(not_before_ms=0))
            held = queue.claim(hub.database, worker, HANDLERS, 60)
            if held is None:
                break
            context = JobContext(hub, held.uid, lambda _done: None, held.attempt)
            times = tried(disk, hub, lambda: HANDLERS[held.kind](context, **held.args), LEFT_TO_JOBS)  # noqa: B023
            refused[held.kind] = refused.get(held.kind, 0) + times
            with hub.database.write() as session:
                queue.finish(session, held)
    assert min(refused[kind] for kind in ("media.prepare", "media.encode", "courses.publish_if_ready")) >= 1
    flow.follow(hub, lesson_uid, intent.source_uid, 0)
    assert checking.broken_promises(hub, [{"published": 1, "lesson": lesson_uid}]) == []

    assert tried(disk, hub, lambda: backup.backup(hub, disk.place / "backup")) >= 1
    assert len(list((disk.place / "backup").glob("tables-*"))) == 1

    with hub.database.read() as session:
        newest = PartRow.package_id == session.get_one(Lesson, lesson_uid).package_id
        index = session.scalars(select(PartRow.sha256).where(PartRow.kind == "index", newest)).one()
    path = hub.blobs.path(index)
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    with hub.database.write() as session:
        session.execute(update(BlobRow).values(verified_ms=BlobRow.verified_ms - scrub.AGAIN_AFTER_MS - 1000))

    context = JobContext(hub, new_uid(), lambda _done: None)
    with contextlib.suppress(DiskFull), disk.left(0):
        upkeep.scrub_slice(context)
    upkeep.scrub_slice(context)
    whole(hub)
    with hub.database.read() as session:
        assert session.get_one(DamagedBlob, index).mended_ms is not None


def test_a_disk_without_room_for_even_the_first_page_is_called_by_its_name(hub: Installation, disk: SmallDisk) -> None:
    hub.database.close()
    with disk.left(0), pytest.raises(DiskFull), hub.database.write():
        pass
    with hub.database.write() as session:
        assert session.scalars(select(Lesson)).all() == []
