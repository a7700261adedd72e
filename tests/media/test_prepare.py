"""The jobs that make a ladder of an arrived source: the floor, then each picture by itself."""

import io
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from eduhub.delivery import package
from eduhub.delivery.models import BlobRow
from eduhub.errors import DiskFull, EncodeFailed, EncodeInterrupted, JobCancelled, LeaseLost, MediaRefused, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.media import encode_step, ladders, prepare, probe, transcode, uploads
from eduhub.media.intents import UploadIntent
from eduhub.media.models import LadderRow, LadderStep, Rendition, Source
from eduhub.media.recipes import WHOLE
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


def steps(installation: Installation, source_uid: str) -> dict[str, str]:
    """The state of each step of the newest ladder, as a page shows it."""
    with installation.database.read() as session:
        view = ladders.view(session, source_uid)
        return {step.name: step.state for step in view.steps} if view is not None else {}


def state(installation: Installation, source_uid: str) -> str:
    with installation.database.read() as session:
        return session.get_one(Source, source_uid).state


def encode(installation: Installation, source_uid: str, step: str) -> None:
    encode_step.run(context(installation), source_uid, WHOLE.as_json(), step)


def test_every_rendition_is_a_blob_and_a_part_that_a_manifest_accepts(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.flash_and_beep))
    seen: list[float] = []
    prepare.run(context(installation, seen.append), source_uid)
    assert set(renditions(installation, source_uid)) == {"aac", "opus", "stills", "poster", "strip"}
    assert steps(installation, source_uid) == {"floor": "done", "v240": "waiting", "v360": "waiting", "v720": "waiting"}
    for step in ("v720", "v240"):  # in any order, by whoever takes them
        encode(installation, source_uid, step)
    made = renditions(installation, source_uid)
    assert set(made) == {"v240", "v720", "aac", "opus", "stills", "poster", "strip", "download"}
    for row in made.values():
        part = package.Part.from_json(row.facts)
        path = installation.blobs.path(row.sha256)
        assert (part.sha256, part.bytes) == (row.sha256, path.stat().st_size)
        if part.pieces:
            assert installation.blobs.path(part.pieces).read_bytes() == package.piece_list(path)
        with installation.database.read() as session:
            assert session.get_one(BlobRow, row.sha256).bytes == part.bytes
    assert made["aac"].facts["language"] == "bo"
    assert {name: row.step for name, row in made.items()}["download"] == "v240"
    assert {name for name, row in made.items() if row.facts["floor"]} == {"stills", "poster", "aac"}
    with installation.database.read() as session:
        source, ladder = session.get_one(Source, source_uid), session.get_one(LadderRow, (source_uid, WHOLE.id))
        assert (source.state, ladder.floor_ready, ladder.duration_ms) == ("prepared", True, 10_000)
        assert source.probe is not None
        assert source.probe["duration_ms"] == 10_000
        assert all(step.took_ms for step in ladders.steps_of(session, source_uid, WHOLE.id) if step.state == "done")
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert work_folder_is_empty(installation)


def test_running_it_twice_changes_nothing(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.silent))
    prepare.run(context(installation), source_uid)
    encode(installation, source_uid, "v240")
    first = {name: row.sha256 for name, row in renditions(installation, source_uid).items()}
    assert "download" in first
    prepare.run(context(installation), source_uid)
    encode(installation, source_uid, "v240")
    assert {name: row.sha256 for name, row in renditions(installation, source_uid).items()} == first
    with installation.database.read() as session:
        kinds = session.scalars(select(JobRow.kind)).all()
    assert sorted(kinds) == ["media.encode"] * 3 + ["media.prepare"]


def test_a_refusal_is_written_for_the_teacher_and_ends_the_job(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.hls_playlist))
    for _ in range(2):  # the second time as after a kill between the reason and the end of the job
        with pytest.raises(MediaRefused) as refused:
            prepare.run(context(installation), source_uid)
        assert (refused.value.retry, refused.value.facts) == (False, {"reason": probe.NOT_MEDIA})
    with installation.database.write() as session:
        source = session.get_one(Source, source_uid)
        assert source.state == "refused"
        assert source.refusal == {"code": "media.refused", "facts": {"reason": probe.NOT_MEDIA}}
        with pytest.raises(MediaRefused):
            ladders.try_again(session, source_uid, WHOLE.id, "floor")
    assert steps(installation, source_uid) == {"floor": "failed"}
    assert renditions(installation, source_uid) == {}
    assert work_folder_is_empty(installation)


def test_the_next_job_does_not_follow_a_refusal(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.hls_playlist), then={"kind": "next", "args": {}})
    with Worker(installation.settings.data_dir / "run") as worker:
        held = queue.claim(installation.database, worker, ["media.prepare"], 600)
        assert held is not None
        with pytest.raises(MediaRefused) as refused:
            prepare.run(JobContext(installation, held.uid, lambda done: None, held.attempt), **held.args)
        with installation.database.write() as session:
            assert queue.fail(session, held, refused.value).state == "failed"
    with installation.database.read() as session:
        assert session.scalars(select(JobRow.kind)).all() == ["media.prepare"]
    assert state(installation, source_uid) == "refused"


def test_a_cancelled_job_stops_the_encoder_and_leaves_nothing(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.lesson))

    def cancelled(done: float) -> None:
        if done > 0:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        prepare.run(context(installation, cancelled), source_uid)
    assert renditions(installation, source_uid) == {}
    assert work_folder_is_empty(installation)
    assert state(installation, source_uid) == "arrived"


