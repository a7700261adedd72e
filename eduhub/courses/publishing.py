"""From prepared recordings to a package in the catalog, and back out again.

`submitted` means: a teacher has pressed publish; the lesson goes out as soon as its floor (sound and
pictures) is ready. Each further rendition, a newer recording and another cut make its next revision by
themselves; changed texts do when publish is pressed again. What has not changed makes no new revision.

The entries this appends to the catalog are described in docs/formats/lessons.md.

This module must not know how media is prepared, nor who may publish.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock, logs
from eduhub.accounts import audit
from eduhub.courses import assembling, editing, recordings, reviewing
from eduhub.courses.assembling import Assembled
from eduhub.courses.models import Course, Lesson, PackageOrigin
from eduhub.courses.origins import Origin, axis_of, is_same_recording, origin_of
from eduhub.courses.recordings import Chosen
from eduhub.delivery import blobs, catalog, holding, package
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BadInput, BlobMissing, NotFound, ReviewChanged
from eduhub.installation import Installation, JobContext
from eduhub.uids import new_uid

log = logs.logger(__name__)


def publish_if_ready(context: JobContext, lesson_uid: str) -> None:
    """The job after each finished step: publish what is there if the lesson's teacher wants that. Safe to repeat."""
    with changes.writing(context.installation.database) as session:
        lesson = session.get(Lesson, lesson_uid, with_for_update=True)
        if lesson is None:
            log.warning("a lesson to publish is gone", lesson=lesson_uid)
            return
        recordings.order(session, lesson_uid)
        if lesson.state in {"submitted", "published"}:
            _go_on(session, context.installation, lesson)


def publish(session: Session, installation: Installation, lesson_uid: str, by_uid: str | None) -> PackageRow | None:
    """A teacher publishes a lesson: at once when its video is prepared, else as soon as it is (then None).

    In a course that asks for review the lesson is handed in instead, and None returned. Raises NotFound, and KeyMissing
    where no publishing key is.
    """
    lesson = _locked(session, lesson_uid)
    if _course_of(session, lesson).asks_review:
        reviewing.hand_in(session, lesson, by_uid)
        recordings.order(session, lesson_uid)
        return None
    audit.note(session, "lesson.publish", by_uid=by_uid, org_uid=lesson.org_uid, subject_uid=lesson_uid)
    if lesson.state != "published":
        lesson.state = "submitted"
    recordings.order(session, lesson_uid)
    return _publish(session, installation, lesson)


def renew(session: Session, installation: Installation, lesson_uid: str, by_uid: str | None) -> PackageRow | None:
    """What was changed beside the video of a published lesson goes out at once; any other stays as it is. Raises NotFound."""
    if editing.find_lesson(session, lesson_uid).state != "published":
        return None
    return publish(session, installation, lesson_uid, by_uid)


def publish_reviewed(
    session: Session, installation: Installation, lesson_uid: str, by_uid: str | None, *, seen: str
) -> PackageRow:
    """A reviewer publishes what they have looked at (`reviewing.seen_now`).

    Raises NotFound, BadInput while nothing is prepared, and ReviewChanged when it would be something else by now.
    """
    lesson = _locked(session, lesson_uid)
    if reviewing.seen_now(session, lesson, recordings.choose(session, lesson)) != seen:
        raise ReviewChanged
    audit.note(session, "lesson.publish", by_uid=by_uid, org_uid=lesson.org_uid, subject_uid=lesson_uid)
    reviewing.take_words(session, lesson)
    row = _publish(session, installation, lesson)
    if row is None:
        raise BadInput("nothing of the lesson is prepared yet")
    reviewing.passed(session, lesson, by_uid)
    return row


def withdraw(session: Session, installation: Installation, lesson_uid: str, by_uid: str | None) -> Lesson:
    """Take a lesson back everywhere; one that was never published becomes a draft. Raises NotFound."""
    lesson = _locked(session, lesson_uid)
    audit.note(session, "lesson.withdraw", by_uid=by_uid, org_uid=lesson.org_uid, subject_uid=lesson_uid)
    reviewing.call_off(session, lesson)
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


# --- inside -------------------------------------------------------------------------


def _course_of(session: Session, lesson: Lesson) -> Course:
    course = session.get(Course, lesson.course_uid)
    if course is None:
        raise NotFound(f"lesson {lesson.uid} has no course")
    return course


