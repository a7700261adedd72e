"""On a hub: make anew what the disk has damaged, from the recording it was made of.

A damaged track, picture or text comes from one step of one ladder: that step is made again, by its own job, and
replaces all that it had made. A damaged piece list is computed from its part. A damaged recording cannot be had
again here: what was made of it stays, and `damaged_sources` says which it is.

Safe to repeat: a step that is under way, or that failed, is left alone. On a box this finds nothing to do, for a box has
no recordings; there the next round fetches what is damaged.

This module must not know lessons, nor how damage is found (delivery/scrub.py).
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import logs
from eduhub.delivery import package
from eduhub.delivery.blobs import BlobStore, remember
from eduhub.delivery.models import BlobRow, DamagedBlob
from eduhub.media import ladders
from eduhub.media.models import LadderStep, Rendition, Source

log = logs.logger(__name__)


def mend(session: Session, store: BlobStore) -> int:
    """Have everything made anew that is damaged and can be; returns how many steps were enqueued."""
    damaged = unmended(session)
    if not damaged:
        return 0
    # Not whole rows: what the index says of each track is long, and this comes every minute while anything is damaged.
    made = select(Rendition.source_uid, Rendition.recipe, Rendition.step, Rendition.sha256, Rendition.facts)
    rows = [row for row in session.execute(made) if {row.sha256, row.facts["pieces"]} & damaged]
    for row in rows:
        if row.facts["pieces"] in damaged and store.has(row.sha256):
            remember(session, store.put_bytes(package.piece_list(store.path(row.sha256))))
    lost = {(row.source_uid, row.recipe, row.step) for row in rows if row.sha256 in damaged}
    # A picture's file for saving takes its sound from the floor, which therefore comes first.
    ready = [at for at in sorted(lost) if at[2] == ladders.FLOOR or (*at[:2], ladders.FLOOR) not in lost]
    return sum(_make_anew(session, *at) for at in ready)


def unmended(session: Session) -> set[str]:
    """The names of blobs that are damaged and have not come back."""
    return set(session.scalars(select(DamagedBlob.sha256).where(DamagedBlob.mended_ms.is_(None))))


def damaged_sources(session: Session) -> list[Source]:
    """Recordings whose file is damaged: nothing more can be made of them until they are sent again."""
    return list(session.scalars(select(Source).where(Source.sha256.in_(unmended(session))).order_by(Source.uid)))


def blobs_in_use(session: Session) -> set[str]:
    """The names of every blob that a recording, or what was made of one, needs."""
    used = set(session.scalars(select(Source.sha256).where(Source.sha256.is_not(None))))
    for sha256, facts in session.execute(select(Rendition.sha256, Rendition.facts)):
        used.add(sha256)
        if facts.get("pieces"):
            used.add(facts["pieces"])
    return {name for name in used if name is not None}


def _make_anew(session: Session, source_uid: str, recipe_id: str, name: str) -> bool:
    ladder = ladders.locked(session, source_uid, recipe_id)
    source, step = session.get_one(Source, source_uid), session.get(LadderStep, (source_uid, recipe_id, name))
    floor = session.get(LadderStep, (source_uid, recipe_id, ladders.FLOOR))
    if step is None or step.state != "done" or floor is None or floor.state != "done":
        return False  # under way, or somebody has to look at it
    if source.sha256 is None or session.get(BlobRow, source.sha256) is None:
        return False
    ladders.enqueue(session, source, ladder, step)
    log.warning("a damaged step is made anew", source=source_uid, recipe=recipe_id, step=name)
    return True
