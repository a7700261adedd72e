"""Which boxes are shut out, as the catalog says it to everybody: entries of the kind `shut_out`, {"node": uid}.

A box that was stolen has its grant for some weeks yet; a mirror that has read this entry serves it no more. It says of a
box nothing but its uid. This module must not know who is served.
"""

from typing import Any

from sqlalchemy.orm import Session

from eduhub.delivery import catalog
from eduhub.errors import BadInput
from eduhub.installation import Installation
from eduhub.sync.mirrors.models import ShutOutNode
from eduhub.uids import parse_uid

KIND = "shut_out"


def tell(session: Session, installation: Installation, node_uid: str) -> None:
    """Hub: say it to every box. Safe to repeat. Raises KeyMissing where no publishing key is."""
    if session.get(ShutOutNode, node_uid) is None:
        entry = catalog.append(session, installation.keys, KIND, {"node": parse_uid(node_uid)})
        session.add(ShutOutNode(node_uid=node_uid, sequence=entry.sequence))
        session.flush()


def note(session: Session, body: Any, sequence: int) -> None:
    """Node: act on an entry of this kind. Safe to repeat; a body that cannot be read says nothing."""
    found = body.get("node") if isinstance(body, dict) else None
    try:
        node_uid = parse_uid(found) if isinstance(found, str) else None
    except BadInput:
        return
    if node_uid is not None and session.get(ShutOutNode, node_uid) is None:
        session.add(ShutOutNode(node_uid=node_uid, sequence=sequence))
        session.flush()
