"""Hub: how a box becomes one of its nodes, and how it stops being one.

A code joins one box for one site. Ten of its digits are random (only their hash is kept); the
other ten are the fingerprint of the hub's root key, so that the box notices a wrong hub before it
says the code aloud. Codes run out by the steady clock.

This module must not know HTTP. See docs/formats/nodes.md; the box's half is `joining.py`.
"""

import re
import secrets
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts import audit
from eduhub.delivery.models import TrustedKey
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadInput, BadSignature, JoinRefused, NotFound
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.schools.models import Site
from eduhub.signing import Signature, canonical, key_id, sha256_hex, verify
from eduhub.sync import auth
from eduhub.sync.boxes import replacing
from eduhub.sync.mirrors import shutting_out
from eduhub.sync.models import JoinCode, Node
from eduhub.uids import new_uid

CERTIFICATE_FORMAT, JOIN_FORMAT = "eduhub-node/1", "eduhub-join/1"
CODE_LASTS_S = 7 * 86_400  # a box may travel for days before it is plugged in
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_HALF = 10
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")


def new_code(
    session: Session, installation: Installation, *, site_uid: str, node_name: str, by_uid: str | None = None
) -> str:
    """A code with which one box may join for a site, as 'XXXXX-XXXXX-XXXXX-XXXXX'. Raises NotFound, BadInput."""
    if not _NAME.fullmatch(node_name):
        raise BadInput("a box's name has small letters, digits and hyphens: it is part of its address")
    if session.scalars(select(Node).where(Node.name == node_name)).first() is not None:
        raise BadInput(f"there is a box {node_name} already; the name of a box is permanent")
    return _new_code(session, installation, site_uid, node_name, by_uid, None)


def replacing_code(session: Session, installation: Installation, node: Node, *, by_uid: str | None = None) -> str:
    """The same for a spare box that takes the name and the place of `node`. Raises NotFound, BadInput."""
    if node.ended_on is not None:
        raise BadInput(f"another box has taken the place of this {node.name} already")
    return _new_code(session, installation, node.site_uid, node.name, by_uid, node.uid)


def _new_code(
    session: Session, installation: Installation, site_uid: str, node_name: str, by_uid: str | None, replaces_uid: str | None
) -> str:
    if session.get(Site, site_uid) is None:
        raise NotFound(f"no site {site_uid}")
    chosen = "".join(secrets.choice(_DIGITS) for _ in range(_HALF))
    session.add(
        JoinCode(
            code_hash=_code_hash(chosen), site_uid=site_uid, node_name=node_name, made_by_uid=by_uid,
            expires_steady_s=int(installation.steady.now_s()) + CODE_LASTS_S, used_by_node_uid=None,
            replaces_uid=replaces_uid, used_ms=None,
        )
    )  # fmt: skip
    session.flush()
    digits = chosen + fingerprint(keyring(session).root)
    return "-".join(digits[at : at + 5] for at in range(0, len(digits), 5))


def read_code(text: str) -> tuple[str, str]:
    """(random half, fingerprint of the root key) of a code as somebody typed it. Raises JoinRefused."""
    digits = re.sub(r"[\s-]", "", text).upper().translate(str.maketrans("OIL", "011"))
    if len(digits) != 2 * _HALF or any(digit not in _DIGITS for digit in digits):
        raise JoinRefused("not a code", reason="not_a_code")
    return digits[:_HALF], digits[_HALF:]


def fingerprint(root: bytes) -> str:
    """Ten Crockford digits (50 bits) of the SHA-256 of a raw root public key."""
    number = int(sha256_hex(root), 16) >> 256 - 5 * _HALF
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(_HALF)))


def _code_hash(random_half: str) -> str:
    return sha256_hex(b"eduhub-join-code/1\0" + random_half.encode("ascii"))


def proof_payload(request: dict[str, Any]) -> bytes:
    """What a box signs with its new key when it asks to join: everything but the proof."""
    return canonical({name: value for name, value in request.items() if name != "proof"})


