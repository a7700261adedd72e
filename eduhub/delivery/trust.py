"""Which key may sign what: the root's statements about keys, and the keyring built from them.

The root key is pinned when a machine is set up. It signs two statements, which travel as catalog
entries: *key* (this public key may sign for these scopes from that sequence on) and *revoke*. A key
revoked by the entry at sequence N still verifies what it signed at sequences before N. Sequences
decide it and never a clock, because a village box has none to trust.

Scopes: packages (manifests), catalog (heads), nodes (certificates), stream (school streams); and releases (the program),
which the publishing key has not got: `delivery/release.py`. A
scope that this release does not know is kept and gives no right here.

This module must not know files or the catalog's chain. See docs/formats/keys.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery.models import PinnedRoot, TrustedKey
from eduhub.errors import AlreadyJoined, BadFormat, BadInput, BadSignature, KeyMissing
from eduhub.signing import Signature, SigningKey, canonical, key_id, verify
from eduhub.uids import parse_uid

SCOPES = ("packages", "catalog", "nodes", "stream")
KEY_FORMAT = "eduhub-key/1"
REVOKE_FORMAT = "eduhub-revoke/1"
MAX_STATEMENT_SIGNS = 4096


@dataclass(frozen=True)
class Trusted:
    """One key that the root spoke for."""

    public: bytes
    scopes: frozenset[str]
    from_sequence: int
    revoked_at_sequence: int | None = None


@dataclass(frozen=True)
class Keyring:
    """The keys that are trusted here. A value: `with_entry` gives a new one."""

    hub_uid: str
    root: bytes
    keys: Mapping[str, Trusted] = field(default_factory=dict)

    def public_key(self, key: str, *, scope: str, sequence: int | None = None) -> bytes:
        """The raw public key with this id, if it may sign for `scope` at that catalog sequence.

        Without a sequence: as of now, so a revoked key is refused. Raises BadSignature.
        """
        found = self.keys.get(key)
        if found is None:
            raise BadSignature(f"key {key} is not known here")
        if scope not in found.scopes:
            raise BadSignature(f"key {key} may not sign for {scope}")
        if sequence is not None and sequence < found.from_sequence:
            raise BadSignature(f"key {key} holds from {found.from_sequence} on, not at {sequence}")
        revoked = found.revoked_at_sequence
        if revoked is not None and (sequence is None or sequence >= revoked):
            raise BadSignature(f"key {key} was revoked at {revoked}")
        return found.public

    def verify(
        self, context: str, payload: bytes, signature: Signature, *, scope: str, sequence: int | None = None
    ) -> None:
        """Return when a key that may sign for `scope` at `sequence` signed `payload`. Raises BadSignature."""
        verify(self.public_key(signature.key, scope=scope, sequence=sequence), context, payload, signature)

    def with_entry(self, kind: str, body: Any, sequence: int) -> "Keyring":
        """The keyring after the catalog entry `kind`, `body` at `sequence`. Raises BadFormat, BadSignature."""
        if kind == "key":
            statement = self.check_statement(KEY_FORMAT, body)
            key = _public_key(statement)
            known = self.keys.get(key_id(key))
            scopes, first = statement.get("scopes"), statement.get("from_sequence")
            if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
                raise BadFormat("a key statement lists scopes")
            if type(first) is not int or first < 0:
                raise BadFormat("a key statement says from which sequence it holds")
            revoked = known.revoked_at_sequence if known else None  # nothing brings a revoked key back
            return self._with(key_id(key), Trusted(key, frozenset(scopes), first, revoked))
        if kind == "revoke":
            name = self.check_statement(REVOKE_FORMAT, body).get("key")
            if not isinstance(name, str) or len(name) != 16:
                raise BadFormat("a revocation names a key")
            # A hub that lost its last days revokes a key that only the nodes know, and the other way round.
            known = self.keys.get(name, Trusted(b"", frozenset(), 0))
            earliest = min(sequence, known.revoked_at_sequence or sequence)
            return self._with(name, replace(known, revoked_at_sequence=earliest))
        return self

    def with_brought(self, body: Any) -> "Keyring":
        """The keyring with a key of which somebody else brings the root's word; one that is known here, revoked or not, stays as it is.

        A hub that was restored from a backup does not know the keys that it stated since, and boxes do. Whoever uses this takes the risk
        that such a key was revoked since, too. Raises BadFormat, BadSignature.
        """
        if len(str(body)) > MAX_STATEMENT_SIGNS:  # it is written canonically before its signature is looked at
            raise BadFormat("a key statement is short")
        statement = self.check_statement(KEY_FORMAT, body)
        return self if key_id(_public_key(statement)) in self.keys else self.with_entry("key", body, 0)

    def check_statement(self, form: str, body: Any) -> dict[str, Any]:
        """The statement in `body` = {"statement", "signature"}, signed by the pinned root for this hub."""
        statement = body.get("statement") if isinstance(body, dict) else None
        if not isinstance(statement, dict):
            raise BadFormat(f"not a signed {form}")
        verify(self.root, form, canonical(statement), Signature.from_json(body.get("signature")))
        if statement.get("format") != form or statement.get("hub") != self.hub_uid:
            raise BadSignature(f"not a {form} of this hub")
        return statement

    def _with(self, key: str, trusted: Trusted) -> "Keyring":
        return replace(self, keys={**self.keys, key: trusted})


def signed_statement(root: SigningKey, form: str, statement: Mapping[str, Any]) -> dict[str, Any]:
    """{"statement", "signature"}: `statement` with its format, signed by the root key."""
    full = {**statement, "format": form}
    return {"statement": full, "signature": root.sign(form, canonical(full)).as_json()}


def key_statement(
    root: SigningKey, hub_uid: str, public: bytes, *, scopes: tuple[str, ...], from_sequence: int
) -> dict[str, Any]:
    """The body of a `key` entry."""
    facts = {"hub": hub_uid, "key": public.hex(), "scopes": list(scopes), "from_sequence": from_sequence}
    return signed_statement(root, KEY_FORMAT, facts)


def revoke_statement(root: SigningKey, hub_uid: str, key: str) -> dict[str, Any]:
    """The body of a `revoke` entry; it holds from the sequence of that entry on."""
    return signed_statement(root, REVOKE_FORMAT, {"hub": hub_uid, "key": key})


def pin_root(session: Session, public: bytes, hub_uid: str) -> PinnedRoot:
    """Trust this root key for good. Raises AlreadyJoined when another one is pinned."""
    found = session.get(PinnedRoot, 1)
    if found is None:
        found = PinnedRoot(id=1, public=public.hex(), hub_uid=parse_uid(hub_uid))
        session.add(found)
        session.flush()
    if (found.public, found.hub_uid) != (public.hex(), hub_uid):
        raise AlreadyJoined(f"the root of hub {found.hub_uid} is pinned")
    return found


def keyring(session: Session) -> Keyring:
    """What this machine trusts now. Raises KeyMissing before a root is pinned."""
    root = session.get(PinnedRoot, 1)
    if root is None:
        raise KeyMissing("no root key is pinned here", key="root")
    rows = session.scalars(select(TrustedKey))
    trusted = {
        row.id: Trusted(
            bytes.fromhex(row.public),
            frozenset(row.scopes),
            int(row.statement.get("statement", {}).get("from_sequence", 0)),
            row.revoked_at_sequence,
        )
        for row in rows
    }
    return Keyring(root.hub_uid, bytes.fromhex(root.public), trusted)


def remember_entry(session: Session, ring: Keyring, kind: str, body: Any, sequence: int) -> Keyring:
    """Act on a `key` or `revoke` entry that is part of the verified chain; others change nothing."""
    after = ring.with_entry(kind, body, sequence)
    for key, trusted in after.keys.items():
        if ring.keys.get(key) == trusted:
            continue
        row = session.get(TrustedKey, key)
        if row is None:
            row = TrustedKey(id=key, public="", scopes=[], statement={})
            session.add(row)
        if kind == "key":
            row.public = trusted.public.hex()
            row.scopes, row.statement = sorted(trusted.scopes), dict(body)
        row.revoked_at_sequence = trusted.revoked_at_sequence
    session.flush()
    return after


def statement_of(session: Session, key: str) -> dict[str, Any] | None:
    """What the root said of the key with this id, as it came; None where it is not known here."""
    row = session.get(TrustedKey, key)
    return dict(row.statement) if row is not None and row.statement else None


def limit_revocations(session: Session, first_sequence: int, held: int) -> None:
    """A new epoch begins at `first_sequence`, where the chain reached to `held`: keys that were revoked or stated in what is lost sign nothing in it.

    The restored hub has a key of its own, and one that the root stated in the lost part may be a thief's. A key for releases lies elsewhere, and
    is stated again. A spare box knows the key of the new epoch before it hears of the epoch, and has held nothing that far.
    """
    for row in session.scalars(select(TrustedKey)):
        stated_at = row.statement.get("statement", {}).get("from_sequence", 0)
        is_lost = row.revoked_at_sequence is None and "catalog" in row.scopes and first_sequence <= stated_at <= held
        if is_lost or (row.revoked_at_sequence or 0) > first_sequence:
            row.revoked_at_sequence = first_sequence
    session.flush()


def _public_key(statement: Mapping[str, Any]) -> bytes:
    try:
        public = bytes.fromhex(statement["key"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadFormat("a key statement holds a public key in hex") from error
    if len(public) != 32 or public.hex() != statement["key"]:
        raise BadFormat("a public key is 32 bytes in lower-case hex")
    return public


def checked_hub_uid(text: Any) -> str:
    """`text` as the uid of a hub. Raises BadFormat."""
    try:
        return parse_uid(text)
    except (BadInput, TypeError) as error:
        raise BadFormat("a hub is named by its uid") from error
