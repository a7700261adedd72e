"""Node: what the box itself reports home: a lesson has arrived, or went for lack of room, the disk is full.

Such events have the context `system` and no actor. They are appended and queued in one transaction.

This module must not know the link.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from eduhub.learning import events
from eduhub.sync.boxes import joining
from eduhub.sync.homeward import outbox
from eduhub.sync.models import OutboxRow
from eduhub.uids import new_uid

ONCE_IN_S = 86_400


def note_no_disk(session: Session, installation: Installation) -> None:
    """Report a full disk, once a day of running time: every round finds it full, and a report takes room too."""
    said = select(OutboxRow.sequence).where(
        OutboxRow.kind == "event", OutboxRow.body["kind"].as_string() == "no_disk",
        OutboxRow.made_steady_s > int(installation.steady.now_s()) - ONCE_IN_S,
    )  # fmt: skip
    if session.scalars(said.limit(1)).first() is None:
        note(session, installation, "no_disk")


def note(session: Session, installation: Installation, kind: str, *, package_id: str | None = None) -> None:
    """Append one event of this box and queue it for the hub."""
    node = joining.own_node(session)
    if node is None:
        return
    package = session.get(PackageRow, package_id) if package_id else None
    event = {
        "uid": new_uid(), "kind": kind, "version": 1, "org": node.org_uid, "actor": None, "subjects": [],
        "context": "system", "lesson": package.lesson_uid if package else None,
        "timeline": package.timeline_uid if package else None, "part": package_id, "made_ms": clock.now_ms(),
    }  # fmt: skip
    events.append(session, [event], source=changes.machine_uid(session))
    outbox.add_events(session, installation.steady, [event])
