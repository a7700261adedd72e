"""Which packages and parts this machine holds, and when an old one goes.

A part is revealed in one order: the blob is on disk, its row is written, the hard link in the
package's folder is made, the part's row says `held`. It goes in the other order, with a commit
between the rows and the files. So whatever a crash interrupts, a row never promises bytes that are
not here, and a lesson is shown only when its floor is.

A package that was superseded keeps its parts until its successor's floor is held and every pass
that was made for it has ended: `retire` first notes the steady second at which it saw the successor
ready (pages make passes for the successor from then on) and lets go after the hours a pass lasts.

This module must not know the catalog, the link or who reads. See docs/formats/packages.md.
"""

from itertools import pairwise

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session, aliased

from eduhub import clock
from eduhub.db import Database
from eduhub.delivery import package
from eduhub.delivery.blobs import Blob, BlobStore, remember
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.delivery.trust import keyring
from eduhub.errors import BadSignature, HashMismatch, NotFound
from eduhub.signing import Signature

PIECES_KIND = "pieces"


def hold(
    session: Session, store: BlobStore, manifest_bytes: bytes, signature: Signature, *,
    course_uid: str | None = None, sequence: int | None = None,
) -> PackageRow:  # fmt: skip
    """Take in a signed manifest: rows of the package and of every part, none of them revealed. Safe to repeat.

    `sequence` is that of its publish entry, where there is one already; `course_uid` overrides the
    manifest's. Raises BadFormat, BadSignature, DiskFull.
    """
    found = package.Manifest.from_bytes(manifest_bytes)
    ring = keyring(session)
    package.verify(manifest_bytes, signature, ring, sequence=sequence)
    if found.hub != ring.hub_uid:
        raise BadSignature("a package of another hub")
    row = session.get(PackageRow, package.id_of(manifest_bytes))
    if row is not None:
        return row
    blob = store.put_bytes(manifest_bytes)
    remember(session, blob)
    store.link(blob.sha256, blob.sha256)
    row = PackageRow(
        id=blob.sha256, lesson_uid=found.lesson, course_uid=course_uid or found.course, org_uid=found.org,
        revision=found.revision, timeline_uid=found.timeline, manifest=manifest_bytes, signature=signature.as_json(),
        floor_held=False, superseded_by=None, superseded_steady_s=None, withdrawn=False, made_ms=clock.now_ms(),
    )  # fmt: skip
    session.add(row)
    session.add_all(_part_rows(row.id, found))
    session.flush()
    _note_succession(session, row.lesson_uid)
    return row


def part_arrived(session: Session, store: BlobStore, package_id: str, sha256: str) -> None:
    """Reveal one part whose blob is in the store: blob row, hard link, part row last. Safe to repeat.

    Raises NotFound when the package has no such part, BlobMissing when the blob is not here,
    HashMismatch when it has another size than the manifest says.
    """
    part = session.get(PartRow, (package_id, sha256))
    row = session.get(PackageRow, package_id)
    if part is None or row is None:
        raise NotFound(f"package {package_id} has no part {sha256}")
    if row.withdrawn:
        return
    size = store.path(sha256).stat().st_size
    if size != part.bytes:
        raise HashMismatch(f"{sha256} has {size} bytes, the manifest says {part.bytes}")
    remember(session, Blob(sha256, size))
    store.link(package_id, sha256)
    part.held = True
    session.flush()
    waiting = select(PartRow.sha256).where(
        PartRow.package_id == package_id, PartRow.is_floor.is_(True), PartRow.held.is_(False)
    )
    row.floor_held = session.scalar(waiting.limit(1)) is None
    session.flush()


def reveal_present(session: Session, store: BlobStore, package_id: str) -> int:
    """Reveal every part whose blob is here already (an earlier revision had it, say); returns how many."""
    missing = session.scalars(
        select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.held.is_(False))
    ).all()
    present = [sha256 for sha256 in missing if store.has(sha256)]
    for sha256 in present:
        part_arrived(session, store, package_id, sha256)
    return len(present)


def current(session: Session, lesson_uid: str) -> PackageRow | None:
    """The newest package of a lesson that can be shown here."""
    shown = select(PackageRow).where(
        PackageRow.lesson_uid == lesson_uid, PackageRow.floor_held.is_(True), PackageRow.withdrawn.is_(False)
    )
    return session.scalars(shown.order_by(PackageRow.revision.desc(), PackageRow.id).limit(1)).first()


