"""Node: which lessons this box wants, and getting their parts: every floor before any better part.

Wanted are the published lessons that a group of this school takes or has in its plan, and those that are
open to everybody. Manifests come first, then every lesson's floor, smallest parts first, then the
rungs that old phones can play, smallest first. A part that another revision brought is not fetched
again. When the disk is full or the link is cut, what arrived stays and the next round goes on.

This module must not know the protocol's addresses beyond a part's own (`link`).
"""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from eduhub import clock, logs
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery import catalog, holding
from eduhub.delivery.blobs import remember
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import MAX_MANIFEST_BYTES, Manifest, Part, id_of, piece_count
from eduhub.errors import BadFormat, BadSignature, DiskFull, HashMismatch, LinkDown, NotFound, PassRefused
from eduhub.installation import Installation
from eduhub.schools.models import Group
from eduhub.signing import Signature
from eduhub.sync import partial, reporting
from eduhub.sync.link import PREFIX, Body, Link
from eduhub.sync.models import FetchState

log = logs.logger(__name__)

PASSES_AT_ONCE = 100
# What a phone of ten years ago decodes. Other codecs are for a later release to ask for.
_PLAYABLE = ("avc1.", "mp4a.40.2")
# What is wrong with one part, and no reason to leave the others: the next round asks for it again.
_ONE_PARTS_FAULT = (HashMismatch, NotFound, PassRefused)


@dataclass
class Fetched:
    """What one round of fetching did."""

    parts: int = 0
    bytes: int = 0
    refused: list[str] = field(default_factory=list)  # packages the hub gave no pass for
    bad_pieces: int = 0
    disk_full: bool = False


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


def run(
    installation: Installation, link: Link, org_uid: str, today: str | None, on_progress: Callable[[float], None]
) -> Fetched:
    """Get what is wanted and missing. Raises LinkDown; everything that arrived until then is kept."""
    done = Fetched()
    with installation.database.read() as session:
        wanted = wanted_packages(session, org_uid, today)
        complete = _complete(session)
        missing = [package_id for package_id in wanted if package_id not in complete]
        # A package that the catalog does not speak of yet waits: the catalog alone says what is published.
        catalog_says = published(session) if missing else {}
    missing = [package_id for package_id in missing if package_id in catalog_says]
    passes = _passes(link, missing, done)
    try:
        manifests = {}
        for package_id, token in passes.items():
            manifest = _manifest(installation, link, catalog_says[package_id], token, wanted[package_id])
            if manifest is not None:
                manifests[package_id] = manifest
        with installation.database.read() as session:
            held = {(row.package_id, row.sha256) for row in session.scalars(select(PartRow).where(PartRow.held))}
        wants = plan(manifests, held)
        partial.sweep(installation.settings.data_dir / "work", _still_wanted(wants))
        _get_all(installation, link, passes, wants, done, on_progress)
    except DiskFull:
        done.disk_full = True
        log.warning("the disk is full")
        with contextlib.suppress(DiskFull), installation.database.write() as session:
            reporting.note_no_disk(session, installation)
    return done


def _complete(session: Session) -> set[str]:
    """Packages of which every wanted part is revealed."""
    waiting = set(
        session.scalars(select(PartRow.package_id).where(PartRow.held.is_(False), PartRow.wanted.is_(True)).distinct())
    )
    return set(session.scalars(select(PackageRow.id))) - waiting


def _still_wanted(wants: list[Want]) -> set[str]:
    return {want.sha256 for want in wants} | {want.pieces for want in wants if want.pieces}


def _passes(link: Link, missing: list[str], done: Fetched) -> dict[str, str]:
    passes: dict[str, str] = {}
    for at in range(0, len(missing), PASSES_AT_ONCE):
        answer = link.post_json(f"{PREFIX}/passes", {"packages": missing[at : at + PASSES_AT_ONCE]})
        granted = answer.get("passes")
        if not isinstance(granted, dict):
            raise BadFormat("the hub answers with passes")
        passes |= {name: value for name, value in granted.items() if name in missing and isinstance(value, str)}
    done.refused = [package_id for package_id in missing if package_id not in passes]
    return {package_id: passes[package_id] for package_id in missing if package_id in passes}


