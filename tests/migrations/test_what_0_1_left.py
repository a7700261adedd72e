"""A hub that 0.1 left behind goes on: its lessons are as they were, and publishing one again gives the same bytes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import alembic.command
import pytest
from sqlalchemy import MetaData, Table, insert, select
from sqlalchemy.orm import Session

from eduhub.courses import editing, publishing
from eduhub.courses.models import Course, Lesson, LessonSource
from eduhub.delivery import catalog, keys, package, published
from eduhub.delivery.chain import Entry
from eduhub.delivery.models import CatalogEntry, PackageRow
from eduhub.delivery.package import Manifest, Part
from eduhub.installation import Installation, JobContext, open_installation
from eduhub.jobs.models import JobRow
from eduhub.media import ladders
from eduhub.media.models import LadderRow, Rendition, Source
from eduhub.media.recipes import WHOLE
from eduhub.ops import migrate
from eduhub.schools import organisations
from eduhub.uids import new_uid

# What 0.1.0 made of 31.5 s of a red and a blue slide, in silence: its parts by their names, and their facts.
LEFT = Path(__file__).parent / "left_by_0_1"
FACTS: dict[str, Any] = json.loads((LEFT / "left.json").read_text(encoding="utf-8"))


@pytest.fixture
def hub(make_settings: Any) -> Iterator[Installation]:
    """A hub at the tables of 0.1."""
    installation = open_installation(make_settings(empty_database=True))
    migrate._run(installation.database, lambda config: alembic.command.upgrade(config, "0001"))
    yield installation
    installation.database.close()


def left_behind(hub: Installation, *, published: bool) -> tuple[str, str]:
    """A lesson and its prepared recording, as 0.1 wrote them; returns the uids of both."""
    tables = MetaData()
    tables.reflect(hub.database.engine, only=("source", "rendition", "blob", "package", "part", "course"))
    rows, source_uid = tables.tables, new_uid()
    with hub.database.write() as session:
        keys.make_hub_keys(session, hub.keys)
        school = organisations.add(session, kind="school", names={"zh": "双湖小学"}).uid
        # Written by hand: today's course has columns that 0.1 did not know.
        course = Course(uid=new_uid(), org_uid=school, titles={"zh": "科学"}, audience="own", listed_org_uids=None)
        session.execute(insert(rows["course"]).values(
            uid=course.uid, org_uid=school, titles=course.titles, audience=course.audience, listed_org_uids=None
        ))  # fmt: skip
        lesson = Lesson(
            org_uid=school, course_uid=course.uid, unit_uid=None, position=1, titles={"zh": "水"}, texts={}, language="zh",
            state="draft", timeline_uid=new_uid(), edit_list=None, revision=0, package_id=None,
        )  # fmt: skip
        session.add(lesson)
        session.flush()
        session.add(LessonSource(
            org_uid=school, lesson_uid=lesson.uid, source_uid=source_uid, purpose="master", language="bo", replaced_on=None,
        ))  # fmt: skip
        session.execute(insert(rows["source"]).values(
            uid=source_uid, org_uid=school, file_name="lecture.mp4", language="bo", state="prepared", sha256="0" * 64,
            bytes=9, probe=FACTS["probe"], made_ms=1,
        ))  # fmt: skip
        for part in FACTS["parts"]:
            hub.blobs.put_bytes((LEFT / part["sha256"]).read_bytes())
            session.execute(insert(rows["rendition"]).values(
                source_uid=source_uid, name=part["name"], sha256=part["sha256"], facts=part, made_ms=1
            ))  # fmt: skip
        for sha256, size in {part["sha256"]: part["bytes"] for part in FACTS["parts"]}.items():
            session.execute(insert(rows["blob"]).values(sha256=sha256, bytes=size, stored_ms=1, verified_ms=1))
        if published:
            _publish(session, hub, lesson, course, rows)
        return lesson.uid, source_uid


def _publish(session: Session, hub: Installation, lesson: Lesson, course: Course, rows: Mapping[str, Table]) -> None:
    parts = sorted(FACTS["parts"], key=lambda part: str(part["name"]))
    written = Manifest(
        hub=keys.keyring(session).hub_uid, lesson=lesson.uid, course=course.uid, org=lesson.org_uid, revision=1,
        timeline=lesson.timeline_uid, supersedes=None, language=lesson.language, titles=lesson.titles,
        texts=lesson.texts, audience=course.audience, duration_ms=max(part.get("duration_ms", 0) for part in parts),
        parts=tuple(Part.from_json(part) for part in parts),
    ).to_bytes()  # fmt: skip
    package_id = hub.blobs.put_bytes(written).sha256
    session.execute(insert(rows["package"]).values(
        id=package_id, lesson_uid=lesson.uid, course_uid=course.uid, org_uid=lesson.org_uid, revision=1,
        timeline_uid=lesson.timeline_uid, manifest=written, floor_held=True, withdrawn=False, made_ms=1,
        signature=package.sign(written, hub.keys.publishing).as_json(),
    ))  # fmt: skip
    for part in parts:
        hub.blobs.link(package_id, part["sha256"])
        session.execute(insert(rows["part"]).values(
            package_id=package_id, sha256=part["sha256"], kind=part["kind"], bytes=part["bytes"], is_floor=part["floor"],
            wanted=True, held=True,
        ))  # fmt: skip
    _enter(session, hub, {"lesson": lesson.uid, "package": package_id, "revision": 1})
    lesson.state, lesson.package_id, lesson.revision = "published", package_id, 1


def _enter(session: Session, hub: Installation, body: dict[str, Any]) -> None:
    """Into the catalog, of which 0.1 kept no index."""
    now = catalog.state(session, lock=True)
    entry = Entry.from_value({
        "sequence": now.sequence + 1, "epoch": now.epoch, "kind": "publish", "version": 1, "body": body, "previous": now.hash,
    })  # fmt: skip
    session.add(CatalogEntry(sequence=entry.sequence, epoch=1, kind="publish", body=entry.raw, hash=entry.hash))
    now.sequence, now.hash, now.applied_sequence = entry.sequence, entry.hash, entry.sequence
    catalog.sign_head(session, hub.keys)


def publish(hub: Installation, lesson_uid: str) -> PackageRow:
    with hub.database.write() as session:
        row = publishing.publish(session, hub, lesson_uid, None)
        assert row is not None
        return row


def test_a_published_lesson_is_the_same_package_when_it_is_published_again(hub: Installation) -> None:
    lesson_uid, source_uid = left_behind(hub, published=True)
    migrate.upgrade(hub.database)
    with hub.database.read() as session:
        before = session.get_one(Lesson, lesson_uid)
        jobs = session.scalars(select(JobRow)).all()
        assert set(published.of(session, {str(before.package_id), "0" * 64})) == {before.package_id}
    row = publish(hub, lesson_uid)
    assert (row.id, row.revision, row.timeline_uid) == (before.package_id, 1, before.timeline_uid)
    with hub.database.read() as session:
        assert session.scalars(select(JobRow)).all() == jobs == []
        view = ladders.view(session, source_uid)
        assert view is not None
        assert view.floor_ready
        assert {step.name: step.state for step in view.steps} == dict.fromkeys(("floor", "v240", "v360", "v720"), "done")


def test_what_0_1_made_of_sound_alone_has_a_floor_and_no_other_step(hub: Installation) -> None:
    _lesson_uid, source_uid = left_behind(hub, published=False)
    with hub.database.write() as session:
        rows = MetaData()
        rows.reflect(hub.database.engine, only=("rendition",))
        table = rows.tables["rendition"]
        session.execute(table.delete().where(table.c.name.not_in(["aac", "opus", "download", "index"])))
        left = set(session.scalars(select(table.c.name)))
    assert "download" in left
    migrate.upgrade(hub.database)
    with hub.database.read() as session:
        view = ladders.view(session, source_uid)
        assert view is not None
        assert [(step.name, step.state) for step in view.steps] == [("floor", "done")]


def test_a_changed_title_makes_a_revision_of_the_same_parts_on_the_same_timeline(hub: Installation) -> None:
    lesson_uid, _source_uid = left_behind(hub, published=True)
    migrate.upgrade(hub.database)
    with hub.database.write() as session:
        timeline = editing.change_lesson(session, lesson_uid, titles={"zh": "水和冰"}).timeline_uid
    row = publish(hub, lesson_uid)
    assert (row.revision, row.timeline_uid) == (2, timeline)
    parts = {part.name: part.sha256 for part in Manifest.from_bytes(row.manifest).parts}
    assert parts == {part["name"]: part["sha256"] for part in FACTS["parts"]}


def test_what_0_1_prepared_and_did_not_publish_is_published_with_the_same_parts(hub: Installation) -> None:
    lesson_uid, source_uid = left_behind(hub, published=False)
    migrate.upgrade(hub.database)
    row = publish(hub, lesson_uid)
    parts = {part.name: part.sha256 for part in Manifest.from_bytes(row.manifest).parts}
    assert parts == {part["name"]: part["sha256"] for part in FACTS["parts"]}
    with hub.database.read() as session:
        rows = session.scalars(select(Rendition).where(Rendition.source_uid == source_uid)).all()
        bound = {row.name for row in rows if row.facts["kind"] in ("video", "audio", "stills")}
        assert {row.name for row in rows if row.index_row is not None} == bound  # read from the files, once


def test_a_trim_of_what_0_1_published_leaves_it_until_the_new_cut_is_ready(hub: Installation) -> None:
    lesson_uid, source_uid = left_behind(hub, published=True)
    migrate.upgrade(hub.database)
    with hub.database.write() as session:
        editing.trim(session, lesson_uid, [[1000, 20_000]])
    publishing.publish_if_ready(JobContext(hub, new_uid(), lambda done: None), lesson_uid)
    with hub.database.read() as session:
        assert session.get_one(Lesson, lesson_uid).revision == 1
        assert session.get_one(LadderRow, (source_uid, WHOLE.id)).floor_ready
        assert session.get_one(Source, source_uid).state == "prepared"
        view = ladders.view(session, source_uid)
        assert view is not None
        assert [(step.name, step.state) for step in view.steps] == [("floor", "waiting")]
