"""What teachers do to lessons at the hub: publish, improve, publish anew, take back. The parts are noise of real sizes."""

import random
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import publishing
from eduhub.courses.models import Course, Lesson
from eduhub.delivery import catalog, holding, package
from eduhub.delivery.blobs import remember
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import PIECE_BYTES, Manifest, Part
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.uids import new_uid
from tests.sync.world import noise, piece_hashes

LENGTH_MS = 60_000
_SIZES = {"index": 900, "poster": 1_500, "stills": 9_000, "aac": 30_000, "v240": 60_000, "v480": 150_000, "v720": 290_000}
_FLOOR = frozenset({"aac", "stills", "index", "poster"})
FIRST = ("index", "poster", "stills", "aac", "v240")


def publish(session: Session, here: Installation, course_uid: str, lot: random.Random) -> str:
    """A new lesson of a course; returns its uid."""
    course = session.get_one(Course, course_uid)
    count = len(session.scalars(select(Lesson.uid).where(Lesson.course_uid == course_uid)).all())
    lesson = Lesson(
        org_uid=course.org_uid, course_uid=course_uid, position=count, titles={"en": f"Lesson {count}"}, texts={},
        language="zh", state="submitted", timeline_uid=new_uid(), revision=0,
    )  # fmt: skip
    session.add(lesson)
    session.flush()
    names = (*FIRST, "v480") if lot.random() < 0.5 else FIRST
    _bring_out(session, here, lesson, {name: f"{lesson.uid} {name} 1" for name in names})
    return lesson.uid


def improve(session: Session, here: Installation, lesson: Lesson, lot: random.Random) -> None:
    """A better rendition more, another title, or another recording: the next revision."""
    seeds = _seeds_of(session, lesson)
    kind = lot.choice(("rung", "title", "recording", "recording"))
    if kind == "rung":
        missing = [name for name in _SIZES if name not in seeds]
        seeds |= {name: f"{lesson.uid} {name} 1" for name in missing[:1]}
    elif kind == "title":
        lesson.titles = {"en": f"Lesson {lesson.position}, again {lesson.revision}"}
    else:
        if lot.random() < 0.5:
            lesson.timeline_uid = new_uid()
        seeds = {name: f"{lesson.uid} {name} {lesson.revision + 1}" for name in seeds}
    _bring_out(session, here, lesson, seeds)


def withdraw(session: Session, here: Installation, lesson: Lesson) -> None:
    """Take it back everywhere."""
    publishing.withdraw(session, here, lesson.uid, None)


def bring_back(session: Session, here: Installation, lesson: Lesson) -> None:
    """Publish it again, as a new revision: after it was withdrawn, or where a restored hub has lost its package."""
    _bring_out(session, here, lesson, {name: f"{lesson.uid} {name} {lesson.revision + 1}" for name in FIRST})


def _seeds_of(session: Session, lesson: Lesson) -> dict[str, str]:
    """What the present parts are made of, as their licence says."""
    row = session.get(PackageRow, lesson.package_id)
    assert row is not None
    return {part.name: str(part.licence) for part in Manifest.from_bytes(row.manifest).parts}


def _bring_out(session: Session, here: Installation, lesson: Lesson, seeds: dict[str, str]) -> None:
    """As publishing does it with what is prepared."""
    course = session.get_one(Course, lesson.course_uid)
    current = session.get(PackageRow, lesson.package_id) if lesson.package_id else None
    manifest = Manifest(
        hub=keyring(session).hub_uid, lesson=lesson.uid, course=course.uid, org=course.org_uid, revision=lesson.revision + 1,
        timeline=lesson.timeline_uid, supersedes=current.id if current is not None and not current.withdrawn else None,
        language="zh", titles=lesson.titles, texts={}, audience=course.audience, duration_ms=LENGTH_MS,
        parts=tuple(_part(session, here, name, seed) for name, seed in seeds.items()),
    )  # fmt: skip
    written = manifest.to_bytes()
    signature = package.sign(written, here.keys.publishing)
    row = holding.hold(session, here.blobs, written, signature, course_uid=course.uid)
    holding.reveal_present(session, here.blobs, row.id)
    assert row.floor_held
    entry = catalog.append(
        session, here.keys, "publish" if manifest.supersedes is None else "supersede",
        {"lesson": lesson.uid, "course": course.uid, "org": course.org_uid, "package": row.id, "revision": manifest.revision,
         "timeline": manifest.timeline, "audience": course.audience, "listed": [], "manifest_bytes": len(written),
         "floor_bytes": manifest.total_bytes(floor=True), "total_bytes": manifest.total_bytes(),
         "supersedes": manifest.supersedes, "signature": signature.as_json()},
    )  # fmt: skip
    row.sequence = entry.sequence
    lesson.package_id, lesson.revision, lesson.state = row.id, manifest.revision, "published"
    session.flush()


def _part(session: Session, here: Installation, name: str, seed: str) -> Part:
    payload, pieces = noise(seed, _SIZES[name]), None
    blob = here.blobs.put_bytes(payload)
    remember(session, blob)
    if len(payload) > PIECE_BYTES:
        listed = here.blobs.put_bytes(piece_hashes(payload))
        remember(session, listed)
        pieces = listed.sha256
    kind = {"aac": "audio", "stills": "stills", "index": "index", "poster": "poster"}.get(name, "video")
    codec = "mp4a.40.2" if kind == "audio" else "avc1.64000d" if kind == "video" else None
    made = Part(
        name=name, kind=kind, role="main", language=None, audience="learner", licence=seed, type="video/mp4", codec=codec,
        bytes=len(payload), sha256=blob.sha256, pieces=pieces, floor=name in _FLOOR,
    )  # fmt: skip
    return replace(made, extra={"made_ms": clock.now_ms()}) if name == "index" else made


def bring_all_back(session: Session, here: Installation) -> None:
    """Every published lesson whose package only the hub held before it was restored."""
    lost = select(Lesson).where(Lesson.state == "published", Lesson.package_id.not_in(select(PackageRow.id)))
    for lesson in session.scalars(lost.order_by(Lesson.uid)).all():
        bring_back(session, here, lesson)
