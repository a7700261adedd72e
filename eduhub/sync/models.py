"""Tables of nodes, streams, outbox and inbox. See docs/formats/{nodes,school-stream,outbox}.md."""

from typing import Any

from sqlalchemy import Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.changes import Travelling
from eduhub.db import Base


class Node(Travelling, Base):
    """A school's box, as the hub and the box itself know it. `org_uid` is its school."""

    __tablename__ = "node"
    sticky = frozenset({"ended_on", "revoked_on"})
    site_uid: Mapped[str] = mapped_column(String(36), index=True)
    name: Mapped[str] = mapped_column(String(60))  # permanent: it is part of its address
    signing_public: Mapped[str] = mapped_column(String(64))  # Ed25519, hex
    sealing_public: Mapped[str] = mapped_column(String(64))  # X25519, hex
    certificate: Mapped[dict[str, Any]]
    revoked_on: Mapped[str | None] = mapped_column(String(10))  # shut out: nothing of it is taken any more
    ended_on: Mapped[str | None] = mapped_column(String(10))  # another took its place: only what it brings home is taken
    replaces_uid: Mapped[str | None] = mapped_column(String(36))  # whose place it took


class NodeContact(Base):
    """What the hub last heard of a node. Stays at the hub."""

    __tablename__ = "node_contact"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    last_ms: Mapped[int]
    version: Mapped[str] = mapped_column(String(20))
    stream_sequence: Mapped[int]  # how far it has read its school stream
    catalog_sequence: Mapped[int]
    disk_full_ms: Mapped[int | None]  # when it last said that its disk is full; null once a lesson has arrived since


class BoxStatus(Base):
    """Hub: what a box last said of itself, as told.py let it through."""

    __tablename__ = "box_status"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    said: Mapped[dict[str, Any]]
    told_ms: Mapped[int]  # when that was, by the hub's clock


class Arrival(Base):
    """Hub: the newest revision of a lesson that a box has said it can show. See arrivals.py."""

    __tablename__ = "arrival"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    lesson_uid: Mapped[str] = mapped_column(String(36), primary_key=True, index=True)
    package_id: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int]
    told_ms: Mapped[int]  # when the hub was told, by the hub's clock
    dropped_ms: Mapped[int | None]  # when it was told that the box let it go again


class JoinCode(Base):
    """A one-time code with which a box may join for one site. Only its hash is kept."""

    __tablename__ = "join_code"
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    site_uid: Mapped[str] = mapped_column(String(36))
    node_name: Mapped[str] = mapped_column(String(60))
    made_by_uid: Mapped[str | None] = mapped_column(String(36))
    expires_steady_s: Mapped[int]
    used_by_node_uid: Mapped[str | None] = mapped_column(String(36))
    replaces_uid: Mapped[str | None] = mapped_column(String(36))  # the box whose place is taken with it
    used_ms: Mapped[int | None]  # when, by the hub's clock


class BoxCertificate(Base):
    """Hub: a box's request for a TLS certificate, and the chain that was made for it. See certificates.py."""

    __tablename__ = "box_certificate"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(253))
    csr: Mapped[str] = mapped_column(Text)  # PEM, as is the chain
    chain: Mapped[str | None] = mapped_column(Text)
    not_after_ms: Mapped[int | None]
    due_ms: Mapped[int]  # from when on a new one is to be made, by the hub's clock


class StreamRow(Base):
    """Hub: the place of one row in one school's stream. Compacted: one row each, the newest place."""

    __tablename__ = "stream_row"
    # By row: which schools see one.
    __table_args__ = (UniqueConstraint("org_uid", "sequence"), Index("ix_stream_row_row", "table_name", "row_uid", "kind"))
    org_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    row_uid: Mapped[str] = mapped_column(String(90), primary_key=True)
    sequence: Mapped[int]
    change_seq: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))  # row, removal, progress, tombstone


class StreamState(Base):
    """Hub: the end of one school's stream, and how much of the logs it holds. See streams.py."""

    __tablename__ = "stream_state"
    org_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    sequence: Mapped[int]
    change_seq: Mapped[int]
    progress_seq: Mapped[int]
    erased_counter: Mapped[int | None]  # of the newest tombstone it knows of
    day: Mapped[str | None] = mapped_column(String(10))  # for which it holds; null: it has to be made as a whole


class StreamPage(Base):
    """Node: a signed page of its school stream, kept so that a restored hub can have it back."""

    __tablename__ = "stream_page"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of its last entry
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[dict[str, Any]]
    received_steady_s: Mapped[int]


class Upstream(Base):
    """Node: where it reads from and what it knows of that place. One row an upstream."""

    __tablename__ = "upstream"
    url: Mapped[str] = mapped_column(String(200), primary_key=True)
    priority: Mapped[int]
    node_uid: Mapped[str] = mapped_column(String(36))
    hub_uid: Mapped[str] = mapped_column(String(36))
    certificate: Mapped[dict[str, Any]]
    stream_sequence: Mapped[int]
    stream_epoch: Mapped[int]
    change_seq_sent: Mapped[int]  # how much of the change log is in the outbox
    hub_time_ms: Mapped[int | None]  # the last signed hub time ...
    hub_time_steady_s: Mapped[int | None]  # ... and the steady clock when it came
    last_contact_ms: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(String(60))


