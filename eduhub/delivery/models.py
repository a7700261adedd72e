"""Tables of blobs, packages, releases, the catalog and trusted keys. See docs/formats/{packages,releases,catalog,keys}.md."""

from typing import Any

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.db import Base


class BlobRow(Base):
    """A blob that is on disk, whole and verified. Written after the file, removed before it."""

    __tablename__ = "blob"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int]
    stored_ms: Mapped[int]
    verified_ms: Mapped[int]


class DamagedBlob(Base):
    """A blob whose bytes were found changed: it lies in quarantine, and `mended_ms` says when good bytes came back."""

    __tablename__ = "damaged_blob"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int]
    found_ms: Mapped[int]
    mended_ms: Mapped[int | None]


class PackageRow(Base):
    """A published revision of a lesson, whose manifest this machine holds and has verified."""

    __tablename__ = "package"
    __table_args__ = (Index("ix_package_lesson", "lesson_uid", "revision"),)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    lesson_uid: Mapped[str] = mapped_column(String(36))
    course_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    org_uid: Mapped[str] = mapped_column(String(36))
    revision: Mapped[int]
    sequence: Mapped[int | None]  # of its entry in the catalog: who has read so far knows of it
    timeline_uid: Mapped[str] = mapped_column(String(36))
    manifest: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[dict[str, Any]]
    floor_held: Mapped[bool]  # the lesson may be shown here
    superseded_by: Mapped[str | None] = mapped_column(String(64))
    # When it was first seen that the successor can be shown, so that no pass was made for this one since.
    superseded_steady_s: Mapped[int | None]
    withdrawn: Mapped[bool]
    made_ms: Mapped[int]


class PartRow(Base):
    """One part of a package here. `held`: its blob is stored and linked into packages/<id>/."""

    __tablename__ = "part"
    package_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    bytes: Mapped[int]
    is_floor: Mapped[bool]
    wanted: Mapped[bool]
    held: Mapped[bool]


class ReleaseRow(Base):
    """A release of the program that the catalog speaks of. `manifest`: once this machine holds it, verified."""

    __tablename__ = "release"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(20))
    sequence: Mapped[int]  # of its entry in the catalog
    signature: Mapped[dict[str, Any]]
    manifest: Mapped[bytes | None] = mapped_column(LargeBinary)
    made_ms: Mapped[int]


class HoldingMoves(Base):
    """How often rows of packages and parts were written: see movements.py. One row."""

    __tablename__ = "holding_moves"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    moves: Mapped[int]


class CatalogEntry(Base):
    """One link of the hash chain. `body` is the canonical bytes that `hash` covers."""

    __tablename__ = "catalog_entry"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))  # publish, supersede, withdraw, key, revoke, ...
    body: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[str] = mapped_column(String(64))


class PublishedPackage(Base):
    """What one publish or supersede entry of the catalog says: see published.py. An index, made of the entries alone."""

    __tablename__ = "published_package"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of the entry
    package_id: Mapped[str] = mapped_column(String(64), index=True)
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    signature: Mapped[dict[str, Any] | None]  # of the manifest, unverified
    taken_back_at: Mapped[int | None] = mapped_column(index=True)  # the entry that withdrew it


class CatalogState(Base):
    """The catalog's head here, and how far this machine has acted on it. One row."""

    __tablename__ = "catalog_state"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    epoch: Mapped[int]
    sequence: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    head: Mapped[dict[str, Any] | None]  # the newest signed head, as it is served on
    epoch_statement: Mapped[dict[str, Any] | None]  # root-signed, for an epoch above 1
    applied_sequence: Mapped[int]


class TrustedKey(Base):
    """A publishing key with the root's statement about it (scopes, from which sequence)."""

    __tablename__ = "trusted_key"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    public: Mapped[str] = mapped_column(String(64))  # hex
    scopes: Mapped[list[str]]
    statement: Mapped[dict[str, Any]]
    revoked_at_sequence: Mapped[int | None]


class PinnedRoot(Base):
    """The root key this machine was set up with. One row; never replaced."""

    __tablename__ = "pinned_root"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    public: Mapped[str] = mapped_column(String(64))  # hex
    hub_uid: Mapped[str] = mapped_column(String(36))
