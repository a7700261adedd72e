"""The catalog: one append-only, hash-chained list of everything the hub published.

An entry is canonical JSON {sequence, epoch, kind, version, body, previous}; its hash is the SHA-256
of those bytes and `previous` is the hash before it. Only the end of the chain is signed (the head),
and that vouches for every entry. Any mirror may carry it: pages of 256 entries, of which the closed
ones never change within an epoch.

A node takes in what continues its own chain and what a trusted key signed, in order, and nothing
else; going back is refused. Only the root key can cut the chain: after a hub was restored from a
backup, a new *epoch* begins at a stated sequence (`epochs.py`).

Entries of a kind that this release does not know are stored, relayed and skipped.

This module must not know what publish or withdraw mean to lessons or files. See docs/formats/catalog.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from eduhub.delivery.chest import KeyChest
from eduhub.delivery.models import CatalogEntry, CatalogState
from eduhub.delivery.trust import Keyring, checked_hub_uid, keyring, remember_entry
from eduhub.errors import BadFormat, BadSignature, CatalogCutShort, RolledBack
from eduhub.signing import Signature, canonical, parse_canonical, sha256_hex, verify

HEAD_FORMAT = "eduhub-head/1"
PAGE_FORMAT = "eduhub-catalog-page/1"
PAGE_ENTRIES = 256
MAX_ENTRY_BYTES = 32 << 10
MAX_PAGE_BYTES = PAGE_ENTRIES * (MAX_ENTRY_BYTES + 1) + 200
NO_HASH = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One entry as it travels. `raw` is its canonical bytes, with fields that are not known here."""

    sequence: int
    epoch: int
    kind: str
    version: int
    body: Any
    previous: str
    raw: bytes

    @property
    def hash(self) -> str:
        """The entry's name in the chain."""
        return sha256_hex(self.raw)

    @classmethod
    def from_value(cls, found: Any) -> "Entry":
        """Raises BadFormat for what no hub can have written."""
        raw = canonical(found)
        if not isinstance(found, dict) or len(raw) > MAX_ENTRY_BYTES:
            raise BadFormat(f"a catalog entry is an object of at most {MAX_ENTRY_BYTES} bytes")
        numbers = [found.get(name) for name in ("sequence", "epoch", "version")]
        if not all(type(number) is int and number > 0 for number in numbers):
            raise BadFormat("a catalog entry has a sequence, an epoch and a version")
        kind, previous = found.get("kind"), found.get("previous")
        if not isinstance(kind, str) or not 0 < len(kind) <= 20 or not isinstance(previous, str) or "body" not in found:
            raise BadFormat("a catalog entry has a kind, a body and the hash before it")
        return cls(found["sequence"], found["epoch"], kind, found["version"], found["body"], previous, raw)


@dataclass(frozen=True)
class SignedHead:
    """Where the chain ends, signed by a key with the scope `catalog`."""

    hub: str
    epoch: int
    sequence: int
    hash: str
    signature: Signature

    @property
    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical(_head_value(self.hub, self.epoch, self.sequence, self.hash))

    def as_json(self) -> dict[str, Any]:
        """{"head": {...}, "signature": {...}}"""
        return {
            "head": _head_value(self.hub, self.epoch, self.sequence, self.hash),
            "signature": self.signature.as_json(),
        }

    @classmethod
    def from_json(cls, found: Any) -> "SignedHead":
        """Raises BadFormat."""
        head = found.get("head") if isinstance(found, dict) else None
        if not isinstance(head, dict) or set(head) != {"format", "hub", "epoch", "sequence", "hash"}:
            raise BadFormat("not a signed head")
        if head["format"] != HEAD_FORMAT or not isinstance(head["hash"], str) or len(head["hash"]) != 64:
            raise BadFormat(f"not a head of {HEAD_FORMAT}")
        if type(head["epoch"]) is not int or type(head["sequence"]) is not int or head["epoch"] < 1:
            raise BadFormat("a head has an epoch and a sequence")
        hub = checked_hub_uid(head["hub"])
        return cls(hub, head["epoch"], head["sequence"], head["hash"], Signature.from_json(found.get("signature")))


def _head_value(hub: str, epoch: int, at: int, hash_: str) -> dict[str, Any]:
    return {"format": HEAD_FORMAT, "hub": hub, "epoch": epoch, "sequence": at, "hash": hash_}


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
    """The newest signed head, as it is served on. Raises BadFormat while the catalog is empty."""
    return SignedHead.from_json(state(session).head)


def page(session: Session, number: int) -> bytes:
    """Page `number` (from 0), sequences 256 x number + 1 to 256 x number + 256, as canonical JSON."""
    first = number * PAGE_ENTRIES
    rows = session.scalars(
        select(CatalogEntry.body)
        .where(CatalogEntry.sequence > first, CatalogEntry.sequence <= first + PAGE_ENTRIES)
        .order_by(CatalogEntry.sequence)
    )
    entries = b",".join(rows)  # stored canonically, and the three names are in canonical order
    return b'{"entries":[%b],"format":"%b","number":%d}' % (entries, PAGE_FORMAT.encode(), number)


def page_of(entry_sequence: int) -> int:
    """The number of the page that holds an entry."""
    return (entry_sequence - 1) // PAGE_ENTRIES


def is_closed(session: Session, number: int) -> bool:
    """Whether the page is full, so that its bytes never change within this epoch."""
    return sequence(session) >= (number + 1) * PAGE_ENTRIES


def read_page(payload: bytes, number: int) -> list[Entry]:
    """The entries of a page that arrived; nothing is verified yet. Raises BadFormat."""
    found = parse_canonical(payload, max_bytes=MAX_PAGE_BYTES)
    fits = isinstance(found, dict) and found.get("format") == PAGE_FORMAT and found.get("number") == number
    if not fits or not isinstance(found.get("entries"), list) or len(found["entries"]) > PAGE_ENTRIES:
        raise BadFormat(f"not page {number} of a catalog")
    entries = [Entry.from_value(value) for value in found["entries"]]
    if [entry.sequence for entry in entries] != [number * PAGE_ENTRIES + i + 1 for i in range(len(entries))]:
        raise BadFormat(f"the entries of page {number} are not in their places")
    return entries


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
    now.sequence, now.hash, now.applied_sequence = entry.sequence, entry.hash, entry.sequence
    sign_head(session, keys)
    return row


def sign_head(session: Session, keys: KeyChest) -> SignedHead:
    """Sign the end of the chain as it is now with the publishing key."""
    now, ring, key = state(session), keyring(session), keys.publishing
    ring.public_key(key.id, scope="catalog", sequence=now.sequence)
    payload = canonical(_head_value(ring.hub_uid, now.epoch, now.sequence, now.hash))
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
                end, added = _Link(entry.sequence, entry.hash, entry.epoch), added + 1
                if end.sequence == offered.sequence:
                    break
        if end.sequence < offered.sequence:
            raise CatalogCutShort(f"{offered.sequence} entries promised, {end.sequence} arrived")
        if end.hash != offered.hash:
            raise RolledBack("the entries are not those that the head was signed for")
        _check_signature(ring, offered)
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


def _check_signature(ring: Keyring, offered: SignedHead) -> None:
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
