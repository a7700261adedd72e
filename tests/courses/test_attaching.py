"""Worksheets and pictures are announced, sent, checked, and stand beside the lesson from its next revision on."""

import pytest

from eduhub.courses import attaching, forgetting, materials, publishing
from eduhub.courses.models import Lesson
from eduhub.delivery import blobs
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest, Part
from eduhub.errors import AttachmentRefused, BadInput, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.media import attachments
from eduhub.media.models import Source
from eduhub.uids import new_uid
from tests.courses.conftest import House, add_lesson, prepare
from tests.media.test_attachments import PDF, picture


@pytest.fixture
def lesson(installation: Installation, house: House) -> str:
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        prepare(session, installation, uid)
        publishing.publish(session, installation, uid, None)
    return uid


def announce(installation: Installation, lesson: str, audience: str = "learner", title: str = "作业") -> tuple[str, str]:
    with installation.database.write() as session:
        row = attaching.announce(session, lesson, title=title, language="zh", audience=audience)
        return row.uid, row.source_uid


def send(installation: Installation, source_uid: str, payload: bytes) -> None:
    """The file arrives and is checked, and the job that follows publishes."""
    blob = installation.blobs.put_bytes(payload)
    with installation.database.write() as session:
        blobs.remember(session, blob)
        session.add(Source(
            uid=source_uid, org_uid=new_uid(), file_name="a.pdf", language="zh", state="arrived", sha256=blob.sha256,
            bytes=blob.bytes, made_ms=0,
        ))  # fmt: skip
    attachments.run(context(installation), source_uid)


def context(installation: Installation) -> JobContext:
    return JobContext(installation, new_uid(), lambda done: None)


def attached(installation: Installation, lesson: str) -> list[Part]:
    publishing.publish_if_ready(context(installation), lesson)
    with installation.database.read() as session:
        row = session.get_one(PackageRow, session.get_one(Lesson, lesson).package_id)
        return [part for part in Manifest.from_bytes(row.manifest).parts if part.kind == "attachment"]


def test_a_checked_file_is_a_part_with_its_title_and_audience(installation, lesson):
    uid, source_uid = announce(installation, lesson, "teacher")
    assert attached(installation, lesson) == []
    send(installation, source_uid, PDF)
    part = attached(installation, lesson)[0]
    assert (part.name, part.type, part.audience, part.language, part.extra) == (
        f"attachment-{uid}", "application/pdf", "teacher", "zh", {"title": "作业"},
    )  # fmt: skip
    assert not part.floor


def test_a_large_picture_has_its_measures_and_its_piece_list(installation, lesson):
    _uid, source_uid = announce(installation, lesson)
    send(installation, source_uid, picture("PNG", (600, 300)))
    part = attached(installation, lesson)[0]
    assert (part.width, part.height, part.type) == (600, 300, "image/png")
    with installation.database.read() as session:
        assert part.pieces in materials.blobs_in_use(session)


def test_a_refused_file_is_no_part_and_stops_nothing(installation, lesson):
    _uid, source_uid = announce(installation, lesson)
    with pytest.raises(AttachmentRefused):
        send(installation, source_uid, b"<html>")
    assert attached(installation, lesson) == []


def test_a_dropped_file_is_gone_from_the_next_revision_and_forgotten_in_time(installation, lesson):
    uid, source_uid = announce(installation, lesson)
    send(installation, source_uid, PDF)
    assert attached(installation, lesson)
    forget(installation, source_uid)
    with installation.database.write() as session:
        assert session.get_one(Source, source_uid).state == "checked"
        attaching.drop(session, lesson, uid)
        attaching.drop(session, lesson, uid)
    assert attached(installation, lesson) == []
    forget(installation, source_uid)
    with installation.database.read() as session:
        source = session.get_one(Source, source_uid)
        assert (source.state, source.sha256, source.bytes) == ("forgotten", None, None)
        assert materials.blobs_in_use(session) == set()


def forget(installation: Installation, source_uid: str) -> None:
    for now_s in (100, 300):
        with installation.database.write() as session:
            forgetting.forget(session, source_uid, now_steady_s=now_s, after_s=100)


def test_only_so_many_and_only_for_somebody_there_is(installation, house, lesson):
    for _number in range(attaching.MOST):
        uid, _source_uid = announce(installation, lesson)
    for wrong in ({}, {"audience": "parents"}, {"title": " "}):
        with pytest.raises(BadInput):
            announce(installation, lesson, **wrong)
    with installation.database.write() as session:
        other = add_lesson(session, house.course)
        with pytest.raises(NotFound):
            attaching.drop(session, other, uid)
