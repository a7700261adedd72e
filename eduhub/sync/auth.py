"""How a box proves itself to its hub, and how the hub tells it the time.

The hub hands out nonces that it need not remember: random digits, its own steady time and an HMAC
over both. A box signs the nonce together with the request it is for, so that nobody who listens
can use the line for anything else. No wall clock has a part in it.

This module must not know HTTP or what a request asks for. See docs/formats/nodes.md.
"""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.delivery.trust import Keyring
from eduhub.errors import BadFormat, BadInput, BadSignature, NodeRefused, NodeReplaced
from eduhub.installation import Installation
from eduhub.signing import Signature, SigningKey, canonical, key_id, verify
from eduhub.sync.models import Node
from eduhub.uids import parse_uid

AUTH_CONTEXT, TIME_CONTEXT = "eduhub-node-auth/1", "eduhub-time/1"
SCHEME = "EduHub-Node "
POLL_SCHEME = "EduHub-Poll "
POLL_HEADER = "EduHub-Poll"  # where a signed answer hands the token over
NONCE_LASTS_S = 3600  # a round over 64 kbit/s may be long; a new one costs a round trip

_NONCE = re.compile(r"[0-9a-f]{32}-[0-9a-f]{1,12}-[0-9a-f]{32}")
_NODE_NONCE = re.compile(r"[0-9a-f]{32}")
_POLL = re.compile(r"[A-Za-z0-9_-]{44}")  # 16 bytes of uid, 5 of steady seconds, 12 of HMAC
_HEADER = re.compile(r"EduHub-Node ([0-9a-f-]{36})\.([0-9a-f-]{1,100})\.([0-9a-f]{128})")


def new_nonce(installation: Installation) -> str:
    """A nonce of this hub, good for an hour of its running time."""
    text = f"{secrets.token_hex(16)}-{int(installation.steady.now_s()):x}"
    return f"{text}-{_nonce_mac(installation, text)}"


def check_nonce(installation: Installation, nonce: str) -> None:
    """Raises NodeRefused for a nonce that this hub did not give out within the hour."""
    if not _NONCE.fullmatch(nonce):
        raise NodeRefused("not a nonce")
    text, mac = nonce.rsplit("-", 1)
    age_s = installation.steady.now_s() - int(text.split("-")[1], 16)
    # A little below zero: each process rounds for itself.
    if not hmac.compare_digest(mac, _nonce_mac(installation, text)) or not -2 <= age_s <= NONCE_LASTS_S:
        raise NodeRefused("a nonce of another hub or hour")


def _nonce_mac(installation: Installation, text: str) -> str:
    message = b"eduhub-nonce/1\0" + text.encode("ascii")
    return hmac.new(installation.keys.secret, message, hashlib.sha256).hexdigest()[:32]


def header(key: SigningKey, node_uid: str, nonce: str, method: str, target: str, body: bytes) -> str:
    """The Authorization line of one request; `target` is its path and query."""
    signature = key.sign(AUTH_CONTEXT, _bound(node_uid, nonce, method, target, body))
    return f"{SCHEME}{node_uid}.{nonce}.{signature.value}"


def node_of(
    session: Session, installation: Installation, line: str | None, method: str, target: str, body: bytes, *,
    also_replaced: bool = False,
) -> Node:  # fmt: skip
    """The box that signed this request. Raises NodeRefused when it is unknown, shut out or not the signer.

    One whose place another has taken raises NodeReplaced, unless `also_replaced`: it only brings things home.
    """
    node_uid = named_in(line)
    node = session.get(Node, node_uid)
    if node is None or node.revoked_on is not None:
        raise NodeRefused("unknown or shut out", node=node_uid)
    check_signer(installation, bytes.fromhex(node.signing_public), line, method, target, body)
    if node.ended_on is not None and not also_replaced:
        raise NodeReplaced("another box has its place", node=node_uid)
    return node


def named_in(line: str | None) -> str:
    """The uid of the box that a line says it is of; nothing is proved by it. Raises NodeRefused."""
    return _read(line)[0]


