"""Node: which lessons this box wants, and in which order their parts come: every floor before any better part.

Wanted are the published lessons that a group of this school takes or has in its plan, and those that are
open to everybody. Of each, all that is small or needed, then what old phones play. This module must not know how
anything is fetched.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery import catalog
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest, Part
from eduhub.schools.models import Group

# What a phone of ten years ago decodes. Other codecs are for a later release to ask for.
_PLAYABLE = ("avc1.", "mp4a.40.2")


@dataclass(frozen=True)
class Want:
    """One blob to get. Small numbers first."""

    tier: int  # 0: floor, 1: better
    bytes: int
    package_id: str
    sha256: str
    pieces: str | None


@dataclass(frozen=True)
class Published:
    """What the catalog says of one package."""

    package_id: str
    sequence: int
    signature: Any


def published(session: Session) -> dict[str, Published]:
    """Every package that the catalog here speaks of and does not take back."""
    found: dict[str, Published] = {}
    lessons: dict[str, list[str]] = {}
    after = 0
    while entries := catalog.entries_after(session, after):
        after = entries[-1].sequence
        for entry in entries:
            package_id = entry.body.get("package") if isinstance(entry.body, dict) else None
            lesson_uid = entry.body.get("lesson") if isinstance(entry.body, dict) else None
            if not isinstance(package_id, str) or not isinstance(lesson_uid, str):
                continue
            if entry.kind in {"publish", "supersede"}:
                found[package_id] = Published(package_id, entry.sequence, entry.body.get("signature"))
                lessons.setdefault(lesson_uid, []).append(package_id)
            elif entry.kind == "withdraw":
                for taken_back in lessons.pop(lesson_uid, []):
                    del found[taken_back]
    return found


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


def complete(session: Session) -> set[str]:
    """Packages of which every wanted part is revealed."""
    waiting = set(
        session.scalars(select(PartRow.package_id).where(PartRow.held.is_(False), PartRow.wanted.is_(True)).distinct())
    )
    return set(session.scalars(select(PackageRow.id))) - waiting
