"""What a teacher adds beside the video reaches the schools by itself, and nothing of the video is sent again for it."""

from sqlalchemy import select

from eduhub.courses import attaching, captions, chapters, editing, materials, publishing
from eduhub.courses.chapters import Chapter
from eduhub.courses.models import Lesson, LessonCaptions
from eduhub.delivery import blobs, holding
from eduhub.delivery.models import PartRow
from eduhub.delivery.package import Manifest
from eduhub.installation import Installation, JobContext
from eduhub.media import attachments
from eduhub.media.models import Source
from eduhub.uids import new_uid
from tests.courses.conftest import prepare
from tests.media.test_attachments import PDF
from tests.sync.world import Hub

VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nཆུ་ལ་འཁྱགས་པ་གཡེང་།\n".encode()


def held(box: Installation, package_id: str) -> set[str]:
    with box.database.read() as session:
        return set(session.scalars(select(PartRow.kind).where(PartRow.package_id == package_id, PartRow.held)))


def test_captions_chapters_and_a_worksheet_reach_a_box_in_the_next_round(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    with hub.here.database.write() as session:
        lesson = editing.add_lesson(session, course_uid=course, titles={"bo": "ཆུ།"}, language="bo").uid
        prepare(session, hub.here, lesson)
        publishing.publish(session, hub.here, lesson, None)
    hub.join(box, school)
    hub.sync(box)
    first = set(hub.wire.delivered)
    with hub.here.database.write() as session:
        materials.set_captions(session, hub.here.blobs, lesson, "bo", VTT)
        materials.set_chapters(session, lesson, "bo", [Chapter(0, "ཆུ།")])
        sheet = attaching.announce(session, lesson, title="Sheet", language="bo", audience="learner")
        blob = hub.here.blobs.put_bytes(PDF)
        blobs.remember(session, blob)
        session.add(Source(
            uid=sheet.source_uid, org_uid=sheet.org_uid, file_name="a", language="bo", state="arrived", sha256=blob.sha256,
            bytes=blob.bytes, made_ms=0,
        ))  # fmt: skip
        source_uid = sheet.source_uid
    context = JobContext(hub.here, new_uid(), lambda done: None)
    attachments.run(context, source_uid)
    publishing.publish_if_ready(context, lesson)
    hub.sync(box)
    with box.database.read() as session:
        row = holding.current(session, lesson)
        assert row is not None
        assert row.revision == 2
        manifest = Manifest.from_bytes(row.manifest)
        assert session.get_one(Lesson, lesson).package_id == row.id
        assert session.scalars(select(LessonCaptions)).all() == []  # the rows stay at the hub
    assert chapters.in_manifest(manifest.extra) == {"bo": (Chapter(0, "ཆུ།"),)}
    assert {"captions", "attachment"} <= held(box, row.id)
    parts = {part.kind: box.packages_dir / row.id / part.sha256 for part in manifest.parts}
    assert captions.parse(parts["captions"].read_bytes()) == captions.parse(VTT)
    assert parts["attachment"].read_bytes() == PDF
    sent = {path.rsplit("/", 1)[1] for path in set(hub.wire.delivered) - first if path.startswith("/p/")}
    assert sent == {row.id, parts["captions"].name, parts["attachment"].name}
