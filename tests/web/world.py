"""A small county for the pages' tests: two schools, their people, a course, lessons that can be watched."""

import io
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from eduhub.accounts import credentials, people, roles
from eduhub.courses import editing, plan
from eduhub.courses.models import Lesson
from eduhub.delivery import holding, package
from eduhub.delivery.package import Manifest, Part
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.schools import enrolment, groups, organisations
from eduhub.signing import SigningKey

PASSWORD = "yak-butter-lantern"
BEGAN = "2026-01-01"


@dataclass
class World:
    """Uids and codes of everybody and everything."""

    region: str
    school: str
    other_school: str
    group: str
    other_group: str
    empty_group: str
    course: str
    lesson: str
    draft: str
    dolma: str
    dolma_card: str
    lhamo: str
    lhamo_card: str
    stranger: str
    stranger_card: str


def settle(installation: Installation) -> World:
    """Write it all: Tenzin operates, Pema administers, Tashi teaches, Dolma and Lhamo study; Norbu administers elsewhere."""
    with installation.database.write() as session:
        region = organisations.add(session, kind="region", names={"en": "Nagqu", "zh": "那曲", "bo": "ནག་ཆུ།"})
        school = organisations.add(
            session, kind="school", names={"en": "Shuanghu school", "zh": "双湖小学"}, parent_uid=region.uid
        )
        other = organisations.add(session, kind="school", names={"en": "Nyima school"}, parent_uid=region.uid)
        group = groups.add(session, org_uid=school.uid, stage="primary", intake_year=2024, class_number=2)
        other_group = groups.add(session, org_uid=other.uid, stage="primary", intake_year=2024, class_number=1)
        empty_group = groups.add(session, org_uid=school.uid, stage="primary", intake_year=2025, class_number=1)
        course = editing.add_course(session, org_uid=school.uid, titles={"en": "Science", "bo": "ཚན་རིག"})
        add_adult(session, "Tenzin", region.uid, "operator", "all", None)
        add_adult(session, "Pema", school.uid, "school_admin", "organisation", school.uid)
        add_adult(session, "Norbu", other.uid, "school_admin", "organisation", other.uid)
        add_adult(session, "Tashi", school.uid, "teacher", "organisation", school.uid)
        add_adult(session, "Tashi", school.uid, "teacher", "course", course.uid)
        unit = editing.add_unit(session, course_uid=course.uid, titles={"en": "Water", "zh": "水"})
        lesson = editing.add_lesson(
            session, course_uid=course.uid, unit_uid=unit.uid, titles={"zh": "冰为什么浮起来", "en": "Why ice floats"},
            texts={"en": "Have a glass of water ready."}, language="zh",
        )
        draft = editing.add_lesson(session, course_uid=course.uid, titles={"en": "Steam"}, language="en")
        dolma, dolma_card = _child(session, "Dolma", school.uid, group.uid)
        lhamo, lhamo_card = _child(session, "ལྷ་མོ།", school.uid, group.uid)
        stranger, stranger_card = _child(session, "Karma", other.uid, other_group.uid)
        editing.give_course(session, group_uid=group.uid, course_uid=course.uid, starts_on=BEGAN)
        plan.add(session, group_uid=group.uid, lesson_uid=lesson.uid, day=None, period=None)
    publish(installation, lesson)
    return World(
        region.uid, school.uid, other.uid, group.uid, other_group.uid, empty_group.uid, course.uid, lesson.uid, draft.uid, dolma,
        dolma_card, lhamo, lhamo_card, stranger, stranger_card,
    )


def add_adult(session: Session, name: str, org_uid: str, role: str, kind: str, scope_uid: str | None) -> str:
    """Somebody who signs in with PASSWORD and a role; who is here already gets one more role."""
    known = people.called(session, name.lower())
    person = known[0] if known else people.add(session, org_uid=org_uid, name=name, sign_in_name=name.lower())
    if not known:
        credentials.set_password(session, person.uid, PASSWORD)
    roles.grant(
        session, person_uid=person.uid, role=role, scope_kind=kind, scope_uid=scope_uid, org_uid=org_uid,
        starts_on=BEGAN,
    )
    return person.uid