def _manifest(
    installation: Installation, link: Link, published: Published, token: str, course_uid: str
) -> Manifest | None:
    """The manifest of a package, from here or from the hub, taken in; None when it may not be trusted."""
    package_id = published.package_id
    with installation.database.read() as session:
        row = session.get(PackageRow, package_id)
        if row is not None:
            return Manifest.from_bytes(row.manifest)
    try:
        received = link.part(f"/p/{package_id}/{package_id}", token=token, max_bytes=MAX_MANIFEST_BYTES)
    except _ONE_PARTS_FAULT as error:
        log.warning("a manifest could not be had", package=package_id, error_code=error.code)
        return None
    if id_of(received) != package_id:
        # Cut short or changed on the way: the next round asks again.
        log.warning("a manifest came wrong", package=package_id)
        return None
    try:
        with installation.database.write() as session:
            holding.hold(
                session, installation.blobs, received, Signature.from_json(published.signature),
                course_uid=course_uid, sequence=published.sequence,
            )  # fmt: skip
            manifest = Manifest.from_bytes(received)
            unwanted = {part.sha256 for part in manifest.parts if not is_wanted(part)}
            unwanted |= {part.pieces for part in manifest.parts if part.pieces and not is_wanted(part)}
            for part in session.scalars(select(PartRow).where(PartRow.package_id == package_id)):
                part.wanted = part.sha256 not in unwanted
            holding.reveal_present(session, installation.blobs, package_id)
    except (BadFormat, BadSignature) as error:
        log.warning("a package was refused", package=package_id, error_code=error.code)
        return None
    return manifest


def _get_all(
    installation: Installation, link: Link, passes: dict[str, str], wants: list[Want], done: Fetched,
    on_progress: Callable[[float], None],
) -> None:  # fmt: skip
    total = sum(want.bytes for want in wants) or 1
    finished = 0
    for want in wants:

        def came(count: int, before: int = finished) -> None:
            done.bytes += count
            on_progress(min(1.0, before / total))

        token = passes[want.package_id]
        try:
            if want.pieces:
                _get(installation, link, token, want.package_id, want.pieces, 32 * piece_count(want.bytes), None, came, done)
                pieces = installation.blobs.open(want.pieces)
                with pieces:
                    hashes = pieces.read()
                _get(installation, link, token, want.package_id, want.sha256, want.bytes, hashes, came, done)
            else:
                _get(installation, link, token, want.package_id, want.sha256, want.bytes, None, came, done)
        except _ONE_PARTS_FAULT as error:
            log.warning("a part could not be had", package=want.package_id, part=want.sha256, error_code=error.code)
        finished += want.bytes
        on_progress(min(1.0, finished / total))


def _get(
    installation: Installation, link: Link, token: str, package_id: str, sha256: str, size: int,
    pieces: bytes | None, came: Callable[[int], None], done: Fetched,
) -> None:  # fmt: skip
    """One blob, from where its file ends, into the store, and then revealed."""
    if not installation.blobs.has(sha256):
        part = partial.PartFile(installation.settings.data_dir / "work", sha256, size, pieces)

        def open_range(first: int, end: int | None) -> AbstractContextManager[Body]:
            return link.range(f"/p/{package_id}/{sha256}", token=token, first=first, end=end)

        try:
            part.receive(open_range, came)
        except (LinkDown, DiskFull):
            _note(installation, part)
            raise
        finally:
            done.bad_pieces += part.bad_pieces
        blob = installation.blobs.put_file(part.path, expect=sha256)
        done.parts += 1
    else:
        blob = None
    with installation.database.write() as session:
        if blob is not None:
            remember(session, blob)
            state = session.get(FetchState, sha256)
            if state is not None:
                session.delete(state)
        was_whole = session.get_one(PackageRow, package_id).floor_held
        holding.part_arrived(session, installation.blobs, package_id, sha256)
        if not was_whole and session.get_one(PackageRow, package_id).floor_held:
            reporting.note(session, installation, "arrived", package_id=package_id)


def _note(installation: Installation, part: partial.PartFile) -> None:
    """Write down how far a blob is, for the page that shows it; the file alone decides where to go on."""
    with installation.database.write() as session:
        state = session.get(FetchState, part.sha256)
        if state is None:
            state = FetchState(sha256=part.sha256, bad_pieces=0, made_ms=clock.now_ms())
            session.add(state)
        state.bytes, state.verified_pieces = part.held(), 0
        state.bad_pieces += part.bad_pieces
