"""The tree of places: region > school | teaching point | station.

Nobody may hang a place below itself; but two machines that each move one place can make a
ring between them when they meet. Then the link of the ring's smallest uid counts for
nothing, on every machine alike, until somebody mends it.

This module must not know who may change the tree.
"""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.errors import BadInput, NotFound
from eduhub.schools import calendars
from eduhub.schools.models import Organisation, Site
from eduhub.schools.names import checked_names
from eduhub.uids import Uid, new_uid

# What may hang below what; None: the top of a tree.
KINDS: dict[str, frozenset[str | None]] = {
    "region": frozenset({None, "region"}),
    "school": frozenset({None, "region"}),
    "teaching_point": frozenset({None, "region", "school"}),
    "station": frozenset({None, "region", "school"}),
}


def add(session: Session, *, kind: str, names: dict[str, str], parent_uid: str | None = None) -> Organisation:
    """A new place; all but a region get a site and a calendar too. Raises NotFound, BadInput."""
    _check_parent(session, kind, parent_uid)
    uid = new_uid()
    made = Organisation(uid=uid, org_uid=uid, kind=kind, parent_uid=parent_uid, names=checked_names(names))
    session.add(made)
    if kind != "region":
        calendars.start(session, uid)
        add_site(session, uid, next(iter(made.names.values())))
    session.flush()
    return made


def rename(session: Session, org_uid: str, names: dict[str, str]) -> None:
    """Give a place other names. Raises NotFound, BadInput."""
    get(session, org_uid).names = checked_names(names)
    session.flush()


def move(session: Session, org_uid: str, parent_uid: str | None) -> None:
    """Hang a place elsewhere. Raises NotFound, and BadInput where it would hang below itself."""
    moved = get(session, org_uid)
    _check_parent(session, moved.kind, parent_uid)
    if parent_uid is not None and org_uid in path(session, parent_uid):
        raise BadInput("a place cannot be below itself")
    moved.parent_uid = parent_uid
    session.flush()


def add_site(session: Session, org_uid: str, name: str) -> Site:
    """A place with a network of its own. Raises NotFound, BadInput."""
    get(session, org_uid)
    made = Site(org_uid=org_uid, name=checked_names({"zh": name})["zh"])
    session.add(made)
    session.flush()
    return made


def sites(session: Session, org_uid: str) -> list[Site]:
    """The sites of a place."""
    return list(session.scalars(select(Site).where(Site.org_uid == org_uid).order_by(Site.uid)))


def get(session: Session, org_uid: str) -> Organisation:
    """The place with this uid; raises NotFound."""
    found = session.get(Organisation, org_uid)
    if found is None:
        raise NotFound("no such organisation")
    return found


def is_region(session: Session, org_uid: str) -> bool:
    """Whether there is such a place and it is a region."""
    found = session.get(Organisation, org_uid)
    return found is not None and found.kind == "region"


def path(session: Session, org_uid: str) -> list[Uid]:
    """The place itself, then those above it, nearest first. A parent that is not known here ends it."""
    return [Uid(uid) for uid in _cut(*_walk(session, org_uid))]


def decide_path(session: Session, org_uid: str) -> list[Uid]:
    """All places that have a word in `path`: those that a ring cuts off too. As long as none of these changes, the path does not."""
    return [Uid(uid) for uid in _walk(session, org_uid)[0]]


def _walk(session: Session, org_uid: str) -> tuple[list[str], str | None]:
    """Everything from a place upwards, and the place that was met again, if that ended it."""
    walked: list[str] = []
    at: str | None = org_uid
    while at is not None and at not in walked:
        walked.append(at)
        at = session.scalar(select(Organisation.parent_uid).where(Organisation.uid == at))
    return walked, at


def paths(session: Session) -> dict[str, list[Uid]]:
    """The path of every place, in one question: for whoever asks of many."""
    rows = session.execute(select(Organisation.uid, Organisation.parent_uid))
    parents: dict[str, str | None] = {row[0]: row[1] for row in rows}
    return {uid: [Uid(above) for above in _path_in(parents, uid)] for uid in parents}


def below(session: Session, org_uid: str) -> list[Uid]:
    """The place itself and everything below it."""
    rows = session.execute(select(Organisation.uid, Organisation.parent_uid).order_by(Organisation.uid))
    parents: dict[str, str | None] = {row[0]: row[1] for row in rows}
    return [Uid(uid) for uid in dict.fromkeys((org_uid, *parents)) if org_uid in _path_in(parents, uid)]


def _path_in(parents: Mapping[str, str | None], org_uid: str) -> list[str]:
    walked: list[str] = []
    at: str | None = org_uid
    while at is not None and at not in walked:
        walked.append(at)
        at = parents.get(at)
    return _cut(walked, at)


def _cut(walked: list[str], met_again: str | None) -> list[str]:
    """The walk up, cut at the smallest uid of the ring that it ended in, if it did."""
    if met_again is None:
        return walked
    smallest = min(walked[walked.index(met_again) :])
    return walked[: walked.index(smallest) + 1]


def _check_parent(session: Session, kind: str, parent_uid: str | None) -> None:
    parent_kind = None if parent_uid is None else get(session, parent_uid).kind
    if kind not in KINDS or parent_kind not in KINDS[kind]:
        raise BadInput(f"a {kind:.20} cannot be below a {parent_kind}")


def today(session: Session, org_uid: str) -> str:
    """The wall clock's day at a place, for showing. A box decides by its schedule clock."""
    return clock.today(calendars.zone_of(session, org_uid))
