"""Boxes as pages show them: which school's, and when they were last heard of.

This module must not know routes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock, guard
from eduhub.schools.models import Organisation
from eduhub.sync.models import Node, NodeContact
from eduhub.sync.status import overview
from eduhub.web import shown
from eduhub.web.states import State

SILENT_MS, LOST_MS = overview.SILENT_MS, overview.LOST_MS  # after a day without a word somebody should look


@dataclass(frozen=True)
class BoxRow:
    """A box with its school and its state."""

    uid: str
    name: str
    school: Organisation
    version: str
    state: State


def of_school(session: Session, org_uid: str) -> list[BoxRow]:
    """The boxes of one school."""
    return _rows(session, session.scalars(select(Node).where(Node.org_uid == org_uid).order_by(Node.name)))


def one_was_lost(session: Session, org_uid: str) -> bool:
    """Whether a box of the school was ever shut out: then cards that were ended are to be printed anew."""
    lost = select(Node.uid).where(Node.org_uid == org_uid, Node.revoked_on.is_not(None))
    return session.scalars(lost.limit(1)).first() is not None


def _rows(session: Session, nodes: Iterable[Node]) -> list[BoxRow]:
    rows = []
    for node in nodes:
        school, contact = session.get(Organisation, node.org_uid), session.get(NodeContact, node.uid)
        if school is not None:
            rows.append(BoxRow(node.uid, node.name, school, contact.version if contact else "", heard(node, contact)))
    return rows


def heard(node: Node, contact: NodeContact | None) -> State:
    """What is known of a box: shut out, never heard of, or when last."""
    if node.revoked_on is not None:
        return State(gettext("shut out"), "no", "bad")
    if node.ended_on is not None:
        return State(gettext("another box has its place"), "no", "")
    if contact is None:
        return State(gettext("has not called yet"), "wait", "slow")
    return since(contact.last_ms)


def fetch_hours() -> str:
    """Between which hours this box may fetch what is not here yet, `00:00-06:00`; empty at a hub, and where that is at any time."""
    settings = guard.here().settings
    return settings.sync_window if settings.role == "node" and settings.sync_window != "00:00-24:00" else ""


def since(last_ms: int) -> State:
    """`2 minutes ago`, amber after a day of silence, red after three."""
    return ago(max(0, clock.now_ms() - last_ms))


def ago(ago_ms: int) -> State:
    """The same of a time that was counted."""
    text = gettext("%(time)s ago", time=shown.since(ago_ms))
    if ago_ms > LOST_MS:
        return State(text, "no", "bad")
    return State(text, "wait", "slow") if ago_ms > SILENT_MS else State(text, "done", "good")
