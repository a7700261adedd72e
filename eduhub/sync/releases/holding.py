"""Which releases this machine knows and holds: its rows, and the blobs they keep from being swept away.

That a release exists is said by the catalog; what it is, by a manifest that a key with the scope `releases` signed.

This module must not know offers, the network or how anything is installed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery import release
from eduhub.delivery.blobs import Blob, BlobStore, remember
from eduhub.delivery.catalog import state
from eduhub.delivery.chain import NO_HASH
from eduhub.delivery.models import CatalogEntry, ReleaseRow
from eduhub.delivery.release import Release
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadSignature
from eduhub.signing import Signature, parse_canonical

KIND = "release"


def find(session: Session, release_id: str) -> ReleaseRow | None:
    """The release of that id; None: the catalog here speaks of none. Writes nothing: `take_in` makes the row.

    Until its manifest is here it is looked up in the catalog, for its entry could have come while this machine ran a
    program that knew no releases.
    """
    row = session.get(ReleaseRow, release_id)
    return row if row is not None else _from_catalog(session, release_id)


@dataclass(frozen=True)
class _Told:
    """What the entries up to one of them say of releases. Its hash stands for all of them: where it is held, so are they."""

    sequence: int
    hash: str
    releases: Mapping[str, dict[str, Any]]  # the body of the first entry of each that is understood, with its `sequence`


class _Entries:
    """The entries of releases that were read last: a page asks for one at each look, and the catalog only grows."""

    def __init__(self) -> None:
        self._told = _Told(0, NO_HASH, {})

    def find(self, session: Session, release_id: str) -> dict[str, Any] | None:
        """What the catalog here says of a release; reads what has come since the last question, in whatever process that was asked."""
        now = state(session)
        told = self._told
        if not self._is_held(session, told):  # a new epoch, or another catalog
            told = _Told(0, NO_HASH, {})
        if now.sequence > told.sequence:
            told = _Told(now.sequence, now.hash, {**_read(session, told.sequence, now.sequence), **told.releases})
        self._told = told  # at once, and whole: others read it meanwhile
        return told.releases.get(release_id)

    def _is_held(self, session: Session, told: _Told) -> bool:
        held = select(CatalogEntry.hash).where(CatalogEntry.sequence == told.sequence)
        return told.sequence == 0 or session.scalar(held) == told.hash


_entries = _Entries()


def _read(session: Session, after: int, upto: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    these = (CatalogEntry.kind == KIND, CatalogEntry.sequence > after, CatalogEntry.sequence <= upto)
    for sequence, raw in session.execute(select(CatalogEntry.sequence, CatalogEntry.body).where(*these).order_by(CatalogEntry.sequence)):
        body = parse_canonical(raw).get("body")
        if not isinstance(body, dict) or not isinstance(body.get("release"), str) or not isinstance(body.get("version"), str):
            continue
        try:
            signature = Signature.from_json(body.get("signature"))
        except BadFormat:  # as a later hub may write it: not a release to this program, and no lesson waits for it
            continue
        told = {"sequence": sequence, "version": body["version"][:20], "signature": signature.as_json()}
        found.setdefault(body["release"], told)
    return found


def _from_catalog(session: Session, release_id: str) -> ReleaseRow | None:
    told = _entries.find(session, release_id)
    return None if told is None else ReleaseRow(id=release_id, manifest=None, made_ms=clock.now_ms(), **told)


def take_in(session: Session, store: BlobStore, row: ReleaseRow, received: bytes) -> Release:
    """Hold the manifest of a release, when it is that, and signed. Raises BadFormat, BadSignature, DiskFull."""
    if release.id_of(received) != row.id:
        raise BadFormat("another manifest than the release's")
    release.verify(received, Signature.from_json(row.signature), keyring(session), sequence=row.sequence)
    found = Release.from_bytes(received)
    if found.version != row.version:
        raise BadSignature("the catalog says another version than the manifest")
    _show(session, store, row.id, store.put_bytes(received))
    row.manifest = received
    session.add(row)
    session.flush()
    for name in found.blobs():
        if store.has(name):  # of the release before: nothing of it has to be fetched
            arrived(session, store, row.id, name)
    return found


def arrived(session: Session, store: BlobStore, release_id: str, sha256: str) -> None:
    """A blob of a release lies in the store: from now on it is kept, and may be read by other boxes. Safe to repeat."""
    _show(session, store, release_id, Blob(sha256, store.path(sha256).stat().st_size))


def _show(session: Session, store: BlobStore, release_id: str, blob: Blob) -> None:
    remember(session, blob)
    store.link(release_id, blob.sha256)


def read(row: ReleaseRow) -> Release | None:
    """What its manifest says; None while it is not here."""
    return Release.from_bytes(row.manifest) if row.manifest is not None else None


def verified(session: Session, row: ReleaseRow) -> Release:
    """What the manifest says, with its signature checked once more: for who is about to run it.

    Raises BadFormat, and BadSignature also for a key that was revoked before the release came out.
    """
    if row.manifest is None or release.id_of(row.manifest) != row.id:
        raise BadFormat("the manifest of the release is not here")
    release.verify(row.manifest, Signature.from_json(row.signature), keyring(session), sequence=row.sequence)
    return Release.from_bytes(row.manifest)


def blobs_in_use(session: Session) -> set[str]:
    """Every blob that a release here needs or waits for."""
    found: set[str] = set()
    for row in session.scalars(select(ReleaseRow).where(ReleaseRow.manifest.is_not(None))):
        manifest = read(row)
        found |= (manifest.blobs() if manifest else set()) | {row.id}
    return found


def forget_others(session: Session, keep: Iterable[str]) -> None:
    """At a box: only these releases are needed here; the blobs of others go with the next sweep."""
    for row in session.scalars(select(ReleaseRow).where(ReleaseRow.id.not_in(list(keep)))):
        session.delete(row)
    session.flush()


def missing(store: BlobStore, manifest: Release, target: str) -> list[str]:
    """The blobs of a release that such a machine lacks."""
    return [name for name in release.sizes(manifest.wheels(target)) if not store.has(name)]
