"""Hub: every box with what is known of it, and which ones need somebody: one question, however many boxes there are.

What a box has said of itself is `told`; that it called, its contact. What is not known is None and never guessed. This
module must not know pages.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.schools.models import Organisation
from eduhub.sync.models import BoxStatus, Node, NodeContact
from eduhub.sync.status import readiness, told
from eduhub.sync.status.told import Told

HOUR_MS = 3_600_000
SILENT_MS, LOST_MS = 24 * HOUR_MS, 72 * HOUR_MS  # amber after a day without a word, red after three
RED, AMBER, NOT_KNOWN, GREEN, SHUT_OUT = "red", "amber", "not_known", "green", "shut_out"  # the last: or replaced
ATTENTION = (RED, AMBER, NOT_KNOWN, GREEN, SHUT_OUT)  # what needs somebody first


@dataclass(frozen=True)
class Seen:
    """One box. Times are of the hub's clock; None: it has not called, or has not said anything of itself."""

    node_uid: str
    name: str
    org_uid: str
    org_names: dict[str, str]
    region_uid: str | None  # the one right above its school
    is_shut_out: bool
    is_replaced: bool  # another box has its place
    last_ms: int | None
    version: str | None
    disk_full_ms: int | None
    told: Told | None
    told_ms: int | None

    def silence(self, now_ms: int) -> str:
        """How long it has been silent, as a lamp."""
        if self.last_ms is None:
            return NOT_KNOWN
        ago_ms = now_ms - self.last_ms
        return RED if ago_ms > LOST_MS else AMBER if ago_ms > SILENT_MS else GREEN

    def attention(self, now_ms: int) -> str:
        """One of ATTENTION: the worst of its silence, its disk, and what it said of the coming days."""
        if self.is_shut_out or self.is_replaced:
            return SHUT_OUT
        lamps = [self.silence(now_ms), AMBER if self.disk_full_ms is not None else GREEN, _LAMPS[self.told.lamp] if self.told else NOT_KNOWN]
        return min(lamps, key=ATTENTION.index)


_LAMPS = {
    readiness.RED: RED, readiness.AMBER: AMBER, readiness.UNKNOWN: NOT_KNOWN, readiness.GREEN: GREEN, readiness.NOTHING: GREEN,
}  # fmt: skip


def of(session: Session, org_uids: Collection[str] | None = None) -> list[Seen]:
    """The boxes of these schools (None: of all), in no order that means anything."""
    asked = (
        select(
            Node.uid, Node.name, Node.org_uid, Organisation.names, Organisation.parent_uid, Node.revoked_on, Node.ended_on,
            NodeContact.last_ms, NodeContact.version, NodeContact.disk_full_ms, BoxStatus.said, BoxStatus.told_ms,
        )
        .outerjoin(Organisation, Organisation.uid == Node.org_uid)
        .outerjoin(NodeContact, NodeContact.node_uid == Node.uid)
        .outerjoin(BoxStatus, BoxStatus.node_uid == Node.uid)
    )  # fmt: skip
    if org_uids is not None:
        asked = asked.where(Node.org_uid.in_(list(org_uids)))
    return [_seen(row) for row in session.execute(asked)]


def documents(session: Session, node_uids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What these boxes said of themselves, as it came."""
    rows = session.execute(select(BoxStatus.node_uid, BoxStatus.said).where(BoxStatus.node_uid.in_(list(node_uids))))
    return {uid: dict(said) for uid, said in rows}


def by_need(boxes: Sequence[Seen], now_ms: int) -> list[Seen]:
    """What needs somebody first, then by name."""
    return sorted(boxes, key=lambda box: (ATTENTION.index(box.attention(now_ms)), box.name))


def _seen(row: Any) -> Seen:
    uid, name, org_uid, names, parent_uid, revoked_on, ended_on, last_ms, version, full_ms, said, told_ms = row
    found = told.of_document(said) if said else None
    return Seen(
        uid, name, org_uid, names or {}, parent_uid, revoked_on is not None, ended_on is not None, last_ms,
        (found.version if found else None) or version or None, full_ms, found, told_ms,
    )  # fmt: skip
