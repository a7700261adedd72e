"""Canonical bytes, Ed25519 signatures, sealing to one reader: the primitives, no policy.

- *Canonical JSON* is RFC 8785 (JCS) restricted to text, whole numbers within +-(2**53 - 1),
  true, false, null, lists and objects: no floats, so every language writes the same bytes.
- A *signature* is Ed25519 (RFC 8032) over `context || 0x00 || payload`; the context is a
  short ASCII word that keeps a signature made for one purpose from serving another.
- A *key id* is the first 16 hex digits of the SHA-256 of the raw public key.
- *Sealing* is HPKE (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.

Which key may sign what is decided in `delivery/trust.py`. See docs/formats/signatures.md.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from eduhub.errors import BadFormat, BadSignature


def canonical(value: Any) -> bytes:
    """The one way to write `value`; raises BadFormat for floats and other foreign things."""
    _refuse_floats(value)
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:  # a key of half a letter; too deep
        raise BadFormat(f"cannot be written canonically: {error}") from error


def parse_canonical(payload: bytes, *, max_bytes: int = 4 << 20) -> Any:
    """Read canonical JSON; raises BadFormat when the bytes are not the canonical ones."""
    if len(payload) > max_bytes:
        raise BadFormat(f"{len(payload)} bytes, more than {max_bytes}")
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadFormat("not JSON") from error
    if canonical(value) != payload:
        raise BadFormat("not canonical JSON")
    return value


def _refuse_floats(value: Any) -> None:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, float):
            raise BadFormat("a float has no place in a signed document")
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list | tuple):
            waiting.extend(found)


def sha256_hex(payload: bytes) -> str:
    """The name of some bytes."""
    return hashlib.sha256(payload).hexdigest()


def key_id(public_key: bytes) -> str:
    """The short name of a raw 32-byte public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


@dataclass(frozen=True)
class Signature:
    """Who signed, and the 64 signature bytes as 128 hex digits."""

    key: str
    value: str

    def as_json(self) -> dict[str, str]:
        return {"key": self.key, "value": self.value}

    @classmethod
    def from_json(cls, found: Any) -> "Signature":
        """Raises BadFormat for anything but {"key": 16 hex, "value": 128 hex}."""
        if not isinstance(found, dict) or not _is_hex(found.get("key"), 16) or not _is_hex(found.get("value"), 128):
            raise BadFormat("not a signature")
        return cls(found["key"], found["value"])


def _is_hex(text: Any, digits: int) -> bool:
    return isinstance(text, str) and len(text) == digits and all(digit in "0123456789abcdef" for digit in text)


class SigningKey:
    """An Ed25519 private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        self.id = key_id(self.public)

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key of a 32-byte seed (RFC 8032's private key)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes, for the key file and nowhere else."""
        return self._private.private_bytes_raw()

    def sign(self, context: str, payload: bytes) -> Signature:
        return Signature(self.id, self._private.sign(_bound(context, payload)).hex())


def verify(public_key: bytes, context: str, payload: bytes, signature: Signature) -> None:
    """Return when `public_key` signed `payload` for `context`; raise BadSignature otherwise."""
    if key_id(public_key) != signature.key:
        raise BadSignature("signed by another key")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(signature.value), _bound(context, payload))
    except (InvalidSignature, ValueError) as error:
        raise BadSignature(f"signature for {context} does not fit") from error


def _bound(context: str, payload: bytes) -> bytes:
    return context.encode("ascii") + b"\0" + payload


_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def new_sealing_seed() -> bytes:
    """The 32 secret bytes of a fresh X25519 key, for the key file and nowhere else."""
    return X25519PrivateKey.generate().private_bytes_raw()


def sealing_public(seed: bytes) -> bytes:
    """The raw 32-byte public key that others seal to."""
    return X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def seal(public_key: bytes, context: str, payload: bytes) -> bytes:
    """`payload` so that only the holder of the X25519 key reads it: encapsulated key, then ciphertext."""
    return _SUITE.encrypt(payload, X25519PublicKey.from_public_bytes(public_key), info=context.encode("ascii"))


def unseal(seed: bytes, context: str, sealed: bytes) -> bytes:
    """What was sealed to this key; raises BadSignature when it was not, or was changed on the way."""
    try:
        return _SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(seed), info=context.encode("ascii"))
    except (InvalidTag, ValueError) as error:
        raise BadSignature(f"cannot be unsealed for {context}") from error
