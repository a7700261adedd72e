"""Hub: take home what a stick brings from boxes, each row once, and leave on it the word that it was taken.

Each file stands for itself: one that is damaged, a stranger's or an old one costs itself. What is known already is passed
over by the same function as on the link (`inbox.receive`), so order, repetition and path do not matter.

A batch is deleted from the stick only when the word that it is held lies beside it.

This module must not know HTTP. See docs/formats/courier.md.
"""

import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import changes, clock, logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadSignature, NoCourier, NodeRefused, StickFull, StickReadOnly
from eduhub.installation import Installation
from eduhub.signing import canonical, sha256_hex
from eduhub.sync.boxes import restoring
from eduhub.sync.courier import about, acks, layout, sealing, wants
from eduhub.sync.courier.acks import Word
from eduhub.sync.courier.layout import Parts
from eduhub.sync.courier.reports import BroughtHome
from eduhub.sync.courier.sealing import Letter
from eduhub.sync.courier.stick import Stick
from eduhub.sync.courier.wants import Want
from eduhub.sync.homeward import inbox
from eduhub.sync.models import CourierWant, InboxState, Node, NodeContact
from eduhub.sync.status import told

log = logs.logger(__name__)


@dataclass
class _OfNode:
    """What came from one box."""

    node: Node
    files: list[Parts] = field(default_factory=list)  # that were taken
    pages: set[str] = field(default_factory=set)  # hashes of those that were read, whether or not they were believed


def take(installation: Installation, stick: Stick, on_progress: Callable[[float], None]) -> BroughtHome:
    """Take home what lies on the stick. Raises AnotherHubsStick, NoCourier, StickGone."""
    report = BroughtHome()
    found = about.read(stick)
    with installation.database.read() as session:
        if found is not None:
            found.require_of(keyring(session))
        nodes = _nodes_on(session, stick, report)
    for number, node in enumerate(nodes):
        before = report.rows + report.wants
        came = _take_node(installation, stick, node, report)
        want = _take_want(installation, stick, node, report)
        if report.rows + report.wants > before or came.files:
            report.boxes.append(node.name)
        _note_given_back(installation, came, want)
        _answer(installation, stick, came, report)
        on_progress((number + 1) / len(nodes))
    on_progress(1.0)
    return report


def acknowledge(installation: Installation, stick: Stick, node: Node) -> None:
    """Write how far the hub is with a box. Raises StickFull, StickReadOnly, StickGone."""
    with installation.database.read() as session:
        hub, epoch = keyring(session).hub_uid, catalog.state(session).epoch
        states = session.scalars(
            select(InboxState).where(InboxState.node_uid == node.uid)
            .order_by(InboxState.incarnation.desc()).limit(acks.MAX_INCARNATIONS)
        ).all()  # fmt: skip
        row = session.get(CourierWant, node.uid)
        word = Word(
            {state.incarnation: state.contiguous for state in states},
            given_back=row is not None and row.given_back_epoch == epoch,
            digests={state.incarnation: state.digest for state in states if state.digest is not None},
        )
    written = acks.to_bytes(installation.keys.publishing, hub=hub, node_uid=node.uid, epoch=epoch, word=word)
    stick.write(layout.acks(node.uid), [written])


def _nodes_on(session: Session, stick: Stick, report: BroughtHome) -> list[Node]:
    """The boxes that have something on the stick and are boxes of this hub."""
    uids = set(stick.names((layout.HOME,), layout.UID, limit=layout.MAX_NODES))
    uids |= {name[:36] for name in stick.names((layout.WANT,), layout.WANT_FILE, limit=layout.MAX_NODES)}
    found = []
    for uid in sorted(uids):
        node = session.get(Node, uid)
        if node is None or node.revoked_on is not None:
            log.warning("a stick brings something of a box that is unknown or shut out", node=uid)
            report.refused += 1
        else:
            found.append(node)
    return found


def _take_node(installation: Installation, stick: Stick, node: Node, report: BroughtHome) -> _OfNode:
    came = _OfNode(node)
    for parts in _letters(stick, node.uid):
        sealed = stick.read(parts, max_bytes=layout.MAX_HOME_BYTES)
        try:
            if sealed is None:
                raise BadFormat("a letter cannot be read")
            with installation.database.read() as session:
                letter = sealing.open_letter(installation, keyring(session).hub_uid, node, sealed)
            _take_letter(installation, node, letter, came, report)
        except (BadFormat, BadSignature, NodeRefused) as error:
            log.warning("a letter of a box was refused", node=node.uid, error_code=error.code, detail=error.detail[:200])
            report.refused += 1
            continue
        came.files.append(parts)
    return came


def _letters(stick: Stick, node_uid: str) -> Iterable[Parts]:
    """First what is given back, then rows by their numbers: so that none is passed over because it came too early."""
    folder = (layout.HOME, node_uid)
    for name in stick.names(folder, layout.PAGE_FILE, limit=layout.MAX_HOME_FILES):
        yield *folder, name
    batches = stick.names(folder, layout.HOME_FILE, limit=layout.MAX_HOME_FILES)
    for name in sorted(batches, key=lambda name: layout.read_home_name(name) or ("", 0, 0)):
        yield *folder, name


