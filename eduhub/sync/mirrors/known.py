"""Node: the mirrors that are known here, and what is remembered of each.

Found ones are hints that anybody on the network may have made: so they are few, and those that gave something stay
before others. This module must not know how they are found, or asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.errors import BadInput, NotFound
from eduhub.sync.fetching.address import Address
from eduhub.sync.mirrors.choosing import FOUND, FRESH_S, NAMED, Candidate, is_failure, pause_s
from eduhub.sync.mirrors.models import Mirror

MOST_FOUND, MOST_NAMED = 32, 16
FORGOTTEN_AFTER_S = 30 * 86_400


@dataclass(frozen=True)
class Sighting:
    """A box that says on the network where it is."""

    url: str
    node_uid: str
    name: str
    catalog_sequence: int


def name(session: Session, url: str, now_s: int) -> Mirror:
    """A person says that there is a mirror at `url`. Raises BadInput (no address, or too many)."""
    url = url.rstrip("/")
    Address.of(url)
    if len(url) > 200:
        raise BadInput("the address of a mirror has at most 200 characters")
    found = session.get(Mirror, url)
    if found is None:
        if len(session.scalars(select(Mirror.url).where(Mirror.kind == NAMED)).all()) >= MOST_NAMED:
            raise BadInput(f"at most {MOST_NAMED} mirrors are named")
        found = _new(url, NAMED, now_s)
        session.add(found)
    found.kind, found.seen_steady_s, found.aside_until_steady_s, found.failures = NAMED, now_s, 0, 0
    session.flush()
    return found


def forget(session: Session, url: str) -> None:
    """A person takes a mirror away. Raises NotFound."""
    found = session.get(Mirror, url.rstrip("/"))
    if found is None:
        raise NotFound(f"no mirror {url:.200}")
    session.delete(found)
    session.flush()


def sighted(session: Session, seen: Iterable[Sighting], now_s: int) -> None:
    """Boxes that are on the network now. Beyond the most that are kept, those that gave least and were seen longest ago go."""
    for sighting in list(seen)[: 2 * MOST_FOUND]:
        found = session.get(Mirror, sighting.url)
        if found is None:
            found = _new(sighting.url, FOUND, now_s)
            session.add(found)
        found.node_uid, found.name = sighting.node_uid, sighting.name[:63]
        found.catalog_sequence, found.seen_steady_s = sighting.catalog_sequence, now_s
    session.flush()
    rows = session.scalars(select(Mirror).where(Mirror.kind == FOUND)).all()
    ranked = sorted(rows, key=lambda row: (row.bytes_got == 0, -row.seen_steady_s, -row.bytes_got, row.url))
    for at, row in enumerate(ranked):
        if at >= MOST_FOUND or now_s - row.seen_steady_s > FORGOTTEN_AFTER_S:
            session.delete(row)
    session.flush()


def candidates(session: Session, own_uid: str | None) -> list[Candidate]:
    """All that are known, but this box itself."""
    return [
        Candidate(
            row.url, row.kind, row.node_uid, row.failures, row.aside_until_steady_s, row.seen_steady_s, row.bytes_got
        )
        for row in session.scalars(select(Mirror).order_by(Mirror.url))
        if own_uid is None or row.node_uid != own_uid
    ]  # fmt: skip


def beside(session: Session, now_s: float) -> list[str]:
    """The names, as they say them, of the boxes that are on the school's network now."""
    fresh = Mirror.seen_steady_s >= int(now_s) - FRESH_S
    return list(session.scalars(select(Mirror.name).where(Mirror.kind == FOUND, fresh).distinct().order_by(Mirror.name)))


def left_alone(session: Session, url: str, why: str, now_s: int) -> None:
    """It is not asked for a while (`choosing.PAUSES_S`)."""
    row = session.get(Mirror, url)
    if row is not None:
        row.failures = row.failures + 1 if is_failure(why) else 0
        row.why, row.aside_until_steady_s = why, now_s + pause_s(why, row.failures)
        session.flush()


def met(session: Session, url: str, node_uid: str, box_name: str, catalog_sequence: int) -> None:
    """What a mirror said of itself when it was asked."""
    row = session.get(Mirror, url)
    if row is not None:
        row.node_uid, row.name, row.catalog_sequence = node_uid, box_name[:63], catalog_sequence
        session.flush()


def gave(session: Session, url: str, count: int, now_s: int) -> None:
    """So many good bytes came from it."""
    row = session.get(Mirror, url)
    if row is not None and count:
        row.bytes_got, row.got_steady_s = row.bytes_got + count, now_s
        row.failures, row.why = 0, None
        session.flush()


def _new(url: str, kind: str, now_s: int) -> Mirror:
    return Mirror(
        url=url, kind=kind, node_uid=None, name="", catalog_sequence=0, seen_steady_s=now_s, failures=0,
        aside_until_steady_s=0, why=None, bytes_got=0, got_steady_s=None,
    )  # fmt: skip