def _go_on(session: Session, installation: Installation, lesson: Lesson) -> None:
    """Publish what came since, or have it looked at where the course asks for that."""
    course, chosen = _course_of(session, lesson), recordings.choose(session, lesson)
    if chosen is None or not course.asks_review or _was_looked_at(session, installation, lesson, course, chosen):
        _publish(session, installation, lesson)
        return
    if lesson.state == "submitted":  # publish was pressed before the course asked for review
        lesson.state = "draft" if lesson.package_id is None else "withdrawn"
    reviewing.hand_in(session, lesson, None)


def _was_looked_at(
    session: Session, installation: Installation, lesson: Lesson, course: Course, chosen: Chosen
) -> bool:
    """Whether the next package would show what is published already, in more or better renditions."""
    current = session.get(PackageRow, lesson.package_id) if lesson.package_id is not None else None
    if current is None or lesson.state != "published" or not reviewing.is_same_lecture(chosen, origin_of(session, lesson)):
        return False
    made = assembling.assemble(session, installation, lesson, course, chosen, current)
    return reviewing.has_same_words(made.manifest, Manifest.from_bytes(current.manifest))


def _publish(session: Session, installation: Installation, lesson: Lesson) -> PackageRow | None:
    course = _course_of(session, lesson)
    origin, chosen = origin_of(session, lesson), recordings.choose(session, lesson)
    if chosen is None:
        session.flush()
        return None
    _take_over(session, lesson, chosen, origin)
    current = session.get(PackageRow, lesson.package_id) if lesson.package_id is not None else None
    made = assembling.assemble(session, installation, lesson, course, chosen, current)
    if current is None or current.withdrawn or not assembling.says_the_same(
        made.manifest, Manifest.from_bytes(current.manifest)
    ):
        current = _bring_out(session, installation, lesson, course, made)
    lesson.state = "published"
    _remember_origin(session, lesson, current.id, chosen)
    session.flush()
    return current


def _bring_out(
    session: Session, installation: Installation, lesson: Lesson, course: Course, made: Assembled
) -> PackageRow:
    manifest = made.manifest
    for payload in made.payloads:
        blobs.remember(session, installation.blobs.put_bytes(payload))
    catalog.state(session, lock=True)  # so that the key that signs here is not revoked before the entry stands
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
    entry = catalog.append(session, installation.keys, "publish" if manifest.supersedes is None else "supersede", body)
    row.sequence = entry.sequence
    lesson.package_id, lesson.revision = row.id, manifest.revision
    session.flush()
    log.info("package published", package=row.id, lesson=lesson.uid, revision=manifest.revision, bytes=body["total_bytes"])
    return row


def _take_over(session: Session, lesson: Lesson, chosen: Chosen, origin: Origin | None) -> None:
    """Write down what the recordings that are used now replace, and whether the time axis is another one."""
    today = clock.now().date().isoformat()
    older = recordings.older_than(session, chosen.main)
    for row in (*older, *recordings.left_behind(session, lesson, chosen, origin)):
        row.replaced_on = today
        recordings.put_aside(session, row)
    edit = chosen.main.recipe.edit
    is_same = is_same_recording(chosen.main.attached, origin)
    if origin is None:  # a first package, or one of which it is not known what it was made of
        is_same = lesson.package_id is None or not older
    elif edit != origin.edit:
        is_same = False
    if not is_same:
        lesson.timeline_uid = axis_of(session, lesson, chosen.main.key[0], edit) or new_uid()
    if origin is not None and not is_same_recording(chosen.main.attached, origin):
        lesson.edit_list = None  # it was written for the recording before
    session.flush()


def _remember_origin(session: Session, lesson: Lesson, package_id: str, chosen: Chosen) -> None:
    edit = chosen.main.recipe.edit
    session.merge(PackageOrigin(
        package_id=package_id, lesson_uid=lesson.uid, source_uid=chosen.main.key[0], recipe=chosen.main.key[1],
        edit_list=None if edit is None else [list(span) for span in edit], voices=[list(used.key) for used in chosen.voices],
    ))  # fmt: skip


def _locked(session: Session, lesson_uid: str) -> Lesson:
    session.flush()  # it is read anew: a worker may have published it since the caller read it
    session.get(Lesson, lesson_uid, with_for_update=True, populate_existing=True)
    return editing.find_lesson(session, lesson_uid)
