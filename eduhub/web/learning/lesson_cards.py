"""What a page shows of a lesson that can be watched here: picture, length, what it costs, how far one is.

A card is made of the newest package whose floor this machine holds; a lesson without one has
no card, and no page speaks of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from eduhub.courses.models import Course, Lesson
from eduhub.delivery import passes
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.delivery.package import Manifest, Part
from eduhub.learning.models import Progress

# What one tap on Play fetches, best first: the plain file, else the lightest track with the voice.
_PICTURES = ("v240", "v360", "v720", "stills")
_VOICES = ("aac", "opus")


@dataclass(frozen=True)
class LessonCard:
    """One lesson as a row or a picture on a page."""

    lesson: Lesson
    course: Course
    package_id: str
    timeline_uid: str
    parts: tuple[Part, ...]  # those that this machine holds and the reader may have
    duration_ms: int
    bytes: int  # what Play costs
    poster: str | None  # its address, below the package's own path
    download: str | None
    seen_percent: int = 0
    day: str | None = None
    period: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # further fields of the manifest: chapters

    def on(self, day: str | None, period: int | None) -> "LessonCard":
        """The same card, planned for a day."""
        return replace(self, day=day, period=period)


def of_lessons(
    session: Session, lessons: Iterable[Lesson], courses: Mapping[str, Course], person_uid: str | None,
    audience: str = "learner",
) -> dict[str, LessonCard]:  # fmt: skip
    """The cards of those lessons that can be watched here, by lesson uid, with what a pass for `audience` opens."""
    wanted = {lesson.uid: lesson for lesson in lessons if lesson.course_uid in courses}
    found = session.scalars(
        select(PackageRow)
        .where(PackageRow.lesson_uid.in_(wanted), PackageRow.floor_held, ~PackageRow.withdrawn)
        .order_by(PackageRow.revision)
    )
    newest = {row.lesson_uid: row for row in found}
    held = _held(session, [row.id for row in newest.values()])
    seen = _seen(session, person_uid, list(wanted))
    return {
        uid: _card(wanted[uid], courses[wanted[uid].course_uid], row, held.get(row.id, set()), seen, audience)
        for uid, row in newest.items()
    }


def here_since(session: Session, package_ids: Iterable[str]) -> dict[str, int]:
    """Since when the lesson of each of these packages can be watched here: its first revision, or the last bytes of the floor.

    By the wall clock; a better rendition of a lesson does not make it new.
    """
    before = aliased(PackageRow)
    first_ms = select(func.min(before.made_ms)).where(before.lesson_uid == PackageRow.lesson_uid).scalar_subquery()
    found = session.execute(
        select(PackageRow.id, first_ms, func.max(BlobRow.stored_ms))
        .join(PartRow, (PartRow.package_id == PackageRow.id) & PartRow.is_floor)
        .join(BlobRow, BlobRow.sha256 == PartRow.sha256)
        .where(PackageRow.id.in_(list(package_ids)))
        .group_by(PackageRow.id, PackageRow.lesson_uid)
    )
    return {package_id: max(made_ms, stored_ms) for package_id, made_ms, stored_ms in found}


def awaited(session: Session, lesson_uids: Iterable[str]) -> dict[str, int]:
    """Of lessons that cannot be shown here yet, how much of the newest package's floor is held, 0 to 99.

    A lesson whose packages were all taken back is not on its way.
    """
    found = dict.fromkeys(lesson_uids, 0)
    rows = session.execute(
        select(PackageRow.lesson_uid, PackageRow.withdrawn, PartRow.held, func.sum(PartRow.bytes))
        .join(PartRow, (PartRow.package_id == PackageRow.id) & PartRow.is_floor)
        .where(PackageRow.lesson_uid.in_(list(found)), PackageRow.superseded_by.is_(None))
        .group_by(PackageRow.lesson_uid, PackageRow.withdrawn, PartRow.held)
    ).all()
    alive = {uid for uid, withdrawn, _held, _size in rows if not withdrawn}
    sums: dict[tuple[str, bool], int] = {}
    for uid, withdrawn, is_held, size in rows:
        if uid in alive and not withdrawn:
            sums[uid, is_held] = int(size)
        elif uid not in alive:
            found.pop(uid, None)
    for uid in alive:
        here, away = sums.get((uid, True), 0), sums.get((uid, False), 0)
        found[uid] = min(99, 100 * here // (here + away)) if here else 0
    return found


def _held(session: Session, package_ids: list[str]) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for package_id, sha256 in session.execute(
        select(PartRow.package_id, PartRow.sha256).where(PartRow.package_id.in_(package_ids), PartRow.held)
    ):
        held.setdefault(package_id, set()).add(sha256)
    return held


def _seen(session: Session, person_uid: str | None, lesson_uids: list[str]) -> dict[tuple[str, str], int]:
    if person_uid is None:
        return {}
    rows = session.scalars(
        select(Progress).where(Progress.person_uid == person_uid, Progress.lesson_uid.in_(lesson_uids))
    )
    return {(row.lesson_uid, row.timeline_uid): row.seen_ms for row in rows}


def _card(
    lesson: Lesson, course: Course, row: PackageRow, held: set[str], seen: Mapping[tuple[str, str], int], audience: str
) -> LessonCard:
    manifest = _manifest(row.manifest)
    parts = tuple(part for part in manifest.parts if part.sha256 in held and passes.opens(audience, part.audience))
    return _of_parts(lesson, course, (row.id, row.timeline_uid), manifest, parts, seen.get((lesson.uid, row.timeline_uid), 0))


def _of_parts(
    lesson: Lesson, course: Course, key: tuple[str, str], manifest: Manifest, parts: tuple[Part, ...], seen_ms: int
) -> LessonCard:
    """`key`: the package and its time axis."""
    package_id, timeline_uid = key
    by_name = {part.name: part for part in parts}
    poster = next((part for part in parts if part.kind == "poster"), None)
    download = next((part for part in parts if part.kind == "download"), None)
    base = f"/p/{package_id}/"
    return LessonCard(
        lesson=lesson, course=course, package_id=package_id, timeline_uid=timeline_uid, parts=parts, duration_ms=manifest.duration_ms,
        bytes=download.bytes if download else _lightest(by_name),
        poster=base + poster.sha256 if poster else None,
        download=base + download.sha256 if download else None,
        seen_percent=min(100, 100 * seen_ms // manifest.duration_ms) if manifest.duration_ms else 0,
        extra=manifest.extra,
    )


def of_manifest(lesson: Lesson, course: Course, package_id: str, manifest: Manifest, audience: str) -> LessonCard:
    """The card of a package of which every part is here: of a preview, say."""
    parts = tuple(part for part in manifest.parts if passes.opens(audience, part.audience))
    return _of_parts(lesson, course, (package_id, manifest.timeline), manifest, parts, 0)


@lru_cache(maxsize=512)
def _manifest(payload: bytes) -> Manifest:
    """Read once: a class of thirty opens the same lessons in the same minute, and each takes a millisecond."""
    return Manifest.from_bytes(payload)


def _lightest(by_name: Mapping[str, Part]) -> int:
    picture = next((by_name[name].bytes for name in _PICTURES if name in by_name), 0)
    voice = next((by_name[name].bytes for name in _VOICES if name in by_name), 0)
    return picture + voice
