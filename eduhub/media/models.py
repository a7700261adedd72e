"""Tables of sources and their finished renditions."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.db import Base


class Source(Base):
    """An uploaded file and what was learned of it. The bytes are the blob `sha256`."""

    __tablename__ = "source"
    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_uid: Mapped[str] = mapped_column(String(36), index=True)
    file_name: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10))  # arriving, arrived, prepared, refused
    sha256: Mapped[str | None] = mapped_column(String(64))
    bytes: Mapped[int | None]
    probe: Mapped[dict[str, Any] | None]
    refusal: Mapped[dict[str, Any] | None]  # error code and facts, for the teacher
    made_ms: Mapped[int]


class Rendition(Base):
    """One finished track (or stills, index, download) of a source: what publishing makes a part of."""

    __tablename__ = "rendition"
    source_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    facts: Mapped[dict[str, Any]]  # its entry in a manifest, as making.py writes it
    made_ms: Mapped[int]