class OutboxRow(Base):
    """Node: something to bring home. Kept 35 days after the hub has it, for a restored hub."""

    __tablename__ = "outbox"
    incarnation: Mapped[str] = mapped_column(String(36), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10))  # event, change
    version: Mapped[int]
    body: Mapped[dict[str, Any]]
    made_steady_s: Mapped[int]
    acknowledged_steady_s: Mapped[int | None]
    # Until it is first shown to somebody, the boot in which it may still grow: a copied disk runs in another one.
    grows: Mapped[str | None] = mapped_column(String(40))


class InboxState(Base):
    """Hub: the highest contiguous sequence it holds of one incarnation of one node."""

    __tablename__ = "inbox_state"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    incarnation: Mapped[str] = mapped_column(String(36), primary_key=True)
    contiguous: Mapped[int]
    digest: Mapped[str | None] = mapped_column(String(64))  # of the row of that number, see outbox.digest
    newest: Mapped[int | None]  # the highest number that the box said it had ...
    told_ms: Mapped[int | None]  # ... and when, by the hub's clock


class ReplacedBox(Base):
    """Node: the box whose place this one took, and what the hub said it holds of it. See replacing.py."""

    __tablename__ = "replaced_box"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    told: Mapped[dict[str, Any]]
    joined_steady_s: Mapped[int]
    asked_steady_s: Mapped[int]  # when the hub was last asked, by this box's steady clock


class FetchState(Base):
    """Node: how far one blob has been fetched; the bytes lie in work/<sha256>.part."""

    __tablename__ = "fetch_state"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int]
    verified_pieces: Mapped[int]  # leading pieces whose hash fits
    bad_pieces: Mapped[int]  # refused so far, for the page that shows it
    made_ms: Mapped[int]


class CourierWant(Base):
    """Hub: the newest want-list that a stick brought from a box. See courier/wants.py."""

    __tablename__ = "courier_want"
    node_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    document: Mapped[dict[str, Any]]
    made_s: Mapped[int]  # by the box's steady clock
    read_ms: Mapped[int]  # by the hub's clock
    given_back_epoch: Mapped[int]  # the epoch in which this hub has what the box kept of its school stream; 0: none


class Traffic(Base):
    """Node: bytes that came and went in an hour, for a lesson ('': for none), by one way. Stays at the box. See traffic.py."""

    __tablename__ = "traffic"
    hour_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lesson_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    via: Mapped[str] = mapped_column(String(10), primary_key=True)  # link, stick, neighbour
    bytes_down: Mapped[int]
    bytes_up: Mapped[int]
    busy_ms: Mapped[int]  # in which parts were coming


class StatusSaid(Base):
    """Node: what it last said of itself, and when, so that it is not said again without a reason. One row."""

    __tablename__ = "status_said"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    said: Mapped[dict[str, Any]]
    said_steady_s: Mapped[int]


class SitePolicy(Travelling, Base):
    """What a site's box fetches and may use. `uid` is the site's. Null: not said. See policies.py."""

    __tablename__ = "site_policy"
    max_height: Mapped[int | None]
    codecs: Mapped[list[str] | None]
    languages: Mapped[list[str] | None]
    ceiling_kbit_s: Mapped[int | None]
    class_ceiling_kbit_s: Mapped[int | None]
    windows: Mapped[str | None] = mapped_column(String(120))
    day_mb: Mapped[int | None]
    month_mb: Mapped[int | None]
    disk_mb: Mapped[int | None]


class CoursePolicy(Travelling, Base):
    """What holds at a site for one course instead. Null: as for the others."""

    __tablename__ = "course_policy"
    site_uid: Mapped[str] = mapped_column(String(36), index=True)
    course_uid: Mapped[str] = mapped_column(String(36), index=True)
    max_height: Mapped[int | None]
    codecs: Mapped[list[str] | None]
    languages: Mapped[list[str] | None]
    wanted: Mapped[str | None] = mapped_column(String(10))  # none, planned, all


class Wish(Base):
    """Node: a lesson that somebody wants now, before all others. Gone when it is whole. See wishes.py."""

    __tablename__ = "wish"
    lesson_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    made_steady_s: Mapped[int]


class Chosen(Base):
    """Node: by which rules the parts of the packages here were last chosen. One row."""

    __tablename__ = "chosen"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    rules: Mapped[str] = mapped_column(String(64))  # their hash


class Dropped(Base):
    """Node: a part that was let go of because the disk is full. See evicting.py."""

    __tablename__ = "dropped"
    package_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    lesson_uid: Mapped[str] = mapped_column(String(36), index=True)
    bytes: Mapped[int]
    is_floor: Mapped[bool]
    why: Mapped[str] = mapped_column(String(20))
    at_ms: Mapped[int]  # by the schedule clock
    steady_s: Mapped[int]  # whoever had a pass then may read on for as long as that lasts
    is_unlinked: Mapped[bool]


class NoRoom(Base):
    """Node: a lesson that does not fit on the disk, whatever may go. Written anew at each fetching."""

    __tablename__ = "no_room"
    lesson_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    bytes: Mapped[int]
    noted_ms: Mapped[int]


class CourierTrip(Base):
    """What came of a job that filled or read a stick, for the page that started it. The newest fifty are kept."""

    __tablename__ = "courier_trip"
    job_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))  # of the report: Exported, BroughtHome, TakenIn, Given
    report: Mapped[dict[str, Any]]
    ended_ms: Mapped[int]
