"""After a hub was restored from a backup: how what its boxes still hold comes back.

The restored hub begins a new epoch, signed by the root key. A box that sees it gives back, first,
the pages of its school stream that are newer than the backup (the hub knows its own signature on
them, or the root's word, brought beside them, for the key that signed), then its outbox above the
number that the restored hub acknowledges, and then reads its stream anew. Nothing of this needs a person, and every step may be repeated.

This module must not know how a backup is made. See docs/formats/{school-stream,outbox,backup}.md.
"""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from eduhub import changes, logs
from eduhub.accounts.models import Person
from eduhub.changes.values import check_plain
from eduhub.delivery import catalog, theft
from eduhub.delivery.trust import keyring, statement_of
from eduhub.errors import BadFormat, BadSignature
from eduhub.installation import Installation
from eduhub.rosters import erasing
from eduhub.signing import Signature
from eduhub.sync.homeward import taking
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.models import Node, StreamPage, StreamState
from eduhub.sync.school_stream import applying, placing, scope, stream_pages

log = logs.logger(__name__)

MAX_PAGES_A_CALL = 4
_FILE = "restored.json"


# --- hub ----------------------------------------------------------------------------


def note_restored(session: Session, data_dir: Path) -> None:
    """Write down where each school's stream stood in the backup: newer pages are asked back from the boxes."""
    streams = {state.org_uid: state.sequence for state in session.scalars(select(StreamState))}
    (data_dir / _FILE).write_text(json.dumps({"streams": streams}), encoding="ascii")


def _restored(installation: Installation) -> dict[str, Any]:
    """What was written down when this hub was restored; empty where it never was."""
    try:
        found = json.loads((installation.settings.data_dir / _FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def restored_sequence(installation: Installation, org_uid: str) -> int:
    """Where a school's stream stood when this hub was restored; 0 when nothing is known."""
    streams = _restored(installation).get("streams")
    found = streams.get(org_uid, 0) if isinstance(streams, dict) else 0
    return found if type(found) is int else 0


def take_back(session: Session, installation: Installation, node: Node, pages: Any) -> dict[str, Any]:
    """Merge pages that this hub once signed for this node's school. Raises BadFormat, BadSignature.

    Rows and tombstones count, and of removals the end that they tell; what left a school's sight is not gone.
    """
    if not isinstance(pages, list) or len(pages) > MAX_PAGES_A_CALL:
        raise BadFormat(f"at most {MAX_PAGES_A_CALL} pages at once")
    ring, epoch = keyring(session), catalog.state(session).epoch
    believes_brought_keys = bool(_restored(installation)) and not theft.is_noted(session)
    merged = 0
    for found in pages:
        if not isinstance(found, dict) or not isinstance(found.get("payload"), str):
            raise BadFormat("a page has a payload and a signature")
        check_plain(found["payload"])
        statement = found.get("key_statement")
        ring_for_page = ring.with_brought(statement) if statement is not None and believes_brought_keys else ring
        page = stream_pages.read_page(found["payload"].encode("utf-8"), Signature.from_json(found.get("signature")), ring_for_page)
        if page.org_uid != node.org_uid:
            raise BadSignature("a page of another school")
        if page.signature.key not in ring.keys:
            if page.epoch >= epoch:
                raise BadSignature("a page of this epoch, by a key that this hub has not stated")
            log.warning("a page is taken back by the root's word for a key that this hub does not know", key=page.signature.key, node=node.uid)
        held = []
        for entry in page.entries:
            try:
                with session.begin_nested():
                    merged += _take_back_entry(session, page.org_uid, entry)
            except (BadFormat, DataError) as error:
                log.warning("an entry was not taken back", table_name=entry["table"], row=entry["uid"], problem=type(error).__name__)
                continue
            if entry["kind"] in {"row", placing.PROGRESS}:
                held.append((entry["table"], entry["uid"]))
        placing.note_held(session, page.org_uid, held)
    if merged:
        log.info("a box brought stream entries back", node=node.uid, entries=merged)
    return {"stream_sequence": restored_sequence(installation, node.org_uid)}


def _take_back_entry(session: Session, org_uid: str, entry: dict[str, Any]) -> int:
    if entry["kind"] == "row" or (entry["kind"] == "removal" and entry["fields"]):
        row = entry["table"], entry["uid"]
        if not scope.may_travel(session, *row):
            raise BadFormat("no stream carries this row")
        touched = changes.merge(session, applying.fields_of(entry))
        if not scope.may_travel(session, *row):  # fields are merged one by one: what comes of it is what counts
            raise BadFormat("no stream carries such a row")
        taking.reconsider_events(session, touched)
        return bool(touched)
    if entry["kind"] == "tombstone":
        changes.bury(session, entry["table"], entry["uid"], org_uid)
        if entry["table"] == Person.__tablename__:
            erasing.forget(session, entry["uid"])  # the backup still had what this child learned
        return 1
    return 0


# --- node ---------------------------------------------------------------------------


def give_back(installation: Installation, link: Link) -> int:
    """Bring the restored hub every kept page that is newer than its backup; returns how many. Raises LinkDown.

    What the hub says of its backup counts in the epoch before this one. Pages of an earlier one are brought all: the hub was restored
    twice since, and may have numbered anew, in between, what they are.
    """
    answer = link.post_json(f"{PREFIX}/replay", {"pages": []})
    newer_than = answer.get("stream_sequence")
    if type(newer_than) is not int:
        raise BadFormat("the hub says where its stream stood")
    with installation.database.read() as session:
        before = catalog.state(session).epoch - 1
        sequences = [
            page.sequence for page in applying.kept_pages(session)
            if page.sequence > newer_than or json.loads(page.payload)["epoch"] != before
        ]  # fmt: skip
    for sequence in sequences:
        with installation.database.read() as session:
            page = page_to_give_back(session, sequence)  # only a round drops pages, and there is one at a time
        try:
            link.post_json(f"{PREFIX}/replay", {"pages": [page]})
        except (BadSignature, BadFormat) as error:
            # A page that the hub no longer trusts (its key was revoked, say) must not hold up the others.
            log.warning("a page was not taken back", sequence=sequence, error_code=error.code)
    return len(sequences)


def page_to_give_back(session: Session, sequence: int) -> dict[str, Any]:
    """A kept page as the hub takes it back, with the root's word for the key that signed it: the hub may have stated that key since its backup."""
    page = session.get_one(StreamPage, sequence)
    found = {"payload": page.payload.decode("utf-8"), "signature": page.signature}
    statement = statement_of(session, str(page.signature["key"]))
    return found if statement is None else found | {"key_statement": statement}
