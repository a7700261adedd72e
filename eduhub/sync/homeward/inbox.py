"""Hub: what boxes bring home, applied once each and in order.

What a box may not do (`rights`) and what nobody can read is put aside (`taking`): noted in the audit log
and the log, acknowledged, and never applied; the box keeps it for 35 days.
The number that is acknowledged and what it stands for are written in one transaction.

This module must not know HTTP, nor how a box numbers its rows beyond 'one after the other'.
See docs/formats/outbox.md.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import changes, clock, logs
from eduhub.accounts import audit
from eduhub.errors import BadFormat, BadInput, NodeRefused
from eduhub.sync.homeward import outbox, taking
from eduhub.sync.models import InboxState, Node
from eduhub.sync.unpacking import unpacked
from eduhub.uids import parse_uid

log = logs.logger(__name__)

ACK_FORMAT = "eduhub-outbox-ack/1"
# A box takes a new name when it begins anew: restored, copied or replaced. That is once in a while.
MOST_INCARNATIONS = 1000
# Boxes stay far below, but for a row that is larger alone: one that is refused for ever would hold up all behind it.
MAX_PACKED_BYTES, MAX_UNPACKED_BYTES = 1 << 20, 4 << 20


@dataclass(frozen=True)
class Received:
    """How far the hub is with one incarnation of one box."""

    incarnation: str
    contiguous: int
    applied: int
    put_aside: int
    digest: str | None = None  # of the row `contiguous`; None where that is not known


def unpack(body: bytes) -> dict[str, Any]:
    """The document in a posted batch. Raises BadFormat, also for one that unpacks without end."""
    if len(body) > MAX_PACKED_BYTES:
        raise BadFormat(f"a batch has at most {MAX_PACKED_BYTES} bytes")
    try:
        found = json.loads(unpacked(body, MAX_UNPACKED_BYTES))
    except (ValueError, RecursionError) as error:
        raise BadFormat("a batch is JSON") from error
    fits = isinstance(found, dict) and found.get("format") == outbox.FORMAT and isinstance(found.get("rows"), list)
    if not fits or type(found.get("oldest")) is not int or not 1 <= found["oldest"] < 2**53:
        raise BadFormat(f"not an {outbox.FORMAT}")
    newest = found.get("newest", 0)
    if type(newest) is not int or not 0 <= newest < 2**53:
        raise BadFormat("the newest row has a number")
    try:
        parse_uid(found.get("incarnation"))
    except (BadInput, TypeError) as error:
        raise BadFormat("an incarnation is a uid") from error
    return dict(found)


def receive(session: Session, node: Node, batch: dict[str, Any]) -> Received:
    """Apply the rows that come next; known ones and ones after a gap are passed over.

    Raises NodeRefused when the incarnation belongs to another machine.
    """
    incarnation = str(batch["incarnation"])
    state = _state(session, node, incarnation)
    if batch["oldest"] > state.contiguous + 1:
        # Older than 35 days and gone for good there: waiting for it would wait for ever.
        log.warning("a box no longer has rows that were lost here", node=node.uid, upto=batch["oldest"] - 1)
        state.contiguous, state.digest = batch["oldest"] - 1, None
    rows = _in_order(batch["rows"])
    if not _goes_on(state, batch, rows):
        log.warning("two machines count under one name", node=node.uid, incarnation=incarnation)
        audit.note(session, audit.TWIN, by_uid=None, org_uid=node.org_uid, subject_uid=node.uid)
        return Received(incarnation, state.contiguous, 0, 0, state.digest)
    if "newest" in batch:
        state.newest, state.told_ms = batch["newest"], clock.now_ms()
    new = _without_gap(rows, state.contiguous)
    reasons = taking.take(session, node, incarnation, new)
    for row, reason in zip(new, reasons, strict=True):
        if reason is not None:
            log.warning("a row of a box was put aside", node=node.uid, sequence=row["sequence"], reason=reason)
            audit.note(session, f"{audit.PUT_ASIDE}.{reason}", by_uid=None, org_uid=node.org_uid, subject_uid=node.uid)
    if new:
        state.contiguous, state.digest = new[-1]["sequence"], outbox.digest(new[-1])
    session.flush()
    applied = reasons.count(None)
    return Received(incarnation, state.contiguous, applied, len(new) - applied, state.digest)


def _without_gap(rows: list[dict[str, Any]], held: int) -> list[dict[str, Any]]:
    """Those that come next after the number that is held, each number once."""
    found: list[dict[str, Any]] = []
    for row in rows:
        if row["sequence"] == held + len(found) + 1:
            found.append(row)
    return found


def _goes_on(state: InboxState, batch: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether these rows follow what is held of this name. They do not where a copy of the box has sent others of the same numbers."""
    if state.digest is None or not rows:
        return True
    held = [outbox.digest(row) for row in rows if row["sequence"] == state.contiguous]
    if not held and rows[0]["sequence"] == state.contiguous + 1 and batch.get("before") is not None:
        held = [batch["before"]]
    return not held or held[0] == state.digest


def acknowledgement(node: Node, received: Received, epoch: int, batch_sha256: str) -> dict[str, Any]:
    """What the hub signs: that it holds everything up to a number, said about this very batch."""
    said = {
        "format": ACK_FORMAT, "node": node.uid, "incarnation": received.incarnation, "epoch": epoch,
        "contiguous": received.contiguous, "batch": batch_sha256,
    }  # fmt: skip
    return said if received.digest is None else said | {"digest": received.digest}


def _state(session: Session, node: Node, incarnation: str) -> InboxState:
    if changes.machine_uid(session) == incarnation:
        raise NodeRefused("a box cannot be its hub", node=node.uid)
    elsewhere = session.scalars(
        select(InboxState.node_uid).where(InboxState.incarnation == incarnation, InboxState.node_uid != node.uid)
    ).first()
    if elsewhere is not None:
        raise NodeRefused("the incarnation of another box", node=node.uid)
    state = session.get(InboxState, (node.uid, incarnation), with_for_update=True)
    if state is None:
        of_this_box = select(func.count()).select_from(InboxState).where(InboxState.node_uid == node.uid)
        if (session.scalar(of_this_box) or 0) >= MOST_INCARNATIONS:
            raise NodeRefused("a box that takes a new name again and again", node=node.uid)
        state = InboxState(node_uid=node.uid, incarnation=incarnation, contiguous=0, digest=None, newest=None, told_ms=None)
        session.add(state)
        session.flush()
    return state


def _in_order(rows: list[Any]) -> list[dict[str, Any]]:
    """Rows that can be counted; the others cannot be acknowledged and are passed over."""
    counted = [row for row in rows if isinstance(row, dict) and type(row.get("sequence")) is int]
    return sorted(counted, key=lambda row: int(row["sequence"]))
