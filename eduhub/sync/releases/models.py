"""Tables of releases beside that of `delivery`. See docs/formats/releases.md."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.changes import Travelling
from eduhub.db import Base


class ReleaseOffer(Travelling, Base):
    """The operator's word which release a place shall run: `org_uid` and all below it, or one box of that school."""

    __tablename__ = "release_offer"
    sticky = frozenset({"dropped_on"})
    node_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    release_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(20))  # of that release, for pages of who does not hold it
    paused: Mapped[bool]  # nothing is put in there for now, not even what a wider place is offered
    dropped_on: Mapped[str | None] = mapped_column(String(10))
