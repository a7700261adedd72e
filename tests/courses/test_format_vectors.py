"""The vectors of docs/formats/{courses,lessons,plan}.md hold, and the pages name the fields there are."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub.courses import audience, captions, editing, plan, publishing, recordings
from eduhub.courses.models import (
    Course,
    GroupCourse,
    Lesson,
    LessonAttachment,
    LessonCaptions,
    LessonChapters,
    LessonSource,
    PlanRow,
    Unit,
)
from eduhub.delivery.models import CatalogEntry
from eduhub.errors import CaptionsRefused
from eduhub.media.models import Source
from eduhub.schools.models import SchoolCalendar
from eduhub.uids import new_uid
from tests.courses.conftest import add_lesson, prepare

FORMATS = Path(__file__).parents[2] / "docs" / "formats"


def vectors(name: str) -> Any:
    return json.loads((FORMATS / "vectors" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", vectors("courses")["audiences"])
def test_an_audience_reaches_what_the_vector_says(vector):
    course = Course(
        org_uid=vector["owner"], titles={}, audience=vector["audience"], listed_org_uids=vector["listed"] or None
    )
    paths = vectors("courses")["paths"]
    assert [name for name, path in paths.items() if audience.reaches(course, path)] == vector["reaches"]


@pytest.mark.parametrize("vector", vectors("lessons")["sources"])
def test_the_source_of_a_package_is_the_one_the_vector_says(installation, house, vector):
    with installation.database.write() as session:
        lesson, uids = add_lesson(session, house.course), []
        for number, (purpose, state) in enumerate(vector["sources"]):
            if state is None:
                uids.append(new_uid())
                editing.attach_source(session, lesson_uid=lesson, source_uid=uids[-1], language="zh", purpose=purpose)
            else:
                uids.append(prepare(session, installation, lesson, str(number), purpose=purpose))
                session.get_one(Source, uids[-1]).state = state
        session.flush()
        found = recordings.choose(session, session.get_one(Lesson, lesson))
        chosen = None if vector["chosen"] is None else uids[vector["chosen"]]
        assert (found.main.attached.source_uid if found is not None else None) == chosen


def test_the_bodies_of_catalog_entries_have_the_fields_of_the_vector(installation, house):
    with installation.database.write() as session:
        lesson = add_lesson(session, house.course)
        prepare(session, installation, lesson)
        publishing.publish(session, installation, lesson, None)
        publishing.withdraw(session, installation, lesson, None)
        bodies = {
            row.kind: sorted(json.loads(row.body)["body"]) for row in session.scalars(select(CatalogEntry)).all()
        }
    wanted = vectors("lessons")["bodies"]
    assert {kind: bodies[kind] for kind in wanted} == wanted


@pytest.mark.parametrize("vector", vectors("captions")["files"], ids=lambda vector: vector["name"])
def test_a_file_of_captions_is_kept_as_the_vector_says(vector):
    assert captions.to_webvtt(captions.parse(vector["file"].encode())) == vector["kept"].encode()


@pytest.mark.parametrize("vector", vectors("captions")["refused"], ids=lambda vector: vector["name"])
def test_a_file_of_captions_is_refused_at_the_line_of_the_vector(vector):
    with pytest.raises(CaptionsRefused) as refused:
        captions.parse(vector["file"].encode())
    assert refused.value.facts["line"] == vector["line"]


def test_planned_rows_come_in_the_order_of_the_vector(installation, house):
    found = vectors("plan")
    with installation.database.write() as session:
        for row in found["rows"]:
            session.add(PlanRow(**row, org_uid=house.shuanghu, group_uid=house.group, lesson_uid=new_uid(), dropped_on=None))
        session.flush()
        order = [int(row.uid[-1]) for row in plan.for_group(session, house.group, "2026-11-01", "2026-11-30")]
    assert order == found["order"]


@pytest.mark.parametrize("vector", vectors("plan")["days"])
def test_the_school_day_is_the_one_the_vector_says(installation, house, vector):
    with installation.database.write() as session:
        session.get_one(SchoolCalendar, house.shuanghu).time_zone = vector["time_zone"]
        session.flush()
        assert plan.school_day(session, house.shuanghu, datetime.fromisoformat(vector["at"])) == vector["day"]


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("courses", Course), ("courses", Unit), ("courses", GroupCourse), ("lessons", Lesson), ("lessons", LessonSource),
        ("plan", PlanRow), ("captions", LessonCaptions), ("captions", LessonChapters),
        ("attachments", LessonAttachment),
    ],
)  # fmt: skip
def test_the_page_names_every_field_of_the_table(page, model):
    text = (FORMATS / f"{page}.md").read_text(encoding="utf-8")
    assert f"`{model.__tablename__}`" in text
    fields = {column.key for column in model.__table__.columns} - {"uid", "org_uid"}
    assert {field for field in fields if f"`{field}`" not in text} == set()