def withdraw(session: Session, package_id: str) -> None:
    """Show the package no more, at once; `clear_away` then takes its files. Safe to repeat and for unknown ones."""
    row = session.get(PackageRow, package_id)
    if row is not None:
        row.withdrawn = True
        session.flush()


def retire(session: Session, *, now_steady_s: float, pass_hours: int) -> list[str]:
    """Let go of what was withdrawn, or superseded long enough ago; returns the packages that hold no part now.

    After the commit the caller unlinks them (`clear_away` does both). Those of earlier calls are named
    again, because a crash may have come between the commit and the unlinking.
    """
    now = int(now_steady_s)
    rows = session.scalars(
        select(PackageRow).where(or_(PackageRow.withdrawn.is_(True), PackageRow.superseded_by.is_not(None)))
    ).all()
    gone = []
    for row in rows:
        if not row.withdrawn and not _outlived(session, row, now, pass_hours):
            continue
        gone.append(row.id)
        session.execute(
            update(PartRow)
            .where(PartRow.package_id == row.id, or_(PartRow.held.is_(True), PartRow.wanted.is_(True)))
            .values(held=False, wanted=False)
        )
        row.floor_held = False
    session.flush()
    return gone


def forget_unneeded(session: Session) -> list[str]:
    """Delete the rows of blobs that only retired packages had; returns their names, for `store.remove` after the commit."""
    other = aliased(PartRow)
    in_use = select(other.sha256).where(
        other.sha256 == PartRow.sha256, or_(other.held.is_(True), other.wanted.is_(True))
    )
    unneeded = sorted(set(session.scalars(
        select(PartRow.sha256).join(BlobRow, BlobRow.sha256 == PartRow.sha256).where(~in_use.exists())
    )))  # fmt: skip
    for sha256 in unneeded:
        session.execute(delete(BlobRow).where(BlobRow.sha256 == sha256))
    return unneeded


def clear_away(
    database: Database, store: BlobStore, *, now_steady_s: float, pass_hours: int, forget_blobs: bool
) -> list[str]:
    """Retire what is due and unlink it; a timer calls this. Returns the packages that are gone.

    `forget_blobs` is for a node: its blobs serve packages only. A hub's serve sources and renditions too.
    """
    with database.write() as session:
        gone = retire(session, now_steady_s=now_steady_s, pass_hours=pass_hours)
        unneeded = forget_unneeded(session) if forget_blobs else []
    for package_id in gone:
        store.unlink_package(package_id)
    if unneeded:
        # A row that came back in the meantime means that somebody fetched the blob again.
        with database.write() as session:
            for sha256 in unneeded:
                if session.get(BlobRow, sha256) is None:
                    store.remove(sha256)
    return gone


def _outlived(session: Session, row: PackageRow, now: int, pass_hours: int) -> bool:
    """Whether no pass on a superseded package can be alive; notes the time at which that starts to run."""
    if row.superseded_steady_s is None:
        successor = current(session, row.lesson_uid)
        if successor is not None and successor.revision > row.revision:
            row.superseded_steady_s = now
        return False
    return now >= row.superseded_steady_s + pass_hours * 3600


def _note_succession(session: Session, lesson_uid: str) -> None:
    """Every package of a lesson but the newest is superseded by the next one held here, whatever order they came in."""
    rows = session.scalars(
        select(PackageRow).where(PackageRow.lesson_uid == lesson_uid).order_by(PackageRow.revision, PackageRow.id)
    ).all()
    for row, following in pairwise(rows):
        if following.revision > row.revision:
            row.superseded_by = following.id
    session.flush()


def _part_rows(package_id: str, found: package.Manifest) -> list[PartRow]:
    floor = {part.sha256 for part in found.floor_parts}
    wanted = {part.sha256: (part.kind, part.bytes, part.sha256 in floor) for part in found.parts}
    wanted |= {part.pieces: (PIECES_KIND, part.piece_list_bytes, False) for part in found.parts if part.pieces}
    return [
        PartRow(package_id=package_id, sha256=sha256, kind=kind, bytes=size, is_floor=is_floor, wanted=True, held=False)
        for sha256, (kind, size, is_floor) in wanted.items()
    ]