def _take_letter(installation: Installation, node: Node, letter: Letter, came: _OfNode, report: BroughtHome) -> None:
    if letter.kind == sealing.PAGE:
        page = _page_in(letter.body)
        try:
            with installation.database.write() as session:
                changes.hold_machine(session)
                restoring.take_back(session, installation, node, [page])
        except (BadFormat, BadSignature) as error:
            # Its key was revoked, say. It still counts as read: the hub says `given_back` only when all pages were, and without that word
            # the box never reads its stream anew.
            log.warning("a page was not taken back", node=node.uid, error_code=error.code)
            report.refused += 1
        came.pages.add(sha256_hex(letter.body))
    elif letter.kind == sealing.OUTBOX:
        batch = inbox.unpack(letter.body)
        with installation.database.write() as session:
            changes.hold_machine(session)  # before the inbox of this box: as all who write the log
            current = session.get(Node, node.uid)
            if current is None or current.revoked_on is not None:
                raise NodeRefused("shut out meanwhile", node=node.uid)
            received = inbox.receive(session, current, batch)
        report.rows += received.applied + received.put_aside
    else:
        raise BadFormat(f"a letter of an unknown kind: {letter.kind[:20]}")


def _page_in(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFormat("a page is JSON") from error


def _take_want(installation: Installation, stick: Stick, node: Node, report: BroughtHome) -> Want | None:
    payload = stick.read(layout.want(node.uid), max_bytes=layout.MAX_WANT_BYTES)
    if payload is None:
        return None
    try:
        with installation.database.write() as session:
            want = wants.read(payload, keyring(session).hub_uid, node)
            if _note_want(session, node, want):
                report.wants += 1
                _note_status(session, node, want)
            return want
    except (BadFormat, BadSignature) as error:
        log.warning("a want-list was refused", node=node.uid, error_code=error.code)
        report.refused += 1
        return None


def _note_want(session: Session, node: Node, want: Want) -> bool:
    """Keep it, unless a later one is known: sticks come in any order. Says whether it was news."""
    row = session.get(CourierWant, node.uid)
    if row is not None and (int(row.document["epoch"]), row.made_s) >= (int(want.document["epoch"]), want.made_s):
        return False
    if row is None:
        row = CourierWant(node_uid=node.uid, document={}, made_s=0, read_ms=0, given_back_epoch=0)
        session.add(row)
    row.document = {
        name: value for name, value in want.document.items() if name not in ("held_bits", "partial_bits", "status")
    }
    row.made_s, row.read_ms = want.made_s, clock.now_ms()
    contact = session.get(NodeContact, node.uid)
    if contact is None:
        contact = NodeContact(
            node_uid=node.uid, last_ms=0, version=want.version, stream_sequence=0, catalog_sequence=0, disk_full_ms=None
        )
        session.add(contact)
    contact.last_ms = clock.now_ms()  # a stick is a word from the box, too
    if want.document["epoch"] == catalog.state(session).epoch:
        contact.catalog_sequence = max(contact.catalog_sequence, min(want.catalog_sequence, catalog.sequence(session)))
        if want.stream_epoch == want.document["epoch"]:
            contact.stream_sequence = max(contact.stream_sequence, want.stream_sequence)
    session.flush()
    return True


def _note_status(session: Session, node: Node, want: Want) -> None:
    try:
        status = want.document.get("status")
        if len(canonical(status)) > told.MAX_UNPACKED_BYTES:
            raise BadFormat("what a box says of itself is more than it may say by link")
        told.note(session, node.uid, told.read(status), is_carried=True)
    except BadFormat:
        log.info("what a box says of itself cannot be read", node=node.uid)  # one of an older release says nothing


def _note_given_back(installation: Installation, came: _OfNode, want: Want | None) -> None:
    """After a restore: whether this hub has all that the box kept, so that the box may read its stream anew."""
    if want is None:
        return
    with installation.database.write() as session:
        epoch = catalog.state(session).epoch
        row = session.get(CourierWant, came.node.uid)
        if row is None or want.document["epoch"] != epoch or want.stream_epoch == epoch:
            return
        if len(came.pages) >= int(want.document.get("pages", 0)):
            row.given_back_epoch = epoch


def _answer(installation: Installation, stick: Stick, came: _OfNode, report: BroughtHome) -> None:
    if not came.files:
        return
    try:
        acknowledge(installation, stick, came.node)
        stick.settle()
        for parts in came.files:
            if _is_held(installation, came.node, parts):
                with contextlib.suppress(NoCourier):
                    stick.remove(parts)
    except (StickReadOnly, StickFull, NoCourier) as error:
        log.info("no word could be left on the stick", error_code=error.code)
        report.acknowledged = False


def _is_held(installation: Installation, node: Node, parts: Parts) -> bool:
    """Whether all of a batch is home; one behind a gap stays where it is."""
    name = layout.read_home_name(parts[-1])
    if name is None:
        return True
    with installation.database.read() as session:
        known = select(func.max(InboxState.contiguous)).where(
            InboxState.node_uid == node.uid, InboxState.incarnation == name[0]
        )
        return (session.scalar(known) or 0) >= name[2]
