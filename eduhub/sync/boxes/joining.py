"""Node: join a hub with a one-time code.

The code names the root key of the hub it is for. The box asks the hub for its root key first, goes
no further when that is another one, and pins it; everything the hub sends from then on has to be
signed by keys that this root spoke for. A wrong wall clock is no obstacle: none is looked at.

This module must not know the streams. The hub's half is `nodes.py`; see docs/formats/nodes.md.
"""

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.changes import FieldChange
from eduhub.delivery.models import PinnedRoot
from eduhub.delivery.trust import KEY_FORMAT, keyring, pin_root, remember_entry
from eduhub.errors import AlreadyJoined, BadFormat, BadSignature, JoinRefused, LinkDown
from eduhub.installation import Installation
from eduhub.signing import Signature, canonical, sealing_public
from eduhub.sync import auth
from eduhub.sync.boxes import nodes, replacing
from eduhub.sync.fetching.address import Address
from eduhub.sync.link import PREFIX, Link, Transport
from eduhub.sync.models import Node, Upstream

_OWN = (
    select(Upstream, Node).select_from(Upstream).outerjoin(Node, Node.uid == Upstream.node_uid).order_by(Upstream.priority).limit(1)
)


def join(installation: Installation, url: str, code: str, *, transport: Transport | None = None) -> Node:
    """Join the hub at `url`; returns this box's own row.

    Raises BadInput (no address of a hub), AlreadyJoined, JoinRefused (the code, or a hub that the code is not for),
    LinkDown, BadSignature. Nothing is kept of a join that failed but this box's own keys, and trying again with
    the same code is safe: an answer that was lost on the way is given again.
    """
    random_half, expected_root = nodes.read_code(code)
    Address.of(url)  # the fetcher will need it
    with installation.database.read() as session:
        if session.scalars(select(Upstream)).first() is not None or session.get(PinnedRoot, 1) is not None:
            raise AlreadyJoined()
    installation.keys.make_node_keys()
    with Link(url.rstrip("/"), transport=transport) as link:
        try:
            greeting, own_nonce = link.hello()
            root, hub_uid = _root_of(greeting)
        except BadFormat as error:  # something answers there, and no hub: nothing more is said to it, or of it
            raise LinkDown("no hub answers there") from error
        if nodes.fingerprint(root) != expected_root:
            raise JoinRefused("this is not the hub that the code was made at", reason="other_hub")
        answer = link.post_json(f"{PREFIX}/join", _request(installation, random_half, greeting["nonce"]), signed=False)
    with changes.writing(installation.database) as session:
        pin_root(session, root, hub_uid)
        certificate = _check_answer(session, installation, answer, greeting["nonce"])
        changes.merge(session, _rows(answer["answer"].get("rows")))
        node = session.get(Node, certificate["node"])
        if node is None:
            raise BadFormat("the answer to joining lacks this box's own row")
        session.add(
            Upstream(
                url=url.rstrip("/"), priority=0, node_uid=node.uid, hub_uid=hub_uid, certificate=dict(node.certificate),
                stream_sequence=0, stream_epoch=1, change_seq_sent=0,
                hub_time_ms=auth.check_time(keyring(session), greeting.get("time"), own_nonce),
                hub_time_steady_s=int(installation.steady.now_s()), last_contact_ms=clock.now_ms(), last_error=None,
            )
        )  # fmt: skip
        if "replaces" in answer["answer"]:
            replacing.keep(session, installation.steady, replacing.read(answer["answer"]["replaces"], by=node.uid))
    return node


def own_node(session: Session) -> Node | None:
    """This box's own row; None before it joined."""
    return own(session)[1]


def own(session: Session) -> tuple[Upstream | None, Node | None]:
    """The hub that this box belongs to, and its own row; None and None before it joined."""
    found = session.execute(_OWN).first()
    return (None, None) if found is None else (found[0], found[1])


def _root_of(greeting: dict[str, Any]) -> tuple[bytes, str]:
    root, hub_uid = greeting.get("root"), greeting.get("hub")
    if not isinstance(root, str) or not re.fullmatch(r"[0-9a-f]{64}", root) or not isinstance(hub_uid, str):
        raise BadFormat("a hub says hello with its root key")
    return bytes.fromhex(root), hub_uid


def _request(installation: Installation, random_half: str, nonce: str) -> dict[str, Any]:
    key = installation.keys.node_signing
    request: dict[str, Any] = {
        "format": nodes.JOIN_FORMAT, "code": random_half, "nonce": nonce, "signing_public": key.public.hex(),
        "sealing_public": sealing_public(installation.keys.node_sealing).hex(),
    }  # fmt: skip
    return request | {"proof": key.sign(nodes.JOIN_FORMAT, nodes.proof_payload(request)).as_json()}


def _check_answer(session: Session, installation: Installation, found: Any, nonce: str) -> dict[str, Any]:
    """The certificate, after every link from the pinned root to it was verified."""
    answer = found.get("answer") if isinstance(found, dict) else None
    if not isinstance(answer, dict) or answer.get("format") != nodes.JOIN_FORMAT:
        raise BadFormat("not an answer to joining")
    ring = keyring(session)
    statement = ring.check_statement(KEY_FORMAT, answer.get("key"))
    ring = remember_entry(session, ring, "key", answer["key"], max(1, int(statement.get("from_sequence", 1))))
    ring.verify(nodes.JOIN_FORMAT, canonical(answer), Signature.from_json(found.get("signature")), scope="nodes")
    if answer.get("nonce") != nonce:
        raise BadSignature("the answer was made for another question")
    certificate, signature = nodes.read_certificate(answer.get("certificate"))
    ring.verify(nodes.CERTIFICATE_FORMAT, canonical(certificate), signature, scope="nodes")
    own = (installation.keys.node_signing.public.hex(), sealing_public(installation.keys.node_sealing).hex())
    if (certificate["signing_public"], certificate["sealing_public"]) != own or certificate["hub"] != ring.hub_uid:
        raise BadSignature("the certificate is for another box or hub")
    return certificate


def _rows(found: Any) -> list[FieldChange]:
    if not isinstance(found, list):
        raise BadFormat("an answer to joining lists rows")
    return [FieldChange.from_json(value) for value in found]
