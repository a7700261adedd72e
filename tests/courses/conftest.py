"""A hub with a region, two schools, people and a course, for the tests of courses."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.orm import Session

from eduhub.accounts import people, roles
from eduhub.courses import editing
from eduhub.delivery import keys
from eduhub.installation import Installation, JobContext
from eduhub.media import checkpoints, ladders
from eduhub.media.facts import AudioFacts, Probe
from eduhub.media.models import Source
from eduhub.media.recipes import WHOLE
from eduhub.schools import enrolment, groups, organisations
from eduhub.uids import new_uid
from tests.databases import Model

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


def settle(installation: Installation) -> House:
    """Write it all."""
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


@pytest.fixture
def begins_with(request: pytest.FixtureRequest) -> Callable[[Installation], House] | None:
    return settle if "house" in request.fixturenames else None


@pytest.fixture
def house(make_model: Callable[..., tuple[Model, House]], installation: Installation) -> House:
    """Who and what is there from the beginning."""
    return make_model(settle)[1]


def add_lesson(session: Session, course_uid: str, title: str = "水") -> str:
    return editing.add_lesson(session, course_uid=course_uid, titles={"zh": title}, language="zh").uid


PROBE = Probe(
    format="mov", bytes=9, duration_ms=61_000, streams=2, missing_end_ms=0, video=None,
    audio=AudioFacts(index=1, codec="aac", channels=1, sample_rate=48_000, start_ms=0, end_ms=61_000),
    sounds=tuple(
        AudioFacts(index=index, codec="aac", channels=1, sample_rate=48_000, start_ms=0, end_ms=61_000)
        for index in (1, 2)
    ),
)  # fmt: skip
FLOOR = (("aac", "audio", "audio/mp4"), ("stills", "stills", "application/octet-stream"))


def arrive(session: Session, lesson_uid: str, recording: str = "take 1", *, language: str = "zh", **how: str) -> str:
    """A source of the lesson whose file has arrived; nothing is made of it yet."""
    source = Source(
        uid=new_uid(), org_uid=new_uid(), file_name="lecture.mp4", language=language, state="arrived",
        sha256=hashlib.sha256(recording.encode()).hexdigest(), bytes=9, made_ms=0,
    )  # fmt: skip
    session.add(source)
    session.flush()
    editing.attach_source(session, lesson_uid=lesson_uid, source_uid=source.uid, language=language, **how)
    return source.uid


def prepare(session: Session, installation: Installation, lesson_uid: str, recording: str = "take 1", **how: str) -> str:
    """A source of the lesson as its jobs leave it: the floor and one picture, blobs on disk, rows for each."""
    uid = arrive(session, lesson_uid, recording, **how)
    ladder = ladders.want(session, session.get_one(Source, uid), WHOLE, then=None)
    make(session, installation, uid, ladder.recipe, recording=recording)
    return uid


def make(
    session: Session, installation: Installation, source_uid: str, recipe_id: str, *steps: str, recording: str = "take 1"
) -> None:
    """Have steps of a ladder made (none named: all), as a job would, of bytes that say what they are."""
    source = session.get_one(Source, source_uid)
    source.probe = PROBE.as_json()
    session.flush()
    context = JobContext(installation, new_uid(), lambda done: None)
    sound_only = bool(ladders.locked(session, source_uid, recipe_id).wanted["sound_only"])
    for step in steps or ("floor", "v240"):
        kinds = [(step, "video", "video/mp4")] if step != "floor" else FLOOR[:1] if sound_only else FLOOR
        parts = [fake_part(installation, f"{recording} {recipe_id} {source_uid}", *kind) for kind in kinds]
        at = checkpoints.At(source_uid, recipe_id, step)
        later = [] if sound_only else ["v240"]
        checkpoints.write(session, context, at, parts, 1000, duration_ms=61_000, later=later if step == "floor" else [])


def fake_part(installation: Installation, of: str, name: str, kind: str, media_type: str) -> checkpoints.Stored:
    """One track, or the stills, of one chunk: it is published like a real one, and cannot be played."""
    blob = installation.blobs.put_bytes(f"{of} {name}".encode())
    facts = {
        "name": name, "kind": kind, "role": "main", "language": None, "audience": "learner", "licence": None,
        "type": media_type, "codec": None, "duration_ms": 61_000, "bytes": blob.bytes, "sha256": blob.sha256,
        "pieces": None, "floor": kind != "video",
    }  # fmt: skip
    row: dict[str, Any] = {"sha256": blob.sha256, "items": [[0, 0, blob.bytes]]}
    if kind != "stills":
        row = {
            "name": name, "kind": kind, "sha256": blob.sha256, "type": f'{media_type}; codecs="x"', "timescale": 1000,
            "bandwidth_bps": 1, "language": None, "init_bytes": 0, "start_ticks": 0, "priming_ticks": 0,
            "chunk_bytes": [blob.bytes], "chunk_ticks": [61_000], "key_chunks": [0], "channels": 1,
        }  # fmt: skip
        if kind == "video":
            row |= {"width": 320, "height": 240, "fps_milli": 15_000}
    return checkpoints.Stored(facts, row, (blob,))
