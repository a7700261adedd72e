"""Hub: make a release part of the catalog, so that boxes can fetch and trust it.

The key that signs is not the hub's publishing key: whoever breaks into a hub could change its lessons, but gives no
box a program. It is made once, the root states it, and it is kept elsewhere.

This module must not know archives or the command line.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery import catalog, keys, release
from eduhub.delivery.models import ReleaseRow, TrustedKey
from eduhub.delivery.package import PIECE_BYTES, piece_list
from eduhub.delivery.release import Release
from eduhub.delivery.trust import keyring
from eduhub.errors import N_, BadFormat, ReleaseRefused
from eduhub.installation import Installation
from eduhub.signing import SigningKey, key_id, sha256_hex
from eduhub.sync.releases import holding


def state_key(session: Session, installation: Installation, root: SigningKey, public: bytes) -> str:
    """Let the root say, in the catalog, that this key signs releases and nothing else; returns its id. Safe to repeat."""
    key = key_id(public)
    if session.get(TrustedKey, key) is None:
        keys.state_key(session, installation.keys, root, public, scopes=(release.SCOPE,))
    return key


def publish(session: Session, installation: Installation, manifest_bytes: bytes, files: Mapping[str, Path], key: SigningKey) -> ReleaseRow:
    """Put the wheels into the store and the release into the catalog. `files` are by the manifest's names, and are moved.

    Safe to repeat: what is published already stays as it is. Raises BadFormat, HashMismatch, DiskFull, BadSignature (the
    root has not spoken for the key), ReleaseRefused (another release has this version).
    """
    found, release_id = Release.from_bytes(manifest_bytes), release.id_of(manifest_bytes)
    row = session.get(ReleaseRow, release_id)
    if row is not None:
        return row
    if session.scalars(select(ReleaseRow.id).where(ReleaseRow.version == found.version)).first() is not None:
        raise ReleaseRefused(found.version, reason=N_("another one has the same number"))
    following = catalog.sequence(session) + 1
    keyring(session).public_key(key.id, scope=release.SCOPE, sequence=following)
    signature = release.sign(manifest_bytes, key).as_json()
    row = ReleaseRow(
        id=release_id, version=found.version, sequence=following, signature=signature, manifest=None, made_ms=clock.now_ms()
    )
    holding.take_in(session, installation.blobs, row, manifest_bytes)
    for wheel in found.files:
        _store(session, installation, release_id, wheel, files[wheel.name])
    body = {"release": release_id, "version": found.version, "signature": signature}
    entry = catalog.append(session, installation.keys, holding.KIND, body)
    row.sequence = entry.sequence
    return row


def _store(session: Session, installation: Installation, release_id: str, wheel: release.Wheel, path: Path) -> None:
    store = installation.blobs
    listed = piece_list(path) if path.stat().st_size > PIECE_BYTES else None
    if path.stat().st_size != wheel.bytes or (listed and sha256_hex(listed)) != wheel.pieces:
        raise BadFormat(f"{wheel.name} is not what the manifest says")
    if listed is not None:
        store.put_bytes(listed)
        holding.arrived(session, store, release_id, sha256_hex(listed))
    store.put_file(path, expect=wheel.sha256)
    holding.arrived(session, store, release_id, wheel.sha256)
