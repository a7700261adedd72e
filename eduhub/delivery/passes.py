"""Passes: who may read one package's parts, for how long, checked without a database.

A pass is text, `1.<audience>.<expires>.<person>.<mac>`: `expires` in steady seconds, `person` a uid
or `-`, `mac` the HMAC-SHA-256 of those and the package's id under this machine's secret, as 43
characters of base64url. The id is not in the text: a pass is good for the package it was made for
and no other. It ends by the steady clock, which no wrong date moves.

This module must not know HTTP, nor who may be given a pass: that is decided by whoever mints it.
See docs/formats/passes.md.
"""

import base64
import hmac
import re
from dataclasses import dataclass

from eduhub.errors import BadFormat, BadInput, PassRefused
from eduhub.uids import parse_uid

AUDIENCES = ("learner", "teacher", "open", "node")
MAX_PASS_CHARACTERS = 160

_PACKAGE = re.compile(r"[0-9a-f]{64}")
_TEXT = re.compile(r"1\.([a-z]{1,10})\.([0-9]{1,12})\.(-|[0-9a-f-]{36})\.([A-Za-z0-9_-]{43})")
# Which parts a pass opens. A kind of audience that this release does not know is for nodes only.
_OPENS = {
    "open": frozenset({"open"}),
    "learner": frozenset({"open", "learner"}),
    "teacher": frozenset({"open", "learner", "teacher"}),
}


@dataclass(frozen=True)
class Pass:
    """What a valid pass says."""

    package_id: str
    audience: str
    person_uid: str
    expires_steady_s: int

    def may_read(self, part_audience: str) -> bool:
        """Whether a part for that audience may be read with this pass."""
        return opens(self.audience, part_audience)


def opens(audience: str, part_audience: str) -> bool:
    """Whether a pass for `audience` lets its bearer read the parts for `part_audience`."""
    return audience == "node" or part_audience in _OPENS.get(audience, frozenset())


def mint(secret: bytes, *, package_id: str, audience: str, person_uid: str | None, expires_steady_s: float) -> str:
    """A pass for exactly one package. Raises BadInput: there is no pass for all of them."""
    if not _PACKAGE.fullmatch(package_id) or audience not in AUDIENCES:
        raise BadInput("a pass is for one package and a known audience")
    if person_uid:
        parse_uid(person_uid)
    expires = int(expires_steady_s)
    if not 0 <= expires < 10**12:
        raise BadInput("a pass ends at a steady second")
    return _text(secret, package_id, audience, expires, person_uid or "")


def check(secret: bytes, token: str, package_id: str, now_steady_s: float) -> Pass:
    """The pass in `token`, if this machine made it for this package and it has not ended. Raises PassRefused."""
    found = _TEXT.fullmatch(token)
    if found is None or not _PACKAGE.fullmatch(package_id):
        raise PassRefused("not a pass")
    audience, expires, person = found[1], int(found[2]), "" if found[3] == "-" else found[3]
    # The whole text is compared, so that a pass has one form only.
    if not hmac.compare_digest(_text(secret, package_id, audience, expires, person).encode(), token.encode()):
        raise PassRefused("not a pass of this machine for this package")
    if now_steady_s >= expires:
        raise PassRefused("the pass has ended")
    return Pass(package_id, audience, person, expires)


def _text(secret: bytes, package_id: str, audience: str, expires: int, person_uid: str) -> str:
    if len(secret) < 32:
        raise BadFormat("the secret for passes is at least 32 bytes")
    shown = f"1.{audience}.{expires}.{person_uid or '-'}"
    # The first words keep a MAC made for another purpose under the same secret from serving as a pass.
    mac = hmac.digest(secret, f"eduhub-pass/1\0{package_id}\0{shown}".encode("ascii"), "sha256")
    return f"{shown}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode('ascii')}"
