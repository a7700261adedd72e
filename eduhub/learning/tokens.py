"""Append-only tokens: with one, a device may add events of the child who made them, and nothing else.

`eduhub-append/1`: base64url of canonical JSON {format, person, org, issue}, a dot, and 64 hex digits of
HMAC-SHA256 over the format, a zero byte and that JSON, under the secret of the machine that issued
it. It does not expire: a phone may come back after the holidays, and what it brings is judged event
by event. It ends with the machine's secret and with the erasure of the person.

This module must not know sign-ins or HTTP. See docs/formats/events.md.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from eduhub.errors import BadFormat, BadInput, TokenRefused
from eduhub.signing import canonical, parse_canonical
from eduhub.uids import new_uid, parse_uid

FORMAT = "eduhub-append/1"
_LONGEST = 600


@dataclass(frozen=True)
class Actor:
    """Whose events a token may append, and where they belong."""

    person_uid: str
    org_uid: str
    issue: str


def issue(secret: bytes, person_uid: str, org_uid: str, *, issue_uid: str | None = None) -> str:
    """A token for one person at one organisation."""
    payload = canonical(
        {"format": FORMAT, "person": person_uid, "org": org_uid, "issue": issue_uid or new_uid()}
    )
    return f"{_encoded(payload)}.{_seal(secret, payload)}"


def read(secret: bytes, token: str) -> Actor:
    """Whose token this is; raises TokenRefused when this machine did not issue it."""
    encoded, _, seal = token.partition(".")
    if len(token) > _LONGEST or not token.isascii():
        raise TokenRefused("not a token")
    try:
        payload = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("not a token") from error
    if _encoded(payload) != encoded or not hmac.compare_digest(_seal(secret, payload), seal):
        raise TokenRefused("issued elsewhere, or changed")
    try:
        found = parse_canonical(payload)
        if found["format"] != FORMAT:
            raise TokenRefused("a token for something else")
        return Actor(parse_uid(found["person"]), parse_uid(found["org"]), parse_uid(found["issue"]))
    except (BadFormat, BadInput, KeyError, TypeError) as error:
        raise TokenRefused("not a token") from error


def _encoded(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).decode("ascii").rstrip("=")


def _seal(secret: bytes, payload: bytes) -> str:
    return hmac.new(secret, FORMAT.encode() + b"\0" + payload, hashlib.sha256).hexdigest()
