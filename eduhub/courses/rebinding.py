"""Write again what the disk has damaged of a lesson's package and no step makes: its index and playlists.

They are bound from rows at publishing, always to the same bytes, so binding once more brings them back.

This module must not know how damage is found, nor how tracks are made.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses import assembling, recordings
from eduhub.courses.models import Course, Lesson
from eduhub.delivery.blobs import remember
from eduhub.delivery.models import DamagedBlob, PackageRow, PartRow
from eduhub.errors import BlobMissing
from eduhub.installation import Installation


def rebind(session: Session, installation: Installation) -> int:
    """Put back what is bound of every lesson whose newest package lacks a damaged part; returns how many lessons."""
    lacking = (
        select(Lesson)
        .join(PartRow, PartRow.package_id == Lesson.package_id)
        .join(DamagedBlob, DamagedBlob.sha256 == PartRow.sha256)
        .where(DamagedBlob.mended_ms.is_(None), PartRow.held.is_(False), PartRow.wanted.is_(True))
    )
    lessons = session.scalars(lacking.distinct()).all()
    return sum(_rebind(session, installation, lesson) for lesson in lessons)


def _rebind(session: Session, installation: Installation, lesson: Lesson) -> bool:
    course, current = session.get_one(Course, lesson.course_uid), session.get(PackageRow, lesson.package_id)
    chosen = recordings.choose(session, lesson)
    if chosen is None:
        return False
    try:
        made = assembling.assemble(session, installation, lesson, course, chosen, current)
    except BlobMissing:  # a track of release 0.1 has to be read for that, and is damaged too
        return False
    for payload in made.payloads:
        remember(session, installation.blobs.put_bytes(payload))
    return True
