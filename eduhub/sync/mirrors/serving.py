"""What this box, as a mirror, gives to other boxes of its hub: passes for packages that it holds, and which parts are here.

A reader shows a grant of the hub and signs its request with the key that the grant names. The time by which a grant ends
is the schedule clock; while that is unknown, nothing ends. Shut out is who the catalog says is shut out.

A mirror has no school stream and takes nothing in: it answers from what is public to the boxes of the hub, and from the
packages themselves. This module must not know HTTP. See docs/formats/mirrors.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery import passes
from eduhub.delivery.models import PackageRow, PartRow, ReleaseRow
from eduhub.delivery.package import Manifest
from eduhub.delivery.release import Release
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadSignature, NodeRefused
from eduhub.installation import Installation
from eduhub.sync import auth
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.mirrors import grants, holdings
from eduhub.sync.mirrors.grants import Grant
from eduhub.sync.mirrors.models import ShutOutNode
from eduhub.sync.models import Node

LASTS_S = 3600  # a reader that needs longer asks again; who is shut out meanwhile reads no longer than this
MAX_ASKED = 200
_ID = re.compile(r"[0-9a-f]{64}")
# A grant of 20 000 courses has 780 000 bytes, 200 packages have 14 000.
MAX_QUESTION_BYTES = 1 << 20


@dataclass(frozen=True)
class SignedRequest:
    """A signed request, as HTTP brought it."""

    line: str | None  # of Authorization
    method: str
    target: str  # path and query
    body: bytes


def answer(session: Session, installation: Installation, asked: SignedRequest, found: Any) -> dict[str, Any]:
    """{"passes": {package: pass}, "holdings": {package: bits}, "lasts_s"} of those asked for that are here and granted; releases are, too.

    Raises NodeRefused, BadFormat.
    """
    wanted = found.get("packages") if isinstance(found, dict) else None
    if not isinstance(wanted, list) or len(wanted) > MAX_ASKED or not all(isinstance(name, str) and _ID.fullmatch(name) for name in wanted):
        raise BadFormat(f"at most {MAX_ASKED} packages are asked for at once")
    reader = reader_of(session, installation, asked, found.get("grant"))
    rows = session.scalars(select(PackageRow).where(PackageRow.id.in_(wanted), PackageRow.withdrawn.is_(False))).all()
    granted = [row for row in rows if row.course_uid in reader.courses]
    held: dict[str, set[str]] = {row.id: set() for row in granted}
    here = select(PartRow.package_id, PartRow.sha256).where(PartRow.package_id.in_(held), PartRow.held.is_(True))
    for package_id, sha256 in session.execute(here):
        held[package_id].add(sha256)
    expires_steady_s = installation.steady.now_s() + LASTS_S
    given = {
        row.id: passes.mint(
            installation.keys.secret, package_id=row.id, audience="node", person_uid=reader.node_uid,
            expires_steady_s=expires_steady_s,
        )
        for row in granted
    }  # fmt: skip
    bits = {row.id: holdings.write(holdings.files_of(Manifest.from_bytes(row.manifest)), held[row.id]) for row in granted}
    for row in _releases(session, wanted):
        names = holdings.files_of_release(Release.from_bytes(row.manifest or b""))
        given[row.id] = passes.mint(
            installation.keys.secret, package_id=row.id, audience="node", person_uid=reader.node_uid,
            expires_steady_s=expires_steady_s,
        )  # fmt: skip
        bits[row.id] = holdings.write(names, [name for name in names if installation.blobs.has(name)])
    return {"passes": given, "holdings": bits, "lasts_s": LASTS_S}


def _releases(session: Session, wanted: list[str]) -> Sequence[ReleaseRow]:
    """Of those asked for: the program is for every box of the hub."""
    return session.scalars(select(ReleaseRow).where(ReleaseRow.id.in_(wanted), ReleaseRow.manifest.is_not(None))).all()


def reader_of(session: Session, installation: Installation, asked: SignedRequest, shown: Any) -> Grant:
    """Whose request this is, and what they may have. Raises NodeRefused."""
    try:
        # In this order: the proof is over the bytes as they came, and costs little; to judge the grant it has to be written anew.
        public = grants.named_key(shown)
        auth.check_signer(installation, public, asked.line, asked.method, asked.target, asked.body)
        grant = grants.read(keyring(session), shown)
    except (BadFormat, BadSignature) as error:
        raise NodeRefused("not a grant that is believed here") from error
    if auth.named_in(asked.line) != grant.node_uid:
        raise NodeRefused("the grant is another box's", node=grant.node_uid)
    now_ms = schedule_clock.now_ms(session, installation.steady)
    if now_ms is not None and now_ms >= grant.until_ms:
        raise NodeRefused("the grant has ended", node=grant.node_uid)
    sister = session.get(Node, grant.node_uid)  # a box of the same school is known by its row, too
    if session.get(ShutOutNode, grant.node_uid) is not None or (sister is not None and sister.revoked_on is not None):
        raise NodeRefused("shut out", node=grant.node_uid)
    return grant