def _child(session: Session, name: str, org_uid: str, group_uid: str) -> tuple[str, str]:
    child = people.add(session, org_uid=org_uid, name=name)
    enrolment.enrol(session, person_uid=child.uid, group_uid=group_uid, starts_on=BEGAN)
    return child.uid, credentials.issue_card(session, child.uid)


def publish(
    installation: Installation, lesson: Lesson, *, key: SigningKey | None = None, revision: int = 1,
    notes: bytes | None = None,
) -> str:  # fmt: skip
    """Bring out a package whose tracks are bytes that nobody plays, with `notes` for its teachers; returns its id."""
    track, voice, saved = b"v" * 9000, b"a" * 4000, b"d" * 2_600_000
    index = {
        "format": "eduhub-index/1", "duration_ms": 61_000, "stills": None,
        "tracks": [_track(installation, "v240", "video", track), _track(installation, "aac", "audio", voice)],
    }
    parts = tuple(
        _part(installation, *row)
        for row in (
            ("v240", "video", "video/mp4", track, True), ("aac", "audio", "audio/mp4", voice, True),
            ("poster", "poster", "image/webp", _picture(), True), ("download", "download", "video/mp4", saved, False),
            ("index", "index", "application/json", json.dumps(index).encode(), True),
        )
    )
    if notes is not None:
        made = _part(installation, "notes", "download", "application/pdf", notes, False)
        parts = (replace(made, audience="teacher"), *parts)
    with installation.database.write() as session:
        manifest = Manifest(
            hub=keyring(session).hub_uid, lesson=lesson.uid, course=lesson.course_uid, org=lesson.org_uid, revision=revision,
            timeline=lesson.timeline_uid, supersedes=None, language=lesson.language, titles=lesson.titles,
            texts=lesson.texts, audience="own", duration_ms=61_000, parts=parts,
        ).to_bytes()
        signature = package.sign(manifest, key or installation.keys.publishing)
        row = holding.hold(session, installation.blobs, manifest, signature, course_uid=lesson.course_uid)
        holding.reveal_present(session, installation.blobs, row.id)
        changed = session.get(Lesson, lesson.uid)
        assert changed is not None
        changed.state, changed.package_id, changed.revision = "published", row.id, revision
    return row.id


def _track(installation: Installation, name: str, kind: str, payload: bytes) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "sha256": installation.blobs.put_bytes(payload).sha256,
        "type": f'{kind}/mp4; codecs="x"', "timescale": 1000, "bandwidth_bps": 64000, "language": None, "init_bytes": 800,
        "priming_ticks": 0, "start_ticks": 0, "chunk_bytes": [len(payload) - 800], "chunk_ticks": [61_000],
        "key_chunks": [0],
    }


def _part(installation: Installation, name: str, kind: str, media_type: str, payload: bytes, floor: bool) -> Part:
    blob = installation.blobs.put_bytes(payload)
    pieces = None
    if len(payload) > package.PIECE_BYTES:
        pieces = installation.blobs.put_bytes(package.piece_list(installation.blobs.path(blob.sha256))).sha256
    return Part(
        name=name, kind=kind, role="main", language=None, audience="learner", licence=None, type=media_type, codec=None,
        bytes=len(payload), sha256=blob.sha256, pieces=pieces, floor=floor,
    )


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 360), (31, 95, 153)).save(out, "WEBP", quality=40)
    return out.getvalue()


def hidden(page: str, name: str) -> str:
    """The value of a field of a page's form."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found, f"no field {name}"
    return found[1]


class Reader:
    """Somebody at a browser: keeps cookies, sends the CSRF token that the last page gave."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, *, page: str = "/sign-in", **options: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.csrf(page), **(data or {})}, **options)

    def csrf(self, page: str = "/sign-in") -> str:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.client.get(page).text)
        assert found, f"no form on {page}"
        return found[1]

    def sign_in(self, name: str, password: str = PASSWORD) -> "Reader":
        answer = self.post("/sign-in", {"sign_in_name": name, "password": password})
        assert answer.status_code == 303, answer.text
        return self

    def card(self, token: str) -> "Reader":
        answer = self.post("/card", {"token": token}, page="/card")
        assert answer.status_code == 303, answer.text
        return self
