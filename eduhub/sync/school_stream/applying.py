"""Node: take in pages of the school stream.

A page (`stream_pages`) is kept as it came, for 35 days: after the hub
lost its last days, the boxes bring them back. Entries of a kind or table that this release does not
know stay in the kept page, and changes of unknown tables in the change log.

This module must not know the network. See docs/formats/school-stream.md.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from eduhub import changes, logs
from eduhub.accounts.models import Person
from eduhub.changes import FieldChange
from eduhub.errors import BadFormat, BadSignature
from eduhub.installation import Installation
from eduhub.learning import progress
from eduhub.rosters import erasing
from eduhub.sync.homeward import outbox
from eduhub.sync.models import Node, StreamPage, Upstream
from eduhub.sync.school_stream.placing import PROGRESS
from eduhub.sync.school_stream.stream_pages import OpenedPage

log = logs.logger(__name__)

KEPT_S = 35 * 86_400


def take_in(session: Session, installation: Installation, upstream: Upstream, page: OpenedPage) -> int:
    """Apply the page that follows what this box has; returns how many entries it brought.

    Raises BadSignature for a page of another school, epoch or place: what was signed for somebody
    else or long ago is as good as forged.
    """
    node = session.get(Node, upstream.node_uid)
    if node is None or page.org_uid != node.org_uid:
        raise BadSignature("a page of another school")
    if (page.epoch, page.after) != (upstream.stream_epoch, upstream.stream_sequence) or page.upto < page.after:
        raise BadSignature("a page of another epoch or place")
    # What was changed here is in the outbox before any removal can take it from the change log.
    outbox.queue_changes(session, installation.steady)
    apply_entries(session, page.org_uid, page.entries)
    if page.entries:
        session.merge(
            StreamPage(
                sequence=page.upto, payload=page.payload, signature=page.signature.as_json(),
                received_steady_s=int(installation.steady.now_s()),
            )
        )  # fmt: skip
    upstream.stream_sequence = page.upto
    session.flush()
    return len(page.entries)


def apply_entries(session: Session, org_uid: str, entries: Iterable[dict[str, Any]]) -> None:
    """Apply entries one by one; one that cannot be read stays in the kept page and stops nobody else's."""
    unsettled = outbox.people_of_waiting_events(session)
    for entry in entries:
        try:
            with session.begin_nested():
                _apply(session, org_uid, entry, unsettled)
        except (BadFormat, DataError) as error:
            log.warning("an entry was passed over", table_name=entry["table"], row=entry["uid"],
                        problem=type(error).__name__)  # fmt: skip


def _apply(session: Session, org_uid: str, entry: dict[str, Any], unsettled: set[str]) -> None:
    kind, table, uid = entry["kind"], entry["table"], entry["uid"]
    if kind == "row":
        changes.merge(session, fields_of(entry))
    elif kind == PROGRESS:
        for found in entry["fields"]:
            person_uid = found.get("person") if isinstance(found, dict) else None
            progress.take(session, found, is_settled=person_uid not in unsettled)
    elif table == PROGRESS and kind == "removal":
        person_uid, _, lesson_uid = uid.partition("/")
        progress.remove(session, person_uid, lesson_uid)
    elif kind == "tombstone":
        changes.bury(session, table, uid, org_uid)
        if table == Person.__tablename__:
            erasing.forget(session, uid)
    elif kind == "removal":
        changes.erase_values(session, table, uid)


def fields_of(entry: dict[str, Any]) -> list[FieldChange]:
    """The changes of a row entry, which must all be of that row. Raises BadFormat."""
    found = [FieldChange.from_json(value) for value in entry["fields"]]
    if any((change.table_name, change.row_uid) != (entry["table"], entry["uid"]) for change in found):
        raise BadFormat("an entry speaks of one row")
    return found


def prune(session: Session, installation: Installation) -> None:
    """Drop pages that came more than 35 days of running time ago."""
    limit = int(installation.steady.now_s()) - KEPT_S
    session.execute(delete(StreamPage).where(StreamPage.received_steady_s < limit))


def kept_pages(session: Session) -> list[StreamPage]:
    """Every kept page, oldest first."""
    return list(session.scalars(select(StreamPage).order_by(StreamPage.received_steady_s, StreamPage.sequence)))
