"""A preview: what a lesson would be if it were published now, for those who make and review it.

It lies in a folder of its own like a package, so that the same lane sends it; but no row and no catalog know of it, its
manifest is not signed, and the sweeping takes it away within hours as it takes whatever nothing refers to.

This module must not know who may look, nor pages.
"""

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from eduhub.courses import assembling, recordings
from eduhub.courses.models import Course, Lesson
from eduhub.delivery import package
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import NotFound
from eduhub.installation import Installation


@dataclass(frozen=True)
class Preview:
    """A manifest that can be looked at, and whether it is what children see already."""

    package_id: str
    manifest: Manifest
    is_published: bool


def make(session: Session, installation: Installation, lesson: Lesson) -> Preview:
    """The newest of a lesson that can be shown: what is prepared, else what is published. Raises NotFound for neither."""
    current = session.get(PackageRow, lesson.package_id) if lesson.package_id is not None else None
    held = Manifest.from_bytes(current.manifest) if current is not None and current.floor_held else None
    course, chosen = session.get(Course, lesson.course_uid), recordings.choose(session, lesson)
    if course is not None and chosen is not None:
        made = assembling.assemble(session, installation, lesson, course, chosen, current)
        if held is None or not assembling.says_the_same(made.manifest, held):
            return _lay_out(installation, made)
    if current is None or held is None:
        raise NotFound(f"nothing of lesson {lesson.uid} is prepared yet")
    return Preview(current.id, held, is_published=lesson.state == "published")


def _lay_out(installation: Installation, made: assembling.Assembled) -> Preview:
    """Put it where the lane looks. It has another id than the package that it would become, which must not go with it."""
    manifest = replace(made.manifest, extra={**made.manifest.extra, "preview": True})
    written, store = manifest.to_bytes(), installation.blobs
    package_id = package.id_of(written)
    for payload in (*made.payloads, written):
        store.put_bytes(payload)
    for name in {package_id, *(part.sha256 for part in manifest.parts)}:
        store.link(package_id, name)
    return Preview(package_id, manifest, is_published=False)
