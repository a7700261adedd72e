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

from collections.abc import Sequence
from itertools import pairwise

from sqlalchemy import Select, case, func, or_, select, update
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.db import Database
from eduhub.delivery import package
from eduhub.delivery.blobs import Blob, BlobStore, remember
from eduhub.delivery.models import BlobRow, DamagedBlob, PackageRow, PartRow
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
        revision=found.revision, sequence=sequence, timeline_uid=found.timeline, manifest=manifest_bytes, signature=signature.as_json(),
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
    _recount_floor(session, row)


def reveal_present(session: Session, store: BlobStore, package_id: str) -> int:
    """Reveal every part whose blob is here already (an earlier revision had it, say); returns how many."""
    missing = session.scalars(
        select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.held.is_(False))
    ).all()
    present = [sha256 for sha256 in missing if store.has(sha256)]
    for sha256 in present:
        part_arrived(session, store, package_id, sha256)
    return len(present)


def parts_lost(session: Session, sha256: str) -> list[str]:
    """Write down that a blob can be read in no package any more; returns the packages that had it.

    It stays wanted there, so a box fetches it again. A lesson whose floor is not whole is not shown.
    """
    parts = session.scalars(select(PartRow).where(PartRow.sha256 == sha256, PartRow.held.is_(True))).all()
    for part in parts:
        part.held = False
        _recount_floor(session, session.get_one(PackageRow, part.package_id))
    return [part.package_id for part in parts]


def let_go(session: Session, package_id: str, sha256s: Sequence[str]) -> None:
    """Show some parts of a package no more, and want them no more. Unlinking them is the caller's, after the commit and later."""
    session.execute(
        update(PartRow).where(PartRow.package_id == package_id, PartRow.sha256.in_(sha256s)).values(held=False, wanted=False)
    )
    _recount_floor(session, session.get_one(PackageRow, package_id))


def reveal_returned(session: Session, store: BlobStore) -> int:
    """Reveal again every wanted part whose blob was damaged once and is back; returns how many."""
    present = [part for part in session.scalars(_returned()).all() if store.has(part.sha256)]
    for part in present:
        part_arrived(session, store, part.package_id, part.sha256)
    return len(present)


def any_returned(session: Session) -> bool:
    """Whether `reveal_returned` has something to do."""
    return session.scalars(_returned().limit(1)).first() is not None


def restore_manifest(session: Session, store: BlobStore, sha256: str) -> None:
    """Put a damaged blob back where it was the manifest of a package here: the package's row has the bytes."""
    row = session.get(PackageRow, sha256)
    if row is not None and sha256 in in_use(session):
        remember(session, store.put_bytes(row.manifest))
        store.link(sha256, sha256)


def in_use(session: Session) -> set[str]:
    """The names of every blob that a package here needs, or waits for: parts, and the manifests beside them."""
    needed = select(PartRow.sha256, PartRow.package_id).where(or_(PartRow.held.is_(True), PartRow.wanted.is_(True)))
    return {name for row in session.execute(needed) for name in row}


def current(session: Session, lesson_uid: str) -> PackageRow | None:
    """The newest package of a lesson that can be shown here."""
    shown = select(PackageRow).where(
        PackageRow.lesson_uid == lesson_uid, PackageRow.floor_held.is_(True), PackageRow.withdrawn.is_(False)
    )
    return session.scalars(shown.order_by(PackageRow.revision.desc(), PackageRow.id).limit(1)).first()


def withdrawn_lessons(session: Session, lesson_uids: Sequence[str]) -> set[str]:
    """Those lessons of which this machine knows packages, and every one was taken back."""
    counted = select(PackageRow.lesson_uid).where(PackageRow.lesson_uid.in_(lesson_uids)).group_by(PackageRow.lesson_uid)
    left = func.sum(case((PackageRow.withdrawn.is_(True), 0), else_=1))
    return set(session.scalars(counted.having(left == 0)))


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
    # The packages of years are among them, each with a long manifest: only those that hold something yet are read.
    has_parts = select(PartRow.sha256).where(
        PartRow.package_id == PackageRow.id, or_(PartRow.held.is_(True), PartRow.wanted.is_(True))
    )
    known = session.execute(
        select(
            PackageRow.id, PackageRow.withdrawn, PackageRow.superseded_steady_s,
            or_(PackageRow.floor_held.is_(True), has_parts.exists()),
        ).where(or_(PackageRow.withdrawn.is_(True), PackageRow.superseded_by.is_not(None)))
    ).all()  # fmt: skip
    gone = []
    for package_id, withdrawn, since, holds in known:
        if holds or (not withdrawn and since is None):
            row = session.get_one(PackageRow, package_id)
            is_over = row.withdrawn or _outlived(session, row, now, pass_hours)
            if is_over:
                _let_go(session, row)
        else:
            is_over = withdrawn or now >= (since or 0) + pass_hours * 3600
        if is_over:
            gone.append(package_id)
    session.flush()
    return gone


def clear_away(database: Database, store: BlobStore, *, now_steady_s: float, pass_hours: int) -> list[str]:
    """Retire what is due and unlink it; a timer calls this. Returns the packages that are gone.

    The blobs that nothing needs any more go later: see sweeping.py.
    """
    with database.write() as session:
        gone = retire(session, now_steady_s=now_steady_s, pass_hours=pass_hours)
    for package_id in gone:
        store.unlink_package(package_id)
    return gone


def _returned() -> Select[PartRow]:
    return (
        select(PartRow)
        .join(PackageRow, PackageRow.id == PartRow.package_id)
        .where(
            PartRow.held.is_(False), PartRow.wanted.is_(True), PackageRow.withdrawn.is_(False),
            PartRow.sha256.in_(select(DamagedBlob.sha256).where(DamagedBlob.mended_ms.is_not(None))),
            PartRow.sha256.in_(select(BlobRow.sha256)),
        )
    )  # fmt: skip


def _recount_floor(session: Session, row: PackageRow) -> None:
    session.flush()
    waiting = select(PartRow.sha256).where(
        PartRow.package_id == row.id, PartRow.is_floor.is_(True), PartRow.held.is_(False)
    )
    row.floor_held = session.scalar(waiting.limit(1)) is None
    session.flush()


def _let_go(session: Session, row: PackageRow) -> None:
    session.execute(
        update(PartRow)
        .where(PartRow.package_id == row.id, or_(PartRow.held.is_(True), PartRow.wanted.is_(True)))
        .values(held=False, wanted=False)
    )
    row.floor_held = False


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
