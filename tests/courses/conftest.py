"""A hub with a region, two schools, people and a course, for the tests of courses."""

import hashlib
from dataclasses import dataclass

import pytest
from sqlalchemy.orm import Session

from eduhub.accounts import people, roles
from eduhub.courses import editing
from eduhub.delivery import blobs, keys
from eduhub.installation import Installation
from eduhub.media.models import Rendition, Source
from eduhub.schools import enrolment, groups, organisations
from eduhub.uids import new_uid

ON = "2026-11-23"
SINCE = "2026-09-01"


@dataclass(frozen=True)
class House:
    """Who and what is there, by uid."""

    region: str
    shuanghu: str
    nyima: str
    group: str  # of shuanghu, takes the course
    nyima_group: str  # takes nothing
    tashi: str  # teaches the course
    pema: str  # administers shuanghu
    tenzin: str  # operates
    dolma: str  # studies in group
    lhamo: str  # studies in nyima_group
    course: str  # of shuanghu


@pytest.fixture
def house(installation: Installation) -> House:
    with installation.database.write() as session:
        keys.make_hub_keys(session, installation.keys)
        region = organisations.add(session, kind="region", names={"zh": "那曲"}).uid
        schools = [
            organisations.add(session, kind="school", names={"zh": name}, parent_uid=region).uid
            for name in ("双湖小学", "尼玛小学")
        ]
        classes = [
            groups.add(session, org_uid=school, stage="primary", intake_year=2023, class_number=1).uid
            for school in schools
        ]
        person = {
            name: people.add(session, org_uid=org, name=name).uid
            for name, org in (
                ("Tashi", schools[0]), ("Pema", schools[0]), ("Tenzin", region), ("Dolma", schools[0]), ("Lhamo", schools[1])
            )
        }  # fmt: skip
        enrolment.enrol(session, person_uid=person["Dolma"], group_uid=classes[0], starts_on=SINCE)
        enrolment.enrol(session, person_uid=person["Lhamo"], group_uid=classes[1], starts_on=SINCE)
        course = editing.add_course(session, org_uid=schools[0], titles={"zh": "科学"}).uid
        editing.give_course(session, group_uid=classes[0], course_uid=course, starts_on=SINCE)
        for name, role, kind, scope in (
            ("Tashi", "teacher", "course", course), ("Pema", "school_admin", "organisation", schools[0]),
            ("Tenzin", "operator", "all", None),
        ):  # fmt: skip
            roles.grant(
                session, person_uid=person[name], role=role, scope_kind=kind, scope_uid=scope, org_uid=schools[0],
                starts_on=SINCE,
            )  # fmt: skip
        return House(
            region, *schools, *classes, person["Tashi"], person["Pema"], person["Tenzin"], person["Dolma"],
            person["Lhamo"], course,
        )  # fmt: skip


def add_lesson(session: Session, course_uid: str, title: str = "水") -> str:
    return editing.add_lesson(session, course_uid=course_uid, titles={"zh": title}, language="zh").uid


def prepare(session: Session, installation: Installation, lesson_uid: str, recording: str = "take 1", **how: str) -> str:
    """A source of the lesson as `media.prepare` leaves it: blobs on disk, a row for each part."""
    source = Source(
        uid=new_uid(), org_uid=new_uid(), file_name="lecture.mp4", language="zh", state="prepared",
        sha256=hashlib.sha256(recording.encode()).hexdigest(), bytes=9, made_ms=0,
    )  # fmt: skip
    session.add(source)
    for name, kind, media_type in (("v240", "video", "video/mp4"), ("aac", "audio", "audio/mp4"), ("stills", "stills", "image/webp")):
        blob = installation.blobs.put_bytes(f"{recording} {name}".encode())
        blobs.remember(session, blob)
        facts = {
            "name": name, "kind": kind, "role": "main", "language": None, "audience": "learner", "licence": None,
            "type": media_type, "codec": None, "duration_ms": 61_000, "bytes": blob.bytes, "sha256": blob.sha256,
            "pieces": None, "floor": kind != "video",
        }  # fmt: skip
        session.add(Rendition(source_uid=source.uid, name=name, sha256=blob.sha256, facts=facts, made_ms=0))
    editing.attach_source(session, lesson_uid=lesson_uid, source_uid=source.uid, language="zh", **how)
    session.flush()
    return source.uid
