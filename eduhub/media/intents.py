"""Upload intents: the signed right to send one file, decided above and checked here.

The page that knows who may do what signs an intent; it is the upload's only credential, so
that signing out, or a week of a slow link, does not end an upload that was allowed. Its own
end counts when an upload begins; one that began lives as long as its bytes are kept.

A token is `<payload>.<mac>`: base64url (no padding) of canonical JSON, then the HMAC-SHA256
over `eduhub-upload-intent/2`, a zero byte and those JSON bytes, as 64 hex digits. It expires
by the steady clock of the machine that signed it, which is also the only one that reads it.

This module must not know HTTP, people or the database. See docs/formats/uploads.md.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from eduhub.errors import BadFormat, BadInput, UploadRefused
from eduhub.media.recipes import Recipe
from eduhub.signing import canonical, parse_canonical
from eduhub.uids import parse_uid

CONTEXT = b"eduhub-upload-intent/2\0"
_MOST_TOKEN = 8 << 10
_ABSENT_WHEN_FALSE = frozenset({"attachment"})  # uploads that began under the release before have tokens without it
_BACK = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # a path of this site; a second slash would be another site's name
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{1,20}")


@dataclass(frozen=True, kw_only=True)
class UploadIntent:
    """What may be sent, and what happens then."""

    source_uid: str  # the uid that the source will have; a token serves for one whole file
    org_uid: str
    max_bytes: int
    then: Mapping[str, Any] | None  # {"kind", "args"} of the job after preparing
    expires_steady_s: int
    language: str  # spoken in the file
    back: str  # path on this site that the browser is sent to afterwards
    lesson_uid: str | None = None
    light: bool = False  # a light copy, made in the browser; its master follows
    recipe: Mapping[str, Any] | None = None  # a recipe's JSON: how the file is used; None: all of it
    attachment: bool = False  # a file to stand beside a lesson: looked at by attachments.py, and nothing is made of it

    def __post_init__(self) -> None:
        """Raises BadInput for an intent that could not be carried out."""
        parse_uid(self.source_uid)
        parse_uid(self.org_uid)
        if self.lesson_uid is not None:
            parse_uid(self.lesson_uid)
        if not 0 < self.max_bytes < 1 << 53 or not 0 <= self.expires_steady_s < 1 << 53:
            raise BadInput("an intent has a size and an end")
        if self.then is not None and set(self.then) != {"kind", "args"}:
            raise BadInput("the next job is {'kind', 'args'}")
        if not _LANGUAGE.fullmatch(self.language) or not _BACK.fullmatch(self.back):
            raise BadInput("an intent has a language and a path of this site")
        if not isinstance(self.light, bool) or not isinstance(self.attachment, bool):
            raise BadInput("a copy is light or it is not, and a file an attachment or not")
        Recipe.from_json(self.recipe)


def sign(secret: bytes, intent: UploadIntent) -> str:
    """The token that carries `intent`; `secret` is this machine's."""
    payload = canonical(as_json(intent))
    return f"{_encode(payload)}.{_mac(secret, payload)}"


def read(secret: bytes, token: str, now_steady_s: float) -> UploadIntent:
    """The intent in a token; raises UploadRefused when it was not signed here, was changed, or has expired."""
    intent = read_old(secret, token)
    check_time(intent, now_steady_s)
    return intent


def check_time(intent: UploadIntent, now_steady_s: float) -> None:
    """Raises UploadRefused when the intent's own time is over."""
    if now_steady_s >= intent.expires_steady_s:
        raise UploadRefused("a token whose time is over")


def read_old(secret: bytes, token: str) -> UploadIntent:
    """The intent in a token, over or not; raises UploadRefused when it was not signed here or was changed."""
    if len(token) > _MOST_TOKEN:
        raise UploadRefused("a token that is too long")
    encoded, _, mac = token.partition(".")
    try:
        payload = _decode(encoded)
        if not hmac.compare_digest(_mac(secret, payload).encode(), mac.encode()):
            raise UploadRefused("a token that was not signed here")
        return from_json(parse_canonical(payload))
    except (ValueError, BadFormat, BadInput, TypeError) as error:
        raise UploadRefused(f"a token that cannot be read: {error}") from error


def as_json(intent: UploadIntent) -> dict[str, Any]:
    """The intent as it stands in a token."""
    return {name: value for name, value in asdict(intent).items() if name not in _ABSENT_WHEN_FALSE or value}


def from_json(found: Any) -> UploadIntent:
    """The intent in `found`; raises BadFormat, BadInput or TypeError for what is none."""
    known = {row.name for row in fields(UploadIntent)}
    if not isinstance(found, dict) or not known - _ABSENT_WHEN_FALSE <= set(found) <= known:
        raise BadFormat("not an intent")
    return UploadIntent(**found)


def _mac(secret: bytes, payload: bytes) -> str:
    return hmac.new(secret, CONTEXT + payload, hashlib.sha256).hexdigest()


def _encode(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
