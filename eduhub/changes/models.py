"""The tables of the change log, and the mixin of every row that travels."""

from typing import Any, ClassVar

from sqlalchemy import String, UniqueConstraint, inspect
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.db import Base, Json
from eduhub.uids import new_uid

# Fields that stay set once they are set, in every table. The rule goes by the name, so that a
# machine that does not know a table yet still keeps and relays the change that wins.
STICKY_FIELDS = frozenset({"ended_on", "revoked_on", "dropped_on"})


class Travelling:
    """Mixin of every row that leaves its machine: `class Person(Travelling, Base)`.

    No unique constraint but the uid, and no foreign key: rows arrive in any order, from
    machines that could not ask each other. A JSON value is replaced, never changed in place:
    the log sees assignments only.
    """

    sticky: ClassVar[frozenset[str]] = frozenset()  # said beside the columns; a test compares it with STICKY_FIELDS

    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_uid: Mapped[str] = mapped_column(String(36), index=True)

    def __init__(self, **values: Any) -> None:
        values.setdefault("uid", new_uid())
        for column in inspect(type(self)).columns:  # defaults now, so that the log sees them
            if column.key not in values and column.default is not None and column.default.is_scalar:
                values[column.key] = column.default.arg
        super().__init__(**values)


class Machine(Base):
    """This machine's name in versions and its Lamport counter. One row."""

    __tablename__ = "machine"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    uid: Mapped[str] = mapped_column(String(36))
    counter: Mapped[int] = mapped_column(default=0)


class Change(Base):
    """One field of one row, changed once, here or elsewhere. Never updated.

    The value's hash is in the unique constraint for the one case in which a version is not
    enough to name a change: two machines that were cloned and still bear one name.
    """

    __tablename__ = "change"
    __table_args__ = (
        UniqueConstraint("table_name", "row_uid", "field", "counter", "machine_uid", "value_hash", name="uq_change"),
        # SQLite would give the numbers of erased rows out again, and whoever reads on from a number miss them.
        {"sqlite_autoincrement": True},
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    table_name: Mapped[str] = mapped_column(String(40))
    row_uid: Mapped[str] = mapped_column(String(36))
    field: Mapped[str] = mapped_column(String(40))
    value: Mapped[Any] = mapped_column(Json, nullable=True)
    value_hash: Mapped[str] = mapped_column(String(32))
    org_uid: Mapped[str] = mapped_column(String(36), index=True)
    counter: Mapped[int]
    machine_uid: Mapped[str] = mapped_column(String(36))
    made_here: Mapped[bool]  # written by this database, under whatever name it bore then; False: merged
    made_ms: Mapped[int]
    by_uid: Mapped[str | None] = mapped_column(String(36))


class FieldVersion(Base):
    """The winning change of each field."""

    __tablename__ = "field_version"
    table_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    row_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    field: Mapped[str] = mapped_column(String(40), primary_key=True)
    change_seq: Mapped[int]


class Tombstone(Base):
    """A row that was erased for good; its changes are refused from then on.

    The table is part of its name, because some rows bear the uid of another: a school's
    calendar has the school's.
    """

    __tablename__ = "tombstone"
    table_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    row_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_uid: Mapped[str] = mapped_column(String(36), index=True)
    erased_ms: Mapped[int]
    counter: Mapped[int | None] = mapped_column(index=True)  # this machine's, when it was buried here; null: before that was kept
