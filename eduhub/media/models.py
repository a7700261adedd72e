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
    state: Mapped[str] = mapped_column(String(10))  # arrived, prepared (a floor of it is held), refused, forgotten
    sha256: Mapped[str | None] = mapped_column(String(64))
    bytes: Mapped[int | None]
    probe: Mapped[dict[str, Any] | None]
    refusal: Mapped[dict[str, Any] | None]  # error code and facts, for the teacher
    # Which of its sound tracks are used, main one first: [{"index", "language"}]; null: the default one.
    sounds: Mapped[list[Any] | None]
    unused_steady_s: Mapped[int | None]  # when it was first seen that no lesson uses it
    made_ms: Mapped[int]


class LadderRow(Base):
    """What one source is made into by one recipe (see recipes.py); its steps are encoded one after the other."""

    __tablename__ = "ladder"
    source_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(16), primary_key=True)  # the id of `wanted`
    wanted: Mapped[dict[str, Any]]  # the recipe itself
    duration_ms: Mapped[int | None]  # of what comes out; known once the file was looked at
    floor_ready: Mapped[bool]
    then: Mapped[dict[str, Any] | None]  # {"kind", "args"} of the job that follows each finished step
    light: Mapped[bool]  # of a light copy: its steps go before those of others
    unused_steady_s: Mapped[int | None]  # when it was first seen that no lesson uses it
    made_ms: Mapped[int]  # when it was last asked for


class LadderStep(Base):
    """One run of the encoder for a ladder: the floor (sound and stills), then each video rendition by itself."""

    __tablename__ = "ladder_step"
    source_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)  # floor, v240, v360, ...
    position: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))  # waiting, done, failed, stopped (by somebody), unwanted
    job_uid: Mapped[str | None] = mapped_column(String(36))
    error: Mapped[dict[str, Any] | None]  # code and facts, for the teacher
    took_ms: Mapped[int | None]


class Rendition(Base):
    """One finished track, stills, poster ... of a ladder: what publishing makes a part of."""

    __tablename__ = "rendition"
    source_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    step: Mapped[str] = mapped_column(String(40))
    sha256: Mapped[str] = mapped_column(String(64))
    facts: Mapped[dict[str, Any]]  # its entry in a manifest, as making.py writes it
    index_row: Mapped[dict[str, Any] | None]  # its entry in the lesson's index: tracks and stills; null: made by 0.1
    made_ms: Mapped[int]


class SchoolQuota(Base):
    """Room for one school's recordings that differs from the setting."""

    __tablename__ = "school_quota"
    org_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    bytes: Mapped[int]