def accept(session: Session, installation: Installation, request: Any) -> dict[str, Any]:
    """Make a box a node and answer with its signed certificate. Asking again with the same key answers alike.

    Raises JoinRefused (wrong, used or old code), NodeRefused (nonce), BadFormat, BadSignature.
    """
    signing_public, sealing_public, random_half = _read_request(installation, request)
    changes.hold_machine(session)  # before the code: as all who write the log
    code = session.get(JoinCode, _code_hash(random_half), with_for_update=True)
    if code is None:
        raise JoinRefused("no such code", reason="unknown")
    if code.used_by_node_uid is not None:
        node = session.get(Node, code.used_by_node_uid)
        if node is None or (node.signing_public, node.sealing_public) != (signing_public, sealing_public):
            raise JoinRefused("the code was used by another box", reason="used")
        return _answer(session, installation, node, request["nonce"])
    if installation.steady.now_s() > code.expires_steady_s:
        raise JoinRefused("the code is too old", reason="old")
    site = session.get(Site, code.site_uid)
    if site is None:
        raise JoinRefused("the site of this code is gone")
    old = replacing.old_of(session, code)
    if old is None and session.scalars(select(Node.uid).where(Node.name == code.node_name).limit(1)).first() is not None:
        # Two codes were made for one name, because the first was mislaid: a name is one box's, for it is its address.
        raise JoinRefused("another box has that name", reason="taken")
    node_uid = new_uid()
    certificate = {
        "format": CERTIFICATE_FORMAT, "hub": keyring(session).hub_uid, "node": node_uid, "org": site.org_uid,
        "site": site.uid, "name": code.node_name, "signing_public": signing_public, "sealing_public": sealing_public,
    }  # fmt: skip
    signature = installation.keys.publishing.sign(CERTIFICATE_FORMAT, canonical(certificate))
    node = Node(
        uid=node_uid, org_uid=site.org_uid, site_uid=site.uid, name=code.node_name, signing_public=signing_public,
        sealing_public=sealing_public, certificate={"certificate": certificate, "signature": signature.as_json()},
    )  # fmt: skip
    session.add(node)
    code.used_by_node_uid, code.used_ms = node_uid, clock.now_ms()
    if old is not None:
        replacing.take_over(session, installation, old, node)
    audit.note(session, "sync.join_box", by_uid=None, org_uid=node.org_uid, subject_uid=node.uid)
    return _answer(session, installation, node, request["nonce"])


def _read_request(installation: Installation, request: Any) -> tuple[str, str, str]:
    names = ("code", "nonce", "signing_public", "sealing_public")
    if not isinstance(request, dict) or request.get("format") != JOIN_FORMAT:
        raise BadFormat("not a request to join")
    if not all(isinstance(request.get(name), str) for name in names):
        raise BadFormat(f"a request to join has {', '.join(names)}")
    signing_public, sealing_public = request["signing_public"], request["sealing_public"]
    if not all(re.fullmatch(r"[0-9a-f]{64}", key) for key in (signing_public, sealing_public)):
        raise BadFormat("public keys are 64 hex digits")
    auth.check_nonce(installation, request["nonce"])
    proof = Signature.from_json(request.get("proof"))
    public = bytes.fromhex(signing_public)
    if proof.key != key_id(public):
        raise BadSignature("the proof is by another key")
    verify(public, JOIN_FORMAT, proof_payload(request), proof)
    return signing_public, sealing_public, read_code(request["code"] + "0" * _HALF)[0]


def _answer(session: Session, installation: Installation, node: Node, nonce: str) -> dict[str, Any]:
    """The certificate and what a box needs to begin with, signed as a whole for this one question."""
    key = installation.keys.publishing
    stated = session.get(TrustedKey, key.id)
    if stated is None:
        raise BadSignature("the root has not spoken for the publishing key")
    if node.certificate["signature"]["key"] != key.id:  # the answer was lost, and the key has changed before the box asked again
        certificate = node.certificate["certificate"]
        node.certificate = {"certificate": certificate, "signature": key.sign(CERTIFICATE_FORMAT, canonical(certificate)).as_json()}
    wanted = [("node", node.uid), ("site", node.site_uid)]
    wanted += [("organisation", uid) for uid in organisations.path(session, node.org_uid)]
    rows = [change.as_json() for table, uid in wanted for change in changes.versions(session, table, uid)]
    answer = {
        "format": JOIN_FORMAT, "hub": keyring(session).hub_uid, "nonce": nonce, "certificate": node.certificate,
        "key": dict(stated.statement), "rows": rows,
    }  # fmt: skip
    if node.replaces_uid is not None:
        answer["replaces"] = replacing.report(session, node)
    return {"answer": answer, "signature": key.sign(JOIN_FORMAT, canonical(answer)).as_json()}


def read_certificate(found: Any) -> tuple[dict[str, Any], Signature]:
    """The certificate in {"certificate", "signature"}, not yet verified. Raises BadFormat."""
    certificate = found.get("certificate") if isinstance(found, dict) else None
    names = ("hub", "node", "org", "site", "name", "signing_public", "sealing_public")
    if not isinstance(certificate, dict) or certificate.get("format") != CERTIFICATE_FORMAT:
        raise BadFormat("not the certificate of a node")
    if not all(isinstance(certificate.get(name), str) for name in names):
        raise BadFormat(f"a certificate has {', '.join(names)}")
    return certificate, Signature.from_json(found.get("signature"))


def revoke(session: Session, installation: Installation, node_uid: str, on: str) -> Node:
    """Shut a box out from the ISO day `on`, for good; it is refused at once, and by mirrors once they have read of it.

    Raises NotFound, KeyMissing.
    """
    node = session.get(Node, node_uid)
    if node is None:
        raise NotFound(f"no node {node_uid}")
    if node.revoked_on is None:
        node.revoked_on = on
        shutting_out.tell(session, installation, node_uid)
        session.flush()
    return node
