"""The job that makes renditions of an arrived source."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub.delivery import package
from eduhub.delivery.models import BlobRow
from eduhub.errors import EncodeFailed, JobCancelled, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.media import prepare, probe, transcode, uploads
from eduhub.media.intents import UploadIntent
from eduhub.media.models import Rendition, Source
from eduhub.uids import new_uid
from tests.media import clips

Clip = Callable[[Callable[[Path], Path]], Path]
pytestmark = pytest.mark.ffmpeg


def arrived(installation: Installation, path: Path) -> str:
    intent = UploadIntent(
        source_uid=new_uid(), org_uid=new_uid(), max_bytes=1 << 30, then=None, expires_steady_s=1000, language="bo",
        back="/",
    )  # fmt: skip
    return uploads.receive(installation, intent, io.BytesIO(path.read_bytes()), path.name).uid


def context(installation: Installation, progress: Callable[[float], None] = lambda _done: None) -> JobContext:
    return JobContext(installation, new_uid(), progress)


def renditions(installation: Installation, source_uid: str) -> dict[str, Rendition]:
    with installation.database.read() as session:
        found = session.scalars(select(Rendition).where(Rendition.source_uid == source_uid))
        return {row.name: row for row in found}


def work_folder_is_empty(installation: Installation) -> bool:
    return not any((installation.settings.data_dir / "work").iterdir())


def test_every_rendition_is_a_blob_and_a_part_that_a_manifest_accepts(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.flash_and_beep))
    seen: list[float] = []
    prepare.run(context(installation, seen.append), source_uid)
    made = renditions(installation, source_uid)
    assert {"v240", "v360", "v720", "aac", "opus", "stills", "poster", "index", "master.m3u8", "download"} <= set(made)
    for row in made.values():
        part = package.Part.from_json(row.facts)
        path = installation.blobs.path(row.sha256)
        assert (part.sha256, part.bytes) == (row.sha256, path.stat().st_size)
        if part.pieces:
            assert installation.blobs.path(part.pieces).read_bytes() == package.piece_list(path)
        with installation.database.read() as session:
            assert session.get_one(BlobRow, row.sha256).bytes == part.bytes
    assert made["aac"].facts["language"] == "bo"
    assert {name for name, row in made.items() if row.facts["floor"]} == {"index", "stills", "poster", "aac"}
    with installation.database.read() as session:
        source = session.get_one(Source, source_uid)
        assert source.state == "prepared"
        assert source.probe is not None
        assert source.probe["duration_ms"] == 10_000
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert work_folder_is_empty(installation)


def test_running_it_twice_changes_nothing(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.silent))
    prepare.run(context(installation), source_uid)
    first = {name: row.sha256 for name, row in renditions(installation, source_uid).items()}
    prepare.run(context(installation), source_uid)
    with installation.database.write() as session:  # as if it had been killed before the last transaction
        session.get_one(Source, source_uid).state = "arrived"
    prepare.run(context(installation), source_uid)
    assert {name: row.sha256 for name, row in renditions(installation, source_uid).items()} == first


def test_a_refusal_is_written_for_the_teacher_and_is_not_a_failure(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.hls_playlist))
    prepare.run(context(installation), source_uid)
    with installation.database.read() as session:
        source = session.get_one(Source, source_uid)
        assert source.state == "refused"
        assert source.refusal == {"code": "media.refused", "facts": {"reason": probe.NOT_MEDIA}}
    assert renditions(installation, source_uid) == {}
    assert work_folder_is_empty(installation)


def test_a_cancelled_job_stops_the_encoder_and_leaves_nothing(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.lesson))

    def cancelled(done: float) -> None:
        if done > 0:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        prepare.run(context(installation, cancelled), source_uid)
    assert renditions(installation, source_uid) == {}
    assert work_folder_is_empty(installation)
    with installation.database.read() as session:
        assert session.get_one(Source, source_uid).state == "arrived"


def test_an_encoder_that_fails_is_an_error_that_may_be_tried_again(
    installation: Installation, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_uid = arrived(installation, clip(clips.silent))
    no_memory = transcode.jail.Limits(cpu_s=20, wall_s=60, memory_bytes=64 << 20, file_bytes=1 << 20)
    monkeypatch.setattr(transcode, "_limits", lambda _chosen: no_memory)
    with pytest.raises(EncodeFailed) as failed:
        prepare.run(context(installation), source_uid)
    assert failed.value.retry
    assert work_folder_is_empty(installation)


def test_a_source_that_never_arrived_is_not_found(installation: Installation) -> None:
    with pytest.raises(NotFound):
        prepare.run(context(installation), new_uid())
