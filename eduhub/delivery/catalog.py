"""The catalog: one append-only, hash-chained list of everything the hub published.

Only the end of the chain is signed (the head), and that vouches for every entry (`chain.py`). Any
mirror may carry it: pages of 256 entries, of which the closed ones never change within an epoch.

A node takes in what continues its own chain and what a trusted key signed, in order, and nothing
else; going back is refused. Only the root key can cut the chain: after a hub was restored from a
backup, a new *epoch* begins after a stated sequence.

Entries of a kind that this release does not know are stored, relayed and skipped.

This module must not know what publish or withdraw mean to lessons or files. See docs/formats/catalog.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from eduhub.delivery import published
from eduhub.delivery.chain import (
    HEAD_FORMAT,
    NO_HASH,
    PAGE_ENTRIES,
    Entry,
    SignedHead,
    head_value,
    page_of,
    read_page,
    write_page,
)  # fmt: skip
from eduhub.delivery.chest import KeyChest
from eduhub.delivery.models import CatalogEntry, CatalogState
from eduhub.delivery.trust import Keyring, keyring, limit_revocations, remember_entry, signed_statement
from eduhub.errors import BadFormat, BadSignature, CatalogCutShort, NotFound, RolledBack
from eduhub.signing import SigningKey, canonical, parse_canonical, verify

__all__ = [
    "PAGE_ENTRIES", "Entry", "SignedHead", "accept", "append", "begin_epoch", "check_head", "entries_after", "head", "is_closed",
    "note_applied", "page", "page_of", "read_page", "sequence", "sign_head", "start_epoch", "state",
]  # fmt: skip

EPOCH_FORMAT = "eduhub-epoch/1"



# --- reading ------------------------------------------------------------------------


def state(session: Session, *, lock: bool = False) -> CatalogState:
    """The end of the chain here; `lock` makes other writers wait until this transaction ends."""
    session.flush()
    found = session.get(CatalogState, 1, with_for_update=lock or None, populate_existing=lock)
    if found is None:
        found = CatalogState(id=1, epoch=1, sequence=0, hash=NO_HASH, applied_sequence=0)
        if lock:
            session.add(found)
            session.flush()
    return found


def sequence(session: Session) -> int:
    """The sequence of the last entry here; 0 for an empty catalog."""
    return state(session).sequence


def head(session: Session) -> SignedHead:
    """The newest signed head, as it is served on. Raises NotFound while there is none."""
    found = state(session).head
    if found is None:
        raise NotFound("the catalog has no head here yet")
    return SignedHead.from_json(found)


def page(session: Session, number: int) -> bytes:
    """Page `number` (from 0), sequences 256 x number + 1 to 256 x number + 256, as canonical JSON."""
    first = number * PAGE_ENTRIES
    rows = session.scalars(
        select(CatalogEntry.body)
        .where(CatalogEntry.sequence > first, CatalogEntry.sequence <= first + PAGE_ENTRIES)
        .order_by(CatalogEntry.sequence)
    )
    return write_page(number, rows)


def is_closed(session: Session, number: int) -> bool:
    """Whether the page is full, so that its bytes never change within this epoch."""
    return sequence(session) >= (number + 1) * PAGE_ENTRIES


def entries_after(session: Session, after: int, *, limit: int = PAGE_ENTRIES) -> list[Entry]:
    """Verified entries that follow sequence `after`, in order: what a node acts on."""
    rows = session.scalars(
        select(CatalogEntry.body).where(CatalogEntry.sequence > after).order_by(CatalogEntry.sequence).limit(limit)
    )
    return [Entry.from_value(parse_canonical(body)) for body in rows]


def note_applied(session: Session, applied: int) -> None:
    """A node has acted on every entry up to `applied`."""
    found = state(session, lock=True)
    found.applied_sequence = min(applied, found.sequence)
    session.flush()


# --- the hub writes -----------------------------------------------------------------


def append(session: Session, keys: KeyChest, kind: str, body: dict[str, Any], *, version: int = 1) -> CatalogEntry:
    """Add an entry and sign the new head with the publishing key. Raises BadSignature when that is not trusted."""
    now = state(session, lock=True)
    entry = Entry.from_value({
        "sequence": now.sequence + 1, "epoch": now.epoch, "kind": kind, "version": version,
        "body": body, "previous": now.hash,
    })  # fmt: skip
    remember_entry(session, keyring(session), kind, body, entry.sequence)
    row = CatalogEntry(sequence=entry.sequence, epoch=entry.epoch, kind=kind, body=entry.raw, hash=entry.hash)
    session.add(row)
    published.note(session, entry)
    now.sequence, now.hash, now.applied_sequence = entry.sequence, entry.hash, entry.sequence
    sign_head(session, keys)
    return row


def sign_head(session: Session, keys: KeyChest) -> SignedHead:
    """Sign the end of the chain as it is now with the publishing key."""
    now, ring, key = state(session), keyring(session), keys.publishing
    ring.public_key(key.id, scope="catalog", sequence=now.sequence)
    payload = canonical(head_value(ring.hub_uid, now.epoch, now.sequence, now.hash))
    signed = SignedHead(ring.hub_uid, now.epoch, now.sequence, now.hash, key.sign(HEAD_FORMAT, payload))
    now.head = signed.as_json()
    session.flush()
    return signed


# --- a node takes in ----------------------------------------------------------------


def accept(session: Session, ring: Keyring, offered: SignedHead, entries: Iterable[Entry]) -> int:
    """Take in the entries up to the head, all or none; returns how many were new.

    `entries` may begin with ones that are held and may go on behind the head; reading stops there,
    so an endless source does no harm. Raises RolledBack (an older head or epoch, or another history
    than the one held), CatalogCutShort (fewer entries than the head promises), BadSignature, BadFormat.
    """
    now = state(session, lock=True)
    _refuse_going_back(now, ring, offered)
    if offered.signature.key in ring.keys:  # else an entry on the way has to introduce the key
        verify(ring.keys[offered.signature.key].public, HEAD_FORMAT, offered.payload, offered.signature)
    with session.begin_nested():
        end, added = _Link(now.sequence, now.hash, now.epoch), 0
        if offered.sequence > now.sequence:
            for entry in entries:
                if entry.sequence <= now.sequence:
                    _require_same(session, entry)
                    continue
                _require_follows(now, end, entry)
                ring = remember_entry(session, ring, entry.kind, entry.body, entry.sequence)
                session.execute(insert(CatalogEntry).values(
                    sequence=entry.sequence, epoch=entry.epoch, kind=entry.kind, body=entry.raw, hash=entry.hash
                ))  # fmt: skip
                published.note(session, entry)
                end, added = _Link(entry.sequence, entry.hash, entry.epoch), added + 1
                if end.sequence == offered.sequence:
                    break
        if end.sequence < offered.sequence:
            raise CatalogCutShort(f"{offered.sequence} entries promised, {end.sequence} arrived")
        if end.hash != offered.hash:
            raise RolledBack("the entries are not those that the head was signed for")
        check_head(ring, offered)
        now.sequence, now.hash, now.head = end.sequence, end.hash, offered.as_json()
        session.flush()
    return added


@dataclass(frozen=True)
class _Link:
    sequence: int
    hash: str
    epoch: int


def _refuse_going_back(now: CatalogState, ring: Keyring, offered: SignedHead) -> None:
    if offered.hub != ring.hub_uid:
        raise BadSignature("a head of another hub")
    if (offered.epoch, offered.sequence) < (now.epoch, now.sequence):
        raise RolledBack(f"epoch {offered.epoch}, {offered.sequence} after epoch {now.epoch}, {now.sequence}")
    if offered.epoch > now.epoch:
        raise BadFormat(f"epoch {offered.epoch} was not begun here: its statement comes first")


def check_head(ring: Keyring, offered: SignedHead) -> None:
    """Return when the hub signed this head with a key that is trusted here. Raises BadSignature."""
    ring.verify(HEAD_FORMAT, offered.payload, offered.signature, scope="catalog", sequence=offered.sequence)


def _require_same(session: Session, entry: Entry) -> None:
    held = session.get(CatalogEntry, entry.sequence)
    if held is None or held.hash != entry.hash:
        raise RolledBack(f"entry {entry.sequence} is another one than the one held")


def _require_follows(now: CatalogState, end: _Link, entry: Entry) -> None:
    if entry.sequence != end.sequence + 1 or entry.previous != end.hash:
        raise BadFormat(f"entry {entry.sequence} does not follow {end.sequence}")
    epoch_from = 0
    if now.epoch_statement is not None:
        begun = now.epoch_statement["statement"]
        epoch_from = int(begun["sequence"])
        if entry.sequence == epoch_from and entry.hash != begun["hash"]:
            raise BadSignature(f"entry {entry.sequence} is not the one that epoch {now.epoch} begins after")
    in_epoch = entry.epoch == now.epoch if entry.sequence > epoch_from else 1 <= entry.epoch < now.epoch
    if not in_epoch:
        raise BadFormat(f"entry {entry.sequence} has no place in epoch {entry.epoch}")


# --- a new epoch --------------------------------------------------------------------


def begin_epoch(session: Session, keys: KeyChest | None, root: SigningKey, *, after_epoch: int = 0) -> dict[str, Any]:
    """A restored hub begins a new epoch after the last entry that its backup held; returns the statement.

    `after_epoch` is the highest epoch that anybody (a node, a mirror) is known to have seen: a hub
    restored twice from one backup must not use a number twice. Without `keys` the head is signed by the next entry only.
    """
    now, ring = state(session, lock=True), keyring(session)
    statement = signed_statement(root, EPOCH_FORMAT, {
        "hub": ring.hub_uid, "epoch": max(now.epoch, after_epoch) + 1, "sequence": now.sequence, "hash": now.hash,
    })  # fmt: skip
    start_epoch(session, ring, statement)
    if keys is not None:
        sign_head(session, keys)
    return statement


def start_epoch(session: Session, ring: Keyring, statement: Any) -> None:
    """Follow the root into a new epoch: entries after its sequence are dropped, packages that are held stay.

    Where the entry held at that sequence is another one, or an epoch in between was missed, nothing
    held is known to belong to the hub's chain: it is then read again from its first entry. Raises
    RolledBack unless the epoch is greater than the present one, BadSignature, BadFormat.
    """
    found = ring.check_statement(EPOCH_FORMAT, statement)
    epoch, last, hash_ = (found.get(name) for name in ("epoch", "sequence", "hash"))
    if type(epoch) is not int or type(last) is not int or last < 0 or not isinstance(hash_, str) or len(hash_) != 64:
        raise BadFormat("an epoch has a number, a sequence and a hash")
    now = state(session, lock=True)
    if epoch <= now.epoch:
        raise RolledBack(f"epoch {epoch} after epoch {now.epoch}")
    held = now.sequence
    if last <= now.sequence:
        kept = last if _hash_at(session, last) == hash_ else 0
    else:
        kept = now.sequence if epoch == now.epoch + 1 else 0
    session.execute(delete(CatalogEntry).where(CatalogEntry.sequence > kept))
    published.cut(session, kept)
    now.epoch, now.sequence, now.hash = epoch, kept, _hash_at(session, kept)
    now.applied_sequence = min(now.applied_sequence, kept)
    now.head, now.epoch_statement = None, dict(statement)
    limit_revocations(session, last + 1, held)
    session.flush()


def _hash_at(session: Session, at: int) -> str:
    if at == 0:
        return NO_HASH
    return session.scalars(select(CatalogEntry.hash).where(CatalogEntry.sequence == at)).one()