def check_line(installation: Installation, line: str | None) -> None:
    """Return when a line has the form of a node's and a nonce of ours: what costs nothing to see, and proves nothing. Raises NodeRefused."""
    check_nonce(installation, _read(line)[1])


def check_signer(
    installation: Installation, public: bytes, line: str | None, method: str, target: str, body: bytes
) -> None:
    """Return when the holder of this raw public key signed the line for this request, with a nonce of ours. Raises NodeRefused."""
    node_uid, nonce, value = _read(line)
    check_nonce(installation, nonce)
    try:
        verify(
            public, AUTH_CONTEXT, _bound(node_uid, nonce, method, target, body),
            Signature(key_id(public), value),
        )  # fmt: skip
    except (BadSignature, BadInput) as error:
        raise NodeRefused("the signature does not fit", node=node_uid) from error


def _read(line: str | None) -> tuple[str, str, str]:
    match = _HEADER.fullmatch(line or "")
    if match is None:
        raise NodeRefused("no signature of a node")
    node_uid, nonce, value = match.groups()
    return node_uid, nonce, value


def _bound(node_uid: str, nonce: str, method: str, target: str, body: bytes) -> bytes:
    return canonical([parse_uid(node_uid), nonce, method, target, hashlib.sha256(body).hexdigest()])


# --- polls --------------------------------------------------------------------------


def poll_token(installation: Installation, node_uid: str) -> str:
    """What stands for a box's signature on polls, and on nothing else, for an hour of this hub's running time."""
    shown = UUID(node_uid).bytes + int(installation.steady.now_s()).to_bytes(5, "big")
    return base64.urlsafe_b64encode(shown + _poll_mac(installation, shown)).decode("ascii")


def is_poll_token(text: str) -> bool:
    """Whether a text looks like one; nothing is proved by it."""
    return _POLL.fullmatch(text) is not None


def polled_by(installation: Installation, line: str | None) -> str:
    """The uid of the box whose poll token an Authorization line has. Raises NodeRefused."""
    token = (line or "").removeprefix(POLL_SCHEME)
    if not is_poll_token(token) or line == token:
        raise NodeRefused("no token of a poll")
    raw = base64.urlsafe_b64decode(token)
    shown, mac = raw[:21], raw[21:]
    age_s = installation.steady.now_s() - int.from_bytes(shown[16:], "big")
    if not hmac.compare_digest(mac, _poll_mac(installation, shown)) or not -2 <= age_s <= NONCE_LASTS_S:
        raise NodeRefused("a token of another hub or hour")
    return str(UUID(bytes=shown[:16]))


def _poll_mac(installation: Installation, shown: bytes) -> bytes:
    return hmac.digest(installation.keys.secret, b"eduhub-poll/1\0" + shown, "sha256")[:12]


# --- time ---------------------------------------------------------------------------


def signed_time(installation: Installation, node_nonce: str) -> dict[str, Any]:
    """The hub's time, bound to what the asking box just made up, so that an old answer is worth nothing."""
    if not _NODE_NONCE.fullmatch(node_nonce):
        raise BadFormat("the nonce of a box is 32 hex digits")
    document = {"nonce": node_nonce, "time_ms": clock.now_ms()}
    signature = installation.keys.publishing.sign(TIME_CONTEXT, canonical(document))
    return {"time": document, "signature": signature.as_json()}


def check_time(ring: Keyring, found: Any, node_nonce: str) -> int:
    """The hub time in ms from `signed_time`. Raises BadFormat, BadSignature."""
    document = found.get("time") if isinstance(found, dict) else None
    if not isinstance(document, dict) or type(document.get("time_ms")) is not int:
        raise BadFormat("not a signed time")
    ring.verify(TIME_CONTEXT, canonical(document), Signature.from_json(found.get("signature")), scope="stream")
    if document.get("nonce") != node_nonce:
        raise BadSignature("the time was signed for another question")
    return int(document["time_ms"])
