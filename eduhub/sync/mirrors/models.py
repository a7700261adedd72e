"""Tables of mirrors. All of them stay on the box. See docs/formats/mirrors.md."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.db import Base


class Mirror(Base):
    """Node: another box that may have what is missing here: one that a person named, or one that was found nearby."""

    __tablename__ = "mirror"
    url: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))  # named, found
    node_uid: Mapped[str | None] = mapped_column(String(36))  # as it says; null until it was met
    name: Mapped[str] = mapped_column(String(63))  # as it says
    catalog_sequence: Mapped[int]  # as it says
    seen_steady_s: Mapped[int]  # when it was named, or last seen nearby
    failures: Mapped[int]  # in a row
    aside_until_steady_s: Mapped[int]  # it is not asked before
    why: Mapped[str | None] = mapped_column(String(20))  # it was left aside
    bytes_got: Mapped[int]  # good ones, of parts
    got_steady_s: Mapped[int | None]  # the last of them


class HeldGrant(Base):
    """Node: what its hub lets it have of mirrors. One row."""

    __tablename__ = "held_grant"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    document: Mapped[dict[str, Any]]
    signature: Mapped[dict[str, Any]]
    made_ms: Mapped[int]


class ShutOutNode(Base):
    """A box that the catalog says is shut out. Never taken back, whatever becomes of the catalog."""

    __tablename__ = "shut_out_node"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    sequence: Mapped[int]  # of the entry that said so
