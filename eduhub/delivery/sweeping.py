"""Blobs, and folders of packages, that nothing needs any more, or that a crash left behind, go here and nowhere else.

Nobody counts references: who refers to blobs says which (`in_use`), and the rest is unneeded. Between
the bytes and the transaction that refers to them a blob looks unneeded too, so nothing goes at first
sight: it must have been unneeded at two looks at least an hour of running time apart, and untouched between
them (`BlobStore.mark`). The row goes first, and is committed; the file an hour later, when a last look under
the blob's lock finds that still nobody has taken it.

What was seen is noted in a file of its own. Should that be lost, everything stays an hour longer.

This module must not know who refers to blobs, beside the packages here.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from eduhub.db import Database
from eduhub.delivery import holding
from eduhub.delivery.blobs import BlobStore, Mark
from eduhub.delivery.models import BlobRow, DamagedBlob, PackageRow, ReleaseRow

REST_S = 3600
_AT_ONCE = 200  # rows in one transaction, for others wait meanwhile

# Who refers to blobs, in the transaction that is handed in.
Referrer = Callable[[Session], Iterable[str]]


@dataclass
class Swept:
    """What one look did away with."""

    rows: int = 0
    blobs: int = 0
    bytes: int = 0
    packages: int = 0


@dataclass
class Seen:
    """What looked unneeded at earlier looks: since which steady second, and with which mark."""

    rows: dict[str, float] = field(default_factory=dict)
    blobs: dict[str, tuple[float, Mark]] = field(default_factory=dict)
    packages: dict[str, tuple[float, Mark]] = field(default_factory=dict)


def run(
    database: Database, store: BlobStore, notes: Path, *, now_steady_s: float, referrers: Sequence[Referrer] = ()
) -> Swept:
    """Look once; a timer calls this. `referrers` are those beside the packages; `notes` is the file of the looks."""
    seen, swept = _read(notes), Swept()

    def needed(session: Session) -> set[str]:
        return holding.in_use(session).union(*(referrer(session) for referrer in referrers))

    _sweep_rows(database, seen, swept, needed, now_steady_s)
    _sweep_blobs(database, store, seen, swept, needed, now_steady_s)
    _sweep_packages(database, store, seen, swept, now_steady_s)
    _drop_damaged(database, store, needed)
    _write(notes, seen)
    return swept


def _sweep_rows(
    database: Database, seen: Seen, swept: Swept, needed: Callable[[Session], set[str]], now_s: float
) -> None:
    with database.read() as session:
        unneeded = sorted(set(session.scalars(select(BlobRow.sha256))) - needed(session))
    seen.rows = {name: _since(seen.rows.get(name), now_s) for name in unneeded}
    due = [name for name, since in seen.rows.items() if now_s >= since + REST_S]
    for at in range(0, len(due), _AT_ONCE):
        with database.write() as session:
            # Locked first and asked about then: who remembers a blob meanwhile waits, and finds its row gone. What
            # somebody remembers at this moment is needed, and he may be waiting for another of these.
            rows = session.scalars(
                select(BlobRow).where(BlobRow.sha256.in_(due[at : at + _AT_ONCE])).with_for_update(skip_locked=True)
            ).all()
            still_needed = needed(session)
            for row in rows:
                if row.sha256 not in still_needed:
                    session.delete(row)
                    swept.rows += 1


def _sweep_blobs(
    database: Database, store: BlobStore, seen: Seen, swept: Swept, needed: Callable[[Session], set[str]], now_s: float
) -> None:
    with database.read() as session:
        # What is referred to stays, also without a row: that would be somebody's mistake, and not one to make worse.
        kept = set(session.scalars(select(BlobRow.sha256))) | needed(session)
    before, seen.blobs = seen.blobs, {}
    for name in store.names():
        mark = store.mark(name)
        if name in kept or mark is None:
            continue
        since = _untouched_since(before.get(name), mark, now_s)
        if now_s >= since + REST_S:
            size = store.path(name).stat().st_size
            if store.remove_untouched(name, mark, lambda name=name: not _has_row(database, name)):  # type: ignore[misc]
                swept.blobs += 1
                swept.bytes += size
                continue
        seen.blobs[name] = (since, mark)


def _sweep_packages(database: Database, store: BlobStore, seen: Seen, swept: Swept, now_s: float) -> None:
    with database.read() as session:
        known = set(session.scalars(select(PackageRow.id))) | set(session.scalars(select(ReleaseRow.id)))
    before, seen.packages = seen.packages, {}
    for package_id, mark in list(store.packages()):
        if package_id in known:
            continue
        since = _untouched_since(before.get(package_id), mark, now_s)
        if now_s >= since + REST_S and store.unlink_untouched(
            package_id, mark, lambda package_id=package_id: not _has_package(database, package_id)  # type: ignore[misc]
        ):
            swept.packages += 1
        else:
            seen.packages[package_id] = (since, mark)


def _drop_damaged(database: Database, store: BlobStore, needed: Callable[[Session], set[str]]) -> None:
    """What was kept of damaged blobs goes when good bytes have come back, or when nobody needs them any more."""
    with database.read() as session:
        damaged = dict(session.execute(select(DamagedBlob.sha256, DamagedBlob.mended_ms)).all())
        unneeded = {name for name, mended_ms in damaged.items() if mended_ms is None} - needed(session)
    if unneeded:
        with database.write() as session:
            session.execute(
                delete(DamagedBlob).where(DamagedBlob.sha256.in_(unneeded), DamagedBlob.mended_ms.is_(None))
            )
    for name, mended_ms in damaged.items():
        if mended_ms is not None or name in unneeded:
            store.drop_quarantined(name)


def _has_row(database: Database, sha256: str) -> bool:
    with database.read() as session:
        return session.get(BlobRow, sha256) is not None


def _has_package(database: Database, package_id: str) -> bool:
    with database.read() as session:
        return any(session.get(model, package_id) is not None for model in (PackageRow, ReleaseRow))


def _since(noted: float | None, now_s: float) -> float:
    # A time to come was noted under a count that was lost since: it begins anew.
    return noted if noted is not None and noted <= now_s else now_s


def _untouched_since(noted: tuple[float, Mark] | None, mark: Mark, now_s: float) -> float:
    return _since(noted[0], now_s) if noted is not None and noted[1] == mark else now_s


def _read(notes: Path) -> Seen:
    try:
        noted = json.loads(notes.read_text(encoding="ascii"))
        return Seen(
            {str(name): float(since) for name, since in noted["rows"].items()},
            {str(name): (float(since), tuple(mark)) for name, (since, mark) in noted["blobs"].items()},
            {str(name): (float(since), tuple(mark)) for name, (since, mark) in noted["packages"].items()},
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return Seen()


def _write(notes: Path, seen: Seen) -> None:
    new = notes.with_suffix(f".{os.getpid()}.new")
    new.write_text(json.dumps(vars(seen)), encoding="ascii")
    new.replace(notes)
