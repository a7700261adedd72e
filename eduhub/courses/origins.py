"""What the newest package of a lesson was made of, so that the next one knows what it follows.

This module must not know how media is prepared.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses.models import Lesson, LessonSource, PackageOrigin
from eduhub.delivery.models import PackageRow
from eduhub.media.recipes import Span


@dataclass(frozen=True)
class Origin:
    """What the newest package of a lesson was made of."""

    row: PackageOrigin
    purpose: str  # of its main recording; "" when that is attached no more
    shown: bool  # it was not taken back
    has_picture: bool

    @property
    def edit(self) -> tuple[Span, ...] | None:
        """How its recordings were cut."""
        return None if self.row.edit_list is None else tuple((int(a), int(b)) for a, b in self.row.edit_list)


def origin_of(session: Session, lesson: Lesson) -> Origin | None:
    """What the newest package was made of; None without one, or where that was not written down."""
    if lesson.package_id is None:
        return None
    row, package = session.get(PackageOrigin, lesson.package_id), session.get(PackageRow, lesson.package_id)
    if row is None or package is None:
        return None
    attached = select(LessonSource.purpose).where(
        LessonSource.lesson_uid == lesson.uid, LessonSource.source_uid == row.source_uid
    )
    purpose = session.scalars(attached.limit(1)).first()
    return Origin(row, purpose or "", not package.withdrawn, b'"kind":"video"' in package.manifest)


def axis_of(session: Session, lesson: Lesson, source_uid: str, edit: tuple[Span, ...] | None) -> str | None:
    """The timeline on which this cut of this recording was published before: a cut that is taken back finds its own again."""
    wanted = None if edit is None else [list(span) for span in edit]
    found = session.execute(
        select(PackageOrigin, PackageRow.timeline_uid)
        .join(PackageRow, PackageRow.id == PackageOrigin.package_id)
        .where(PackageOrigin.lesson_uid == lesson.uid, PackageOrigin.source_uid == source_uid)
        .order_by(PackageRow.revision.desc())
    )
    return next((timeline for row, timeline in found if row.edit_list == wanted), None)


def is_same_recording(row: LessonSource, origin: Origin | None) -> bool:
    """Whether a recording is the one that is published, or the master of its light copy: cuts and voices fit both."""
    if origin is None or row.source_uid == origin.row.source_uid:
        return True
    return origin.purpose == "light" and row.purpose == "master"
