"""Node: which lessons this box wants, and in which order their parts come: every floor before any better part.

Wanted are the published lessons that a group of this school takes or has in its plan, and those that are
open to everybody. Of each, all that is small or needed, then what old phones play. This module must not know how
anything is fetched.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest, Part
from eduhub.schools.models import Group

# What a phone of ten years ago decodes. Other codecs are for a later release to ask for.
_PLAYABLE = ("avc1.", "mp4a.40.2")
_AT_ONCE = 400  # ids in one question


@dataclass(frozen=True)
class Want:
    """One blob to get. Small numbers first."""

    tier: int  # 0: floor, 1: better
    bytes: int
    package_id: str
    sha256: str
    pieces: str | None


def wanted_packages(session: Session, org_uid: str, today: str | None) -> dict[str, str]:
    """The packages this box should hold, with the course of each. Without a day, every span counts as open."""
    groups = select(Group.uid).where(Group.org_uid == org_uid)
    open_now = GroupCourse.ended_on.is_(None)
    taken = select(GroupCourse.course_uid).where(
        GroupCourse.group_uid.in_(groups), or_(open_now, GroupCourse.ended_on > today) if today else open_now
    )
    planned = select(PlanRow.lesson_uid).where(PlanRow.group_uid.in_(groups), PlanRow.dropped_on.is_(None))
    for_everybody = select(Course.uid).where(Course.audience == "open")
    found = session.execute(
        select(Lesson.package_id, Lesson.course_uid)
        .where(
            Lesson.state == "published", Lesson.package_id.is_not(None),
            or_(Lesson.course_uid.in_(taken), Lesson.uid.in_(planned), Lesson.course_uid.in_(for_everybody)),
        )
        .order_by(Lesson.course_uid, Lesson.position, Lesson.uid)
    )  # fmt: skip
    return {str(package_id): course_uid for package_id, course_uid in found}


def lessons_of(session: Session, package_ids: Iterable[str]) -> dict[str, str]:
    """The lesson whose newest package each of these is."""
    found: dict[str, str] = {}
    ids = sorted(package_ids)
    for at in range(0, len(ids), _AT_ONCE):
        asked = select(Lesson.package_id, Lesson.uid).where(Lesson.package_id.in_(ids[at : at + _AT_ONCE]))
        found.update((str(package_id), lesson_uid) for package_id, lesson_uid in session.execute(asked))
    return found


def is_wanted(part: Part) -> bool:
    """Whether a box fetches a part: all that is small or needed, and sound and pictures that old phones play."""
    if part.kind in {"audio", "video"}:
        return part.floor or part.codec is None or part.codec.startswith(_PLAYABLE)
    return True


def plan(manifests: dict[str, Manifest], held: set[tuple[str, str]]) -> list[Want]:
    """What to get, in order; `held` are (package, sha256) that are revealed already."""
    wants = [
        Want(0 if part.floor else 1, part.bytes, package_id, part.sha256, part.pieces)
        for package_id, manifest in manifests.items()
        for part in manifest.parts
        if is_wanted(part) and (package_id, part.sha256) not in held
    ]
    return sorted(wants, key=lambda want: (want.tier, want.bytes))


def complete(session: Session, package_ids: Iterable[str]) -> set[str]:
    """Those of some packages that are here and of which every wanted part is revealed."""
    found: set[str] = set()
    ids = sorted(package_ids)
    waits = (PartRow.package_id == PackageRow.id) & PartRow.held.is_(False) & PartRow.wanted.is_(True)
    for at in range(0, len(ids), _AT_ONCE):
        asked = select(PackageRow.id).where(PackageRow.id.in_(ids[at : at + _AT_ONCE]), ~exists().where(waits))
        found.update(session.scalars(asked))
    return found


def revealed(session: Session, package_ids: Iterable[str]) -> set[tuple[str, str]]:
    """(package, sha256) of the parts of some packages that are shown here."""
    found: set[tuple[str, str]] = set()
    ids = sorted(package_ids)
    for at in range(0, len(ids), _AT_ONCE):
        asked = select(PartRow.package_id, PartRow.sha256).where(PartRow.package_id.in_(ids[at : at + _AT_ONCE]), PartRow.held)
        found.update((row.package_id, row.sha256) for row in session.execute(asked))
    return found
