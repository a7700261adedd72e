"""The job that makes renditions of an arrived source."""

import io
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub.delivery import package
from eduhub.delivery.models import BlobRow
from eduhub.errors import EncodeFailed, EncodeInterrupted, JobCancelled, MediaRefused, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.media import prepare, probe, transcode, uploads
from eduhub.media.intents import UploadIntent
from eduhub.media.models import Rendition, Source
from eduhub.uids import new_uid
from tests.media import clips

Clip = Callable[[Callable[[Path], Path]], Path]
pytestmark = pytest.mark.ffmpeg


def arrived(installation: Installation, path: Path, then: dict[str, Any] | None = None) -> str:
    intent = UploadIntent(
        source_uid=new_uid(), org_uid=new_uid(), max_bytes=1 << 30, then=then, expires_steady_s=1000, language="bo",
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


def test_a_refusal_is_written_for_the_teacher_and_ends_the_job(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.hls_playlist))
    for _ in range(2):  # the second time as after a kill between the reason and the end of the job
        with pytest.raises(MediaRefused) as refused:
            prepare.run(context(installation), source_uid)
        assert (refused.value.retry, refused.value.facts) == (False, {"reason": probe.NOT_MEDIA})
    with installation.database.read() as session:
        source = session.get_one(Source, source_uid)
        assert source.state == "refused"
        assert source.refusal == {"code": "media.refused", "facts": {"reason": probe.NOT_MEDIA}}
    assert renditions(installation, source_uid) == {}
    assert work_folder_is_empty(installation)


def test_the_next_job_does_not_follow_a_refusal(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.hls_playlist), then={"kind": "next", "args": {}})
    with Worker(installation.settings.data_dir / "run") as worker:
        held = queue.claim(installation.database, worker, ["media.prepare"], 600)
        assert held is not None
        with pytest.raises(MediaRefused) as refused:
            prepare.run(context(installation), **held.args)
        with installation.database.write() as session:
            assert queue.fail(session, held, refused.value).state == "failed"
    with installation.database.read() as session:
        assert session.scalars(select(JobRow.kind)).all() == ["media.prepare"]
        assert session.get_one(Source, source_uid).state == "refused"


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


def test_an_encoder_that_says_no_is_a_final_answer_for_the_teacher(
    installation: Installation, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_uid = arrived(installation, clip(clips.silent))
    no_memory = transcode.jail.Limits(cpu_s=20, wall_s=60, memory_bytes=64 << 20, file_bytes=1 << 20)
    monkeypatch.setattr(transcode, "_limits", lambda _chosen: no_memory)
    for _ in range(2):
        with pytest.raises(EncodeFailed) as failed:
            prepare.run(context(installation), source_uid)
        assert not failed.value.retry
    assert work_folder_is_empty(installation)
    with installation.database.read() as session:
        source = session.get_one(Source, source_uid)
        assert (source.state, source.refusal) == ("refused", {"code": "media.encode_failed", "facts": {}})


def test_an_encoder_that_was_killed_by_somebody_else_is_tried_again(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.lesson))

    def kill_the_encoder(done: float) -> None:
        for pid in _encoders_below(installation.settings.data_dir / "work"):
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(EncodeInterrupted) as interrupted:
        prepare.run(context(installation, kill_the_encoder), source_uid)
    assert interrupted.value.retry
    with installation.database.read() as session:
        assert session.get_one(Source, source_uid).state == "arrived"


def _encoders_below(folder: Path) -> list[int]:
    """The processes that encode in a folder below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").readlink().is_relative_to(folder.resolve()) and b"libx264" in words:
                found.append(int(process.name))
    return found


def test_whoever_lost_the_work_to_another_worker_does_not_write_over_its_renditions(
    installation: Installation, clip: Clip
) -> None:
    source_uid = arrived(installation, clip(clips.silent))

    def another_is_quicker(done: float) -> None:
        if done == 1.0:
            with installation.database.write() as session:
                session.get_one(Source, source_uid).state = "prepared"

    prepare.run(context(installation, another_is_quicker), source_uid)
    assert renditions(installation, source_uid) == {}


def test_a_source_that_never_arrived_is_not_found(installation: Installation) -> None:
    with pytest.raises(NotFound):
        prepare.run(context(installation), new_uid())
