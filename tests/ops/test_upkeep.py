"""A hub mends what its disk has damaged: from rows, or from the recording, and the lesson is whole again by itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub import worker
from eduhub.courses.models import Lesson
from eduhub.delivery import holding
from eduhub.delivery.models import DamagedBlob, PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.media import mending
from eduhub.media.models import Rendition, Source
from eduhub.ops import opening
from eduhub.ops.handlers import HANDLERS
from tests.delivery.damage import rot, scrubbed
from tests.media import clips
from tests.power import flow

pytestmark = [pytest.mark.ffmpeg]


@contextmanager
def worker_of(here: Installation) -> Iterator[None]:
    stop = threading.Event()
    working = threading.Thread(target=worker.run, args=(here, HANDLERS, stop), kwargs={"timers": ()})
    working.start()
    try:
        yield
    finally:
        stop.set()
        working.join()


def unmended(here: Installation) -> set[str]:
    with here.database.read() as session:
        return set(session.scalars(select(DamagedBlob.sha256).where(DamagedBlob.mended_ms.is_(None))))


def test_a_lesson_that_the_disk_damaged_is_whole_again_by_itself(
    make_installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here = opening.make_ready(make_installation(disk_spare_mb=0, scrub_mb_s=100).settings)
    lesson_uid, intent = flow.lesson_of(here)
    clip = clips.make(
        tmp_path / "clip.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=3", "-f", "lavfi", "-i", "sine=f=300:d=3",
        "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
    )
    flow.upload(here, intent, clip.read_bytes(), lambda **_fact: None)
    with worker_of(here):
        flow.follow(here, lesson_uid, intent.source_uid, 0)
        with here.database.read() as session:
            package_id = str(session.get_one(Lesson, lesson_uid).package_id)
            parts = {row.kind: row.sha256 for row in session.scalars(select(PartRow).where(PartRow.package_id == package_id))}
            made = {row.name: row.sha256 for row in session.scalars(select(Rendition))}
            source = session.get_one(Source, intent.source_uid).sha256
        assert source is not None

        rot(here, parts["index"])
        scrubbed(here)
        assert unmended(here) == set()  # bound again from rows, at once
        assert (here.packages_dir / package_id / parts["index"]).is_file()

        for name in ("aac", "v240"):
            rot(here, made[name])
        scrubbed(here)
        with here.database.read() as session:
            assert {row.state for row in session.scalars(select(flow.LadderStep))} == {"waiting", "done"}
        for _ in range(2):  # the floor first, then the picture whose file for saving takes its sound
            flow.follow(here, lesson_uid, intent.source_uid, 0)
            scrubbed(here)
        flow.follow(here, lesson_uid, intent.source_uid, 0)
    with here.database.read() as session:
        shown = holding.current(session, lesson_uid)
        assert shown is not None
        held = {row.held for row in session.scalars(select(PartRow).where(PartRow.package_id == shown.id))}
        assert held == {True}
        renditions = session.scalars(select(Rendition)).all()
        assert {row.name for row in renditions} == set(made)
        assert all(here.blobs.has(row.sha256) for row in renditions)
        newest = session.get_one(Lesson, lesson_uid).package_id
        assert session.get_one(PackageRow, newest).floor_held

    rot(here, source)
    scrubbed(here)
    with here.database.read() as session:
        assert [row.uid for row in mending.damaged_sources(session)] == [intent.source_uid]
    here.database.close()
