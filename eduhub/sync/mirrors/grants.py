"""What a box may have of other boxes: a grant, signed by the hub, shown to mirrors.

A grant names the box, its public key and the courses that reach it, and ends at a time of the hub. It stands for the
hub where there is none: a mirror believes it under the root that it has pinned, and no list of boxes is kept anywhere.

This module must not know HTTP, nor who shows a grant to whom. See docs/formats/mirrors.md.
"""

import json
import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.courses import audience
from eduhub.courses.models import Course
from eduhub.delivery.trust import Keyring, keyring
from eduhub.errors import BadFormat, BadInput, BadSignature
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.signing import Signature, canonical, sha256_hex
from eduhub.sync.mirrors.models import HeldGrant
from eduhub.sync.models import Node
from eduhub.uids import parse_uid

FORMAT = "eduhub-grant/1"
LASTS_MS = 35 * 86_400_000  # as long as acknowledged rows are kept: a link that is down for a month is expected
RENEWED_AFTER_MS = LASTS_MS // 2
MAX_COURSES = 20_000
MOST_OTHER_BYTES = 8 << 10  # of a grant without its courses: some hundred today


@dataclass(frozen=True)
class Grant:
    """A grant whose signature was checked."""

    node_uid: str
    org_uid: str
    signing_public: bytes
    courses: frozenset[str]
    made_ms: int
    until_ms: int


def organisations_around(session: Session, org_uid: str) -> set[str]:
    """The organisations whose courses the boxes of one may have: those above it; for a region, a county mirror, those below too."""
    found = {str(uid) for uid in organisations.path(session, org_uid)}
    if organisations.is_region(session, org_uid):
        found |= {str(uid) for uid in organisations.below(session, org_uid)}
    return found


# --- hub ----------------------------------------------------------------------------


def make(session: Session, installation: Installation, node: Node) -> dict[str, Any]:
    """A grant for a node, as {"grant", "signature"}. Raises KeyMissing where no publishing key is."""
    around = organisations_around(session, node.org_uid)
    now_ms = clock.now_ms()
    grant = {
        "format": FORMAT, "hub": keyring(session).hub_uid, "node": node.uid, "org": node.org_uid,
        "signing_public": node.signing_public, "made_ms": now_ms, "until_ms": now_ms + LASTS_MS,
        "courses": sorted(course.uid for course in session.scalars(select(Course)) if audience.reaches(course, around))[:MAX_COURSES],
    }  # fmt: skip
    return {"grant": grant, "signature": installation.keys.publishing.sign(FORMAT, canonical(grant)).as_json()}


def make_if_new(session: Session, installation: Installation, node: Node, held: Any) -> dict[str, Any] | None:
    """A grant, unless the one that the node says it holds (`summary`) is as good. Raises BadFormat."""
    if held is not None and not (isinstance(held, dict) and type(held.get("made_ms")) is int):
        raise BadFormat("a held grant is told by its time and its courses")
    made = make(session, installation, node)
    if held is None or held.get("courses") != _hash(made["grant"]["courses"]):
        return made
    is_young = 0 <= made["grant"]["made_ms"] - held["made_ms"] < RENEWED_AFTER_MS
    return None if is_young else made


# --- node ---------------------------------------------------------------------------


def take(session: Session, installation: Installation, found: Any, *, answered: bool = False) -> bool:
    """Keep a grant that is for this box; returns whether. Raises BadFormat, BadSignature.

    One that the hub `answered` replaces whatever is held, for a hub's clock may once have been wrong; another way (a stick)
    only a newer one counts.
    """
    grant = read(keyring(session), found)
    if grant.signing_public != installation.keys.node_signing.public:
        raise BadSignature("a grant for another box")
    held = session.get(HeldGrant, 1)
    if held is not None and not answered and grant.made_ms <= held.made_ms:
        return False
    session.merge(HeldGrant(id=1, document=dict(found["grant"]), signature=dict(found["signature"]), made_ms=grant.made_ms))
    session.flush()
    return True


def shown(session: Session) -> dict[str, Any] | None:
    """The grant that this box holds, as it is shown to mirrors; None: it holds none."""
    held = session.get(HeldGrant, 1)
    return None if held is None else {"grant": dict(held.document), "signature": dict(held.signature)}


def summary(session: Session) -> dict[str, Any] | None:
    """The grant that this box holds, in a few bytes, for `make_if_new`."""
    held = session.get(HeldGrant, 1)
    return None if held is None else {"made_ms": held.made_ms, "courses": _hash(held.document["courses"])}


def is_due(session: Session, now_ms: int | None, courses: Set[str]) -> bool:
    """Whether to ask the hub for another: there is none, half its time is over, or one of these courses is not in it."""
    held = session.get(HeldGrant, 1)
    if held is None or not courses <= set(held.document["courses"]):
        return True
    return now_ms is not None and now_ms - held.made_ms >= RENEWED_AFTER_MS


# --- both ---------------------------------------------------------------------------


def read(ring: Keyring, found: Any) -> Grant:
    """The grant in {"grant", "signature"}, believed under the pinned root. Raises BadFormat, BadSignature."""
    public = named_key(found)
    grant = found["grant"]
    ring.verify(FORMAT, canonical(grant), Signature.from_json(found.get("signature")), scope="nodes")
    if grant.get("hub") != ring.hub_uid:
        raise BadSignature("a grant of another hub")
    made_ms, until_ms = grant.get("made_ms"), grant.get("until_ms")
    if type(made_ms) is not int or type(until_ms) is not int or not 0 <= made_ms < until_ms:
        raise BadFormat("a grant ends after it began")
    return Grant(_uid(grant.get("node")), _uid(grant.get("org")), public, frozenset(grant["courses"]), made_ms, until_ms)


def named_key(found: Any) -> bytes:
    """The key of the box that a grant names; nothing of it is believed yet.

    Raises BadFormat, also for what would be long work to write canonically: whoever can reach a mirror may send it.
    """
    grant = found.get("grant") if isinstance(found, dict) else None
    if not isinstance(grant, dict) or grant.get("format") != FORMAT:
        raise BadFormat("not a grant")
    public, courses = grant.get("signing_public"), grant.get("courses")
    if not isinstance(public, str) or not re.fullmatch(r"[0-9a-f]{64}", public):
        raise BadFormat("a grant names the key of its box")
    if not (isinstance(courses, list) and len(courses) <= MAX_COURSES and all(isinstance(uid, str) for uid in courses)):
        raise BadFormat("a grant lists courses")
    if _written_bytes({name: value for name, value in grant.items() if name != "courses"}) > MOST_OTHER_BYTES:
        raise BadFormat("a grant with more in it than a hub writes")
    return bytes.fromhex(public)


def _written_bytes(found: dict[str, Any]) -> int:
    try:
        return len(json.dumps(found))
    except RecursionError as error:
        raise BadFormat("a grant that is too deep") from error


def _uid(found: Any) -> str:
    try:
        return parse_uid(found)
    except (BadInput, TypeError, AttributeError) as error:
        raise BadFormat("a grant names a box and its organisation") from error


def _hash(courses: list[str]) -> str:
    return sha256_hex(canonical(courses))
