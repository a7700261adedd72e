"""A lesson becomes a package when its teacher wants it and its video is prepared, and once only."""

import json

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts.models import AuditEntry
from eduhub.courses import editing, publishing
from eduhub.courses.models import Lesson, LessonSource
from eduhub.delivery import catalog, holding
from eduhub.delivery.models import CatalogEntry, PackageRow, PartRow
from eduhub.delivery.package import Manifest
from eduhub.errors import NotFound
from eduhub.installation import Installation, JobContext
from eduhub.media.models import Rendition, Source
from eduhub.uids import new_uid
from tests.courses.conftest import House, add_lesson, arrive, prepare


@pytest.fixture
def lesson(installation: Installation, house: House) -> str:
    with installation.database.write() as session:
        return add_lesson(session, house.course)


def publish(installation: Installation, lesson: str, by: str | None = None) -> str | None:
    with installation.database.write() as session:
        row = publishing.publish(session, installation, lesson, by)
        return row.id if row is not None else None


def make_ready(installation: Installation, lesson: str, recording: str = "take 1", **how: str) -> None:
    with installation.database.write() as session:
        prepare(session, installation, lesson, recording, **how)


def run_job(installation: Installation, lesson: str) -> None:
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda done: None), lesson)


def look(installation: Installation, lesson: str) -> tuple[str, int, str | None, str]:
    with installation.database.read() as session:
        row = session.get_one(Lesson, lesson)
        return row.state, row.revision, row.package_id, row.timeline_uid


def entries(installation: Installation) -> list[tuple[str, dict]]:
    with installation.database.read() as session:
        rows = session.scalars(select(CatalogEntry).order_by(CatalogEntry.sequence)).all()
        return [(row.kind, json.loads(row.body)["body"]) for row in rows if row.kind != "key"]


def test_a_lesson_without_a_ready_video_waits_and_goes_out_when_it_is_prepared(installation, lesson, house):
    assert publish(installation, lesson, house.tashi) is None
    assert look(installation, lesson)[0] == "submitted"
    run_job(installation, lesson)
    assert look(installation, lesson)[0] == "submitted"
    make_ready(installation, lesson)
    run_job(installation, lesson)
    state, revision, package_id, timeline = look(installation, lesson)
    assert (state, revision) == ("published", 1)
    with installation.database.read() as session:
        row = session.get_one(PackageRow, package_id)
        manifest = Manifest.from_bytes(row.manifest)
        assert row.floor_held
        assert (manifest.lesson, manifest.timeline, manifest.titles, manifest.supersedes) == (
            lesson, timeline, {"zh": "水"}, None,
        )  # fmt: skip
        assert [part.name for part in manifest.parts if part.kind != "playlist"] == ["aac", "index", "stills", "v240"]
        assert manifest.duration_ms == 61_000
        parts = session.scalars(select(PartRow).where(PartRow.package_id == package_id)).all()
        assert all((installation.packages_dir / package_id / part.sha256).exists() for part in parts)
    assert (installation.packages_dir / package_id / package_id).read_bytes() == manifest.to_bytes()


def test_a_draft_whose_video_is_prepared_stays_a_draft_until_its_teacher_publishes(installation, lesson):
    make_ready(installation, lesson)
    run_job(installation, lesson)
    assert look(installation, lesson)[:3] == ("draft", 0, None)
    assert publish(installation, lesson) == look(installation, lesson)[2]


def test_a_refused_video_publishes_nothing(installation, lesson):
    publish(installation, lesson)
    with installation.database.write() as session:
        session.get_one(Source, arrive(session, lesson)).state = "refused"
    run_job(installation, lesson)
    assert look(installation, lesson)[:3] == ("submitted", 0, None)


def test_what_has_not_changed_makes_no_new_revision(installation, lesson):
    make_ready(installation, lesson)
    first = publish(installation, lesson)
    assert publish(installation, lesson) == first
    run_job(installation, lesson)
    assert look(installation, lesson)[1] == 1
    assert [kind for kind, _ in entries(installation)] == ["publish"]


def test_changed_texts_make_a_revision_that_supersedes_and_keeps_the_timeline(installation, lesson):
    make_ready(installation, lesson)
    first, timeline = publish(installation, lesson), look(installation, lesson)[3]
    with installation.database.write() as session:
        editing.change_lesson(session, lesson, titles={"zh": "水和冰", "bo": "ཆུ།"})
    second = publish(installation, lesson)
    assert second != first
    assert look(installation, lesson) == ("published", 2, second, timeline)
    kinds = entries(installation)
    assert [(kind, body["package"], body["supersedes"]) for kind, body in kinds] == [
        ("publish", first, None), ("supersede", second, first),
    ]  # fmt: skip
    with installation.database.read() as session:
        assert session.get_one(PackageRow, first).superseded_by == second
        current = holding.current(session, lesson)
        assert current is not None
        assert current.id == second


