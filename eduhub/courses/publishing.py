"""From a prepared source to a package in the catalog, and back out again.

`submitted` means: a teacher has pressed publish; the lesson goes out as soon as its video is
prepared. A published lesson gets a next revision whenever a newer source is prepared, or its texts
were changed and publish is pressed again. What has not changed makes no new revision.

The entries this appends to the catalog are described in docs/formats/lessons.md.

This module must not know how media is prepared, nor who may publish.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock, logs
from eduhub.accounts import audit
from eduhub.courses import editing
from eduhub.courses.models import Course, Lesson, LessonSource
from eduhub.delivery import catalog, holding, keys, package
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest, Part
from eduhub.errors import BlobMissing, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.media.models import Rendition, Source
from eduhub.uids import new_uid

log = logs.logger(__name__)

_PICTURE_PURPOSES = ("master", "light")


def after_preparing(lesson_uid: str) -> dict[str, Any]:
    """The job that follows when a file of this lesson is prepared, as an upload intent carries it."""
    return {"kind": "courses.publish_if_ready", "args": {"lesson_uid": lesson_uid}}


def publish_if_ready(context: JobContext, lesson_uid: str) -> None:
    """The job after a source was prepared: publish the lesson if its teacher wants that. Safe to repeat."""
    with context.installation.database.write() as session:
        lesson = session.get(Lesson, lesson_uid, with_for_update=True)
        if lesson is None:
            log.warning("a lesson to publish is gone", lesson=lesson_uid)
        elif lesson.state in {"submitted", "published"}:
            _publish(session, context.installation, lesson)


def publish(session: Session, installation: Installation, lesson_uid: str, by_uid: str | None) -> PackageRow | None:
    """A teacher publishes a lesson: at once when its video is prepared, else as soon as it is (then None).

    Raises NotFound, and KeyMissing where no publishing key is.
    """
    lesson = _locked(session, lesson_uid)
    audit.note(session, "lesson.publish", by_uid=by_uid, org_uid=lesson.org_uid, subject_uid=lesson_uid)
    if lesson.state != "published":
        lesson.state = "submitted"
    return _publish(session, installation, lesson)


def withdraw(session: Session, installation: Installation, lesson_uid: str, by_uid: str | None) -> Lesson:
    """Take a lesson back everywhere; one that was never published becomes a draft. Raises NotFound."""
    lesson = _locked(session, lesson_uid)
    audit.note(session, "lesson.withdraw", by_uid=by_uid, org_uid=lesson.org_uid, subject_uid=lesson_uid)
    if lesson.package_id is None:
        lesson.state = "draft"
    elif lesson.state != "withdrawn":
        lesson.state = "withdrawn"
        for package_id in session.scalars(select(PackageRow.id).where(PackageRow.lesson_uid == lesson_uid)):
            holding.withdraw(session, package_id)
        body = {
            "lesson": lesson.uid, "course": lesson.course_uid, "org": lesson.org_uid,
            "package": lesson.package_id, "revision": lesson.revision,
        }  # fmt: skip
        catalog.append(session, installation.keys, "withdraw", body)
    session.flush()
    return lesson


def ready_source(session: Session, lesson_uid: str) -> LessonSource | None:
    """The source that a package would be made of now: the newest prepared one, a master before a light one."""
    found = session.scalars(
        select(LessonSource)
        .join(Source, Source.uid == LessonSource.source_uid)
        .where(
            LessonSource.lesson_uid == lesson_uid,
            LessonSource.purpose.in_(_PICTURE_PURPOSES),
            LessonSource.replaced_on.is_(None),
            Source.state == "prepared",
            select(Rendition.name).where(Rendition.source_uid == Source.uid).exists(),
        )
    ).all()
    return max(found, key=lambda row: (row.purpose == "master", _attached(session, row)), default=None)


# --- inside -------------------------------------------------------------------------


def _publish(session: Session, installation: Installation, lesson: Lesson) -> PackageRow | None:
    course = session.get(Course, lesson.course_uid)
    if course is None:
        raise NotFound(f"lesson {lesson.uid} has no course")
    source = ready_source(session, lesson.uid)
    if source is None:
        session.flush()
        return None
    _replace_older(session, lesson, source)
    current = session.get(PackageRow, lesson.package_id) if lesson.package_id is not None else None
    manifest = _manifest(session, lesson, course, source, current)
    if current is not None and not current.withdrawn and _says_the_same(manifest, Manifest.from_bytes(current.manifest)):
        lesson.state = "published"
        session.flush()
        return current
    return _bring_out(session, installation, lesson, course, manifest)


def _bring_out(
    session: Session, installation: Installation, lesson: Lesson, course: Course, manifest: Manifest
) -> PackageRow:
    written = manifest.to_bytes()
    signature = package.sign(written, installation.keys.publishing)
    row = holding.hold(session, installation.blobs, written, signature, course_uid=course.uid)
    holding.reveal_present(session, installation.blobs, row.id)
    if not row.floor_held:
        raise BlobMissing(f"package {row.id} of lesson {lesson.uid} lacks a part")
    body: dict[str, Any] = {
        "lesson": lesson.uid, "course": course.uid, "org": lesson.org_uid, "package": row.id,
        "revision": manifest.revision, "timeline": manifest.timeline, "audience": course.audience,
        "listed": list(course.listed_org_uids or []) if course.audience == "listed" else [],
        "manifest_bytes": len(written), "floor_bytes": manifest.total_bytes(floor=True),
        "total_bytes": manifest.total_bytes(), "supersedes": manifest.supersedes, "signature": signature.as_json(),
    }  # fmt: skip
    catalog.append(session, installation.keys, "publish" if manifest.supersedes is None else "supersede", body)
    lesson.state, lesson.package_id, lesson.revision = "published", row.id, manifest.revision
    session.flush()
    log.info("package published", package=row.id, lesson=lesson.uid, revision=manifest.revision, bytes=body["total_bytes"])
    return row


def _replace_older(session: Session, lesson: Lesson, source: LessonSource) -> None:
    """Sources that this one replaces are used no more; another recording is another time axis."""
    others = session.scalars(
        select(LessonSource).where(
            LessonSource.lesson_uid == lesson.uid,
            LessonSource.purpose == source.purpose,
            LessonSource.uid != source.uid,
            LessonSource.replaced_on.is_(None),
        )
    ).all()
    older = [row for row in others if _attached(session, row) < _attached(session, source)]
    for row in older:
        row.replaced_on = clock.now().date().isoformat()
    if older and lesson.package_id is not None:
        lesson.timeline_uid = new_uid()


def _attached(session: Session, row: LessonSource) -> tuple[int, str]:
    """The row's place among the sources of its lesson: by the log's counter, which no wrong clock moves."""
    written = changes.versions(session, LessonSource.__tablename__, row.uid)
    return max((change.counter for change in written if change.field == "source_uid"), default=0), row.uid


def _manifest(
    session: Session, lesson: Lesson, course: Course, source: LessonSource, current: PackageRow | None
) -> Manifest:
    renditions = session.scalars(
        select(Rendition).where(Rendition.source_uid == source.source_uid).order_by(Rendition.name)
    )
    parts = tuple(
        Part.from_json({**rendition.facts, "name": rendition.name, "sha256": rendition.sha256})
        for rendition in renditions
    )
    return Manifest(
        hub=keys.keyring(session).hub_uid, lesson=lesson.uid, course=course.uid, org=lesson.org_uid,
        revision=lesson.revision + 1, timeline=lesson.timeline_uid,
        supersedes=current.id if current is not None else None, language=lesson.language,
        titles=lesson.titles, texts=lesson.texts, audience=course.audience,
        duration_ms=max((part.duration_ms or 0 for part in parts), default=0), parts=parts,
    )  # fmt: skip


def _says_the_same(new: Manifest, held: Manifest) -> bool:
    """Whether two manifests differ in nothing but their place in the row of revisions."""

    def content(manifest: Manifest) -> dict[str, Any]:
        return {
            "timeline": manifest.timeline, "language": manifest.language, "titles": dict(manifest.titles),
            "texts": dict(manifest.texts), "audience": manifest.audience, "course": manifest.course,
            "parts": sorted((part.as_json() for part in manifest.parts), key=lambda part: str(part["name"])),
        }  # fmt: skip

    return content(new) == content(held)


def _locked(session: Session, lesson_uid: str) -> Lesson:
    session.get(Lesson, lesson_uid, with_for_update=True)
    return editing.find_lesson(session, lesson_uid)