def test_a_floor_that_fails_is_told_and_can_be_tried_again(
    installation: Installation, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_uid = arrived(installation, clip(clips.silent))
    no_memory = transcode.jail.Limits(cpu_s=20, wall_s=60, memory_bytes=64 << 20, file_bytes=1 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(transcode, "_limits", lambda *_: no_memory)
        for _ in range(2):
            with pytest.raises(EncodeFailed) as failed:
                prepare.run(context(installation), source_uid)
            assert not failed.value.retry
    assert work_folder_is_empty(installation)
    with installation.database.write() as session:
        source, view = session.get_one(Source, source_uid), ladders.view(session, source_uid)
        assert (source.state, source.refusal) == ("arrived", None)
        assert source.probe is not None
        assert view is not None
        assert [(step.name, step.state, step.error) for step in view.steps] == [
            ("floor", "failed", {"code": "media.encode_failed", "facts": {}}),
        ]  # fmt: skip
        ladders.try_again(session, source_uid, view.recipe_id, "floor")
    assert steps(installation, source_uid) == {"floor": "waiting"}
    prepare.run(context(installation), source_uid)
    assert state(installation, source_uid) == "prepared"


def test_one_failed_picture_neither_stops_the_others_nor_undoes_them(
    installation: Installation, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_uid = arrived(installation, clip(clips.silent))
    prepare.run(context(installation), source_uid)
    too_little = transcode.jail.Limits(cpu_s=20, wall_s=60, memory_bytes=64 << 20, file_bytes=1 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(transcode, "_limits", lambda *_: too_little)
        with pytest.raises(EncodeFailed):
            encode(installation, source_uid, "v360")
    encode(installation, source_uid, "v240")
    assert steps(installation, source_uid) == {"floor": "done", "v240": "done", "v360": "failed", "v720": "waiting"}
    before = renditions(installation, source_uid)
    with installation.database.write() as session:
        ladders.try_again(session, source_uid, WHOLE.id, "v360")
    encode(installation, source_uid, "v360")
    after = renditions(installation, source_uid)
    assert set(after) - set(before) == {"v360"}
    assert steps(installation, source_uid)["v360"] == "done"


def test_an_encoder_that_was_killed_by_somebody_else_is_tried_again(installation: Installation, clip: Clip) -> None:
    source_uid = arrived(installation, clip(clips.lesson))

    def kill_the_encoder(done: float) -> None:
        for pid in _encoders_below(installation.settings.data_dir / "work"):
            os.kill(pid, signal.SIGKILL)

    prepare.run(context(installation), source_uid)
    with pytest.raises(EncodeInterrupted) as interrupted:
        encode_step.run(context(installation, kill_the_encoder), source_uid, WHOLE.as_json(), "v720")
    assert interrupted.value.retry
    assert steps(installation, source_uid)["v720"] == "waiting"
    assert "v720" not in renditions(installation, source_uid)


def test_a_full_disk_is_said_before_anything_is_encoded_and_fails_no_step(
    installation: Installation, clip: Clip
) -> None:
    source_uid = arrived(installation, clip(clips.silent))
    full = replace(installation, settings=replace(installation.settings, disk_spare_mb=1 << 40))
    with pytest.raises(DiskFull):
        prepare.run(context(full), source_uid)
    assert steps(installation, source_uid) == {"floor": "waiting"}
    assert work_folder_is_empty(installation)


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
    with Worker(installation.settings.data_dir / "run") as worker, Worker(installation.settings.data_dir / "run") as other:
        slow = queue.claim(installation.database, worker, ["media.prepare"], 600)
        assert slow is not None

        def another_takes_over(done: float) -> None:
            if done == 1.0:
                with installation.database.write() as session:
                    session.get_one(JobRow, slow.uid).lease_until_ms = 0
                assert queue.claim(installation.database, other, ["media.prepare"], 600) is not None

        with pytest.raises(LeaseLost):
            prepare.run(JobContext(installation, slow.uid, another_takes_over, slow.attempt), **slow.args)
    assert renditions(installation, source_uid) == {}
    assert steps(installation, source_uid) == {"floor": "running"}
    assert state(installation, source_uid) == "arrived"


def test_a_job_that_waited_since_the_last_release_knows_no_recipe_and_is_done_all_the_same(
    installation: Installation, clip: Clip
) -> None:
    then = {"kind": "next", "args": {}}
    source_uid = arrived(installation, clip(clips.silent), then)
    with installation.database.write() as session:
        for table in (LadderRow, LadderStep):
            session.execute(delete(table))
        job = session.scalars(select(JobRow)).one()
        job.args = {"source_uid": source_uid}
    prepare.run(JobContext(installation, job.uid, lambda done: None), source_uid)
    assert state(installation, source_uid) == "prepared"
    with installation.database.read() as session:
        others = session.scalars(select(JobRow).where(JobRow.kind == "media.encode").order_by(JobRow.priority)).all()
        assert [(row.args["step"], row.priority, row.then) for row in others] == [
            (step, priority, then | {"always": True}) for step, priority in (("v240", 55), ("v360", 60), ("v720", 70))
        ]


def test_a_source_that_never_arrived_is_not_found(installation: Installation) -> None:
    with pytest.raises(NotFound):
        prepare.run(context(installation), new_uid())