def test_another_recording_goes_out_by_itself_on_a_timeline_of_its_own(installation, lesson):
    make_ready(installation, lesson)
    publish(installation, lesson)
    timeline = look(installation, lesson)[3]
    make_ready(installation, lesson, "take 2")
    run_job(installation, lesson)
    state, revision, _, new_timeline = look(installation, lesson)
    assert (state, revision) == ("published", 2)
    assert new_timeline != timeline
    with installation.database.read() as session:
        replaced = session.scalars(select(LessonSource.replaced_on).order_by(LessonSource.uid)).all()
    assert [day is not None for day in replaced] == [True, False]


def test_a_recording_that_was_sent_before_a_wrong_clock_was_set_right_is_still_the_older_one(installation, lesson):
    clock.freeze(4_070_908_800_000)
    make_ready(installation, lesson)
    publish(installation, lesson)
    clock.freeze(1_795_000_000_000)
    with installation.database.write() as session:
        second = prepare(session, installation, lesson, "take 2")
    run_job(installation, lesson)
    assert look(installation, lesson)[1] == 2
    with installation.database.read() as session:
        used = session.scalars(select(LessonSource.source_uid).where(LessonSource.replaced_on.is_(None))).all()
        package = session.scalars(select(PackageRow).where(PackageRow.revision == 2)).one()
        manifest = Manifest.from_bytes(package.manifest)
        parts = {part.sha256 for part in manifest.parts if part.kind in ("video", "audio", "stills")}
        made = set(session.scalars(select(Rendition.sha256).where(Rendition.source_uid == second)))
    assert (used, parts) == ([second], made)


def test_a_master_follows_a_light_copy_of_the_same_recording_on_the_same_timeline(installation, lesson):
    make_ready(installation, lesson, "light", purpose="light")
    publish(installation, lesson)
    timeline = look(installation, lesson)[3]
    make_ready(installation, lesson, "master")
    run_job(installation, lesson)
    assert look(installation, lesson)[1] == 2
    assert look(installation, lesson)[3] == timeline


def test_a_file_that_was_announced_and_never_came_changes_nothing(installation, lesson):
    make_ready(installation, lesson)
    first = publish(installation, lesson)
    with installation.database.write() as session:
        editing.attach_source(session, lesson_uid=lesson, source_uid=new_uid(), language="zh")
    assert publish(installation, lesson) == first


def test_a_withdrawn_lesson_is_shown_no_more_and_can_come_back_as_a_new_revision(installation, lesson, house):
    make_ready(installation, lesson)
    first = publish(installation, lesson)
    for _ in range(2):
        with installation.database.write() as session:
            publishing.withdraw(session, installation, lesson, house.tashi)
    assert look(installation, lesson)[:3] == ("withdrawn", 1, first)
    run_job(installation, lesson)
    assert look(installation, lesson)[0] == "withdrawn"
    with installation.database.read() as session:
        assert holding.current(session, lesson) is None
    again = publish(installation, lesson)
    assert look(installation, lesson)[:3] == ("published", 2, again)
    assert [(kind, body["revision"]) for kind, body in entries(installation)] == [
        ("publish", 1), ("withdraw", 1), ("supersede", 2),
    ]  # fmt: skip


def test_taking_back_what_never_went_out_makes_it_a_draft_and_says_nothing_to_anybody(installation, lesson):
    publish(installation, lesson)
    with installation.database.write() as session:
        publishing.withdraw(session, installation, lesson, None)
    assert look(installation, lesson)[0] == "draft"
    assert entries(installation) == []


def test_a_publish_that_fails_half_way_leaves_no_row_and_works_the_second_time(installation, lesson, monkeypatch):
    make_ready(installation, lesson)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "sign_head", cut)
        with pytest.raises(KeyboardInterrupt):
            publish(installation, lesson)
    assert look(installation, lesson)[:3] == ("draft", 0, None)
    assert publish(installation, lesson) is not None
    with installation.database.read() as session:
        assert len(session.scalars(select(PackageRow)).all()) == 1


def test_the_catalog_entry_lets_a_box_decide_without_the_manifest(installation, lesson, house):
    with installation.database.write() as session:
        editing.change_course(session, house.course, audience="listed", listed_org_uids=[house.nyima])
    make_ready(installation, lesson)
    package_id = publish(installation, lesson)
    ((kind, body),) = entries(installation)
    assert kind == "publish"
    assert (body["package"], body["org"], body["audience"], body["listed"]) == (
        package_id, house.shuanghu, "listed", [house.nyima],
    )  # fmt: skip
    assert 0 < body["floor_bytes"] < body["total_bytes"]


def test_publishing_and_withdrawing_are_in_the_audit_log(installation, lesson, house):
    publish(installation, lesson, house.tashi)
    with installation.database.write() as session:
        publishing.withdraw(session, installation, lesson, house.pema)
    with installation.database.read() as session:
        noted = session.execute(
            select(AuditEntry.action, AuditEntry.by_uid, AuditEntry.subject_uid).order_by(AuditEntry.uid)
        ).all()
    assert [tuple(row) for row in noted] == [
        ("lesson.publish", house.tashi, lesson), ("lesson.withdraw", house.pema, lesson),
    ]  # fmt: skip


def test_a_lesson_that_is_not_there_cannot_be_published(installation, house):
    with pytest.raises(NotFound):
        publish(installation, new_uid())
    run_job(installation, new_uid())  # its job has nothing to do and must not fail for ever
