"""Tenzin looks at the work: what runs, waits and failed, who works, and how much room each school has."""

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub import clock
from eduhub.installation import Installation
from eduhub.jobs import queue, workers
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.media import quotas
from eduhub.sync.models import Node, NodeContact
from eduhub.uids import new_uid
from eduhub.web.operator import work
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


def waiting_job(installation: Installation, world: World) -> str:
    with installation.database.write() as session:
        job = queue.enqueue(
            session, "courses.publish_if_ready", {"lesson_uid": world.draft}, org_uid=world.school, expected_s=90
        )
        return job.uid


def test_tenzin_sees_what_waits_for_whom_and_stops_it(browser: Browser, world: World, installation: Installation) -> None:
    uid = waiting_job(installation, world)
    tenzin = browser().sign_in("tenzin")
    page = tenzin.get("/operator/work").text
    for word in ("Publish a lesson", "Steam", "Shuanghu school", "No worker is running"):
        assert word in page
    assert tenzin.post(f"/operator/jobs/{uid}/stop", page="/operator/work").status_code == 303
    with installation.database.read() as session:
        assert session.get_one(JobRow, uid).state == "cancelled"
    assert tenzin.post(f"/operator/jobs/{uid}/again", page="/operator/work").status_code == 303
    with installation.database.read() as session:
        assert [job.state for job in session.query(JobRow).order_by(JobRow.uid)] == ["cancelled", "waiting"]


def test_a_job_that_waits_is_not_done_twice(browser: Browser, world: World, installation: Installation) -> None:
    uid = waiting_job(installation, world)
    assert browser().sign_in("tenzin").post(f"/operator/jobs/{uid}/again", page="/operator/work").status_code == 404


def test_a_worker_at_work_is_named_with_its_machine(browser: Browser, world: World, installation: Installation) -> None:
    with Worker(installation.settings.data_dir / "run") as worker:
        with installation.database.write() as session:
            workers.seen(session, worker)
        page = browser().sign_in("tenzin").get("/operator/work").text
    assert "at work" in page
    assert "No worker is running" not in page


def test_tenzin_gives_a_school_more_room(browser: Browser, world: World, installation: Installation) -> None:
    tenzin = browser().sign_in("tenzin")
    path = f"/operator/schools/{world.school}/room"
    assert tenzin.post(path, {"room_mb": "700000"}, page=path).status_code == 303
    with installation.database.read() as session:
        assert quotas.of(session, installation, world.school).bytes == 700_000 * 1_000_000
    refused = tenzin.post(path, {"room_mb": "much"}, page=path)
    assert refused.status_code == 400


@pytest.mark.parametrize("name", ["pema", "tashi", "norbu"])
def test_nobody_else_sees_or_changes_the_work(browser: Browser, world: World, installation: Installation, name: str) -> None:
    uid = waiting_job(installation, world)
    reader = browser().sign_in(name)
    assert reader.get("/operator/work").status_code == 403
    assert reader.get(f"/operator/schools/{world.school}/room").status_code == 403
    for path in (f"/operator/jobs/{uid}/stop", f"/operator/jobs/{uid}/again"):
        assert reader.post(path, page="/card").status_code == 403
    with installation.database.read() as session:
        assert session.get_one(JobRow, uid).state == "waiting"


def test_what_was_never_made_does_not_break_the_page(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.write() as session:
        job = queue.enqueue(session, "media.encode", {"source_uid": "gone", "recipe": None, "step": "v360"})
        job.state, job.ended_ms, job.error_code = "failed", clock.now_ms(), "media.encode_failed"
    assert "Video, 360 lines" in browser().sign_in("tenzin").get("/operator/work").text


def test_files_that_go_while_the_disk_is_looked_at_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "stays").write_bytes(b"x" * 5000)
    with (tmp_path / "sparse").open("wb") as early_look:
        early_look.truncate(1 << 30)
    is_over = threading.Event()

    def encode() -> None:
        while not is_over.is_set():
            with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
                for number in range(50):
                    (Path(folder) / str(number)).touch()

    encoder = threading.Thread(target=encode)
    encoder.start()
    try:
        sizes = [work._size(tmp_path) for _ in range(300)]
    finally:
        is_over.set()
        encoder.join()
    assert all(5000 <= size < 1 << 20 for size in sizes)


def test_tenzin_sees_the_boxes_that_need_somebody_first(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.write() as session:
        for name, ago_days in (("alpha", 0), ("beta", 9), ("gamma", 0)):
            node = Node(
                org_uid=world.school, site_uid=new_uid(), name=name, signing_public="", sealing_public="", certificate={},
                revoked_on="2026-11-01" if name == "gamma" else None,
            )  # fmt: skip
            session.add(node)
            session.flush()
            called_ms = clock.now_ms() - ago_days * 24 * 3600 * 1000
            session.add(NodeContact(
                node_uid=node.uid, last_ms=called_ms, version="0.4", stream_sequence=0, catalog_sequence=0, disk_full_ms=None
            ))  # fmt: skip
    page = browser().sign_in("tenzin").get("/operator").text
    # A box that is shut out needs nobody any more.
    assert page.index("beta") < page.index("alpha") < page.index("gamma") < page.index("Schools</h2>")
