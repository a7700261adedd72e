"""Which release a box shall run: the operator's offers, and the one of them that is nearest to a box.

An offer is for one box, for a school, or for a region and all below it. The nearest one decides, so that a release
can be tried at one box, then in one region, then everywhere, and be held back at one place meanwhile.

This module must not know what is installed where.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery import release
from eduhub.delivery.models import ReleaseRow
from eduhub.errors import BadFormat, NotFound
from eduhub.schools import organisations
from eduhub.schools.models import Organisation
from eduhub.sync.models import Node
from eduhub.sync.releases.models import ReleaseOffer


def offer(session: Session, *, release_id: str, org_uid: str | None = None, node_uid: str | None = None) -> ReleaseOffer:
    """Offer a release to one box, or to an organisation and all below it. Raises NotFound."""
    row = session.get(ReleaseRow, release_id)
    if row is None:
        raise NotFound(f"no release {release_id[:16]}")
    place = _place(session, org_uid, node_uid)
    found = at(session, place, node_uid)
    if found is None:
        found = ReleaseOffer(org_uid=place, node_uid=node_uid, release_id=row.id, version=row.version, paused=False)
        session.add(found)
    found.release_id, found.version, found.paused = row.id, row.version, False
    session.flush()
    return found


def pause(session: Session, offer_uid: str, *, paused: bool) -> ReleaseOffer:
    """Hold an offer back, or let it go on. Raises NotFound."""
    found = _get(session, offer_uid)
    found.paused = paused
    session.flush()
    return found


def drop(session: Session, offer_uid: str, on: str) -> None:
    """Take an offer back from the ISO day `on`: what a wider place is offered counts there again. Raises NotFound."""
    _get(session, offer_uid).dropped_on = on
    session.flush()


def _get(session: Session, offer_uid: str) -> ReleaseOffer:
    found = session.get(ReleaseOffer, offer_uid)
    if found is None or found.dropped_on is not None:
        raise NotFound("no such offer")
    return found


def _place(session: Session, org_uid: str | None, node_uid: str | None) -> str:
    if node_uid is not None:
        node = session.get(Node, node_uid)
        if node is None or node.revoked_on is not None or node.ended_on is not None:
            raise NotFound("no such box")
        return node.org_uid
    if org_uid is None or session.get(Organisation, org_uid) is None:
        raise NotFound("no such organisation")
    return org_uid


def at(session: Session, org_uid: str, node_uid: str | None) -> ReleaseOffer | None:
    """The offer that was made for exactly that place."""
    same = ReleaseOffer.node_uid == node_uid if node_uid else ReleaseOffer.node_uid.is_(None)
    rows = session.scalars(select(ReleaseOffer).where(ReleaseOffer.org_uid == org_uid, same, ReleaseOffer.dropped_on.is_(None)))
    return _newest(list(rows))


def all_open(session: Session) -> list[ReleaseOffer]:
    """Every offer that holds, in the order of their places."""
    rows = session.scalars(select(ReleaseOffer).where(ReleaseOffer.dropped_on.is_(None)))
    return sorted(rows, key=lambda row: (row.org_uid, row.node_uid or "", row.uid))


def for_box(session: Session, node: Node, offers: Sequence[ReleaseOffer] | None = None) -> ReleaseOffer | None:
    """The offer that counts for a box: its own, then its school's, then that of each region above. None: no offer.

    `offers`: those of `all_open`, where they were read already.
    """
    offers = all_open(session) if offers is None else offers
    return nearest(offers, node.uid, [str(uid) for uid in organisations.path(session, node.org_uid)])


def nearest(offers: Sequence[ReleaseOffer], node_uid: str, path: Sequence[str]) -> ReleaseOffer | None:
    """The same for offers that were read already; `path` leads from the box's school upwards."""
    own = _newest([row for row in offers if row.node_uid == node_uid])
    if own is not None:
        return own
    for place in path:
        found = _newest([row for row in offers if row.node_uid is None and row.org_uid == place])
        if found is not None:
            return found
    return None


def _newest(offers: list[ReleaseOffer]) -> ReleaseOffer | None:
    """Two operators can have made an offer for one place, at two machines: the newer release counts, a pause before it."""
    return max(offers, key=lambda row: (row.paused, _version(row.version), row.uid), default=None)


def _version(text: str) -> release.Version:
    try:
        return release.read_version(text)
    except BadFormat:
        return ()
