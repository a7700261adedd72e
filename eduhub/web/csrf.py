"""The token that every form of ours carries, written in other letters on every page.

A page is compressed, and its length says whether a guess that stands in it repeats something else in it. So the
secret of the session never stands on a page: each answer adds a mask of its own and writes mask and sum. Any of
them is accepted as long as the session lasts, so a page that a browser kept still works.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from flask import g, session
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf
from wtforms import ValidationError
from wtforms.csrf.core import CSRF

_FIELD = "csrf_token"


def secret_of_session() -> str:
    """The session's own secret, made where there is none; it never leaves the cookie, which is not readable by scripts."""
    if _FIELD not in session:
        session[_FIELD] = secrets.token_hex(20)
    return str(session[_FIELD])


def token() -> str:
    """The session's secret under the mask of this answer; the same wherever it stands on one page."""
    if "eduhub_csrf" not in g:
        secret = bytes.fromhex(secret_of_session())
        mask = secrets.token_bytes(len(secret))
        g.eduhub_csrf = urlsafe_b64encode(mask + _xor(mask, secret)).decode()
    return str(g.eduhub_csrf)


def is_ours(sent: str) -> bool:
    """Whether a token was made for this session."""
    try:
        both, secret = urlsafe_b64decode(sent.encode("ascii")), bytes.fromhex(session.get(_FIELD, ""))
    except ValueError:  # also binascii's own, and letters outside ASCII
        return False
    half = len(secret)
    return half > 0 and len(both) == 2 * half and hmac.compare_digest(_xor(both[:half], both[half:]), secret)


class Protect(CSRFProtect):  # type: ignore[misc]  # Flask-WTF ships no types
    """Flask-WTF's protection of every form, for masked tokens."""

    def _get_csrf_token(self) -> str | None:
        sent = super()._get_csrf_token()
        # What Flask-WTF then checks is a token that it signed itself a moment ago.
        return generate_csrf() if sent and is_ours(sent) else sent and "not ours"


class FormToken(CSRF):  # type: ignore[misc]  # WTForms ships no types
    """The token as a field of a form."""

    def generate_csrf_token(self, _field: Any) -> str:
        """What the field shows."""
        return token()

    def validate_csrf_token(self, _form: Any, field: Any) -> None:
        """Raises ValidationError. `Protect` has looked at every form before any view did."""
        if not g.get("csrf_valid", False) and not is_ours(field.data or ""):
            raise ValidationError("not a token of this session")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
