"""What a school allows its children at its own box, beside their cards: nothing, until its admin says so."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from eduhub.schools import organisations
from eduhub.schools.models import ChildrenSignIn


@dataclass(frozen=True)
class Allowed:
    """The ways in that a school has opened."""

    by_pictures: bool = False
    turns_without_card: bool = False


def of_school(session: Session, org_uid: str | None) -> Allowed:
    """What is allowed; nothing where the school has not chosen."""
    found = session.get(ChildrenSignIn, org_uid) if org_uid else None
    # From another machine, which may have let anything through.
    return Allowed(found.by_pictures is True, found.turns_without_card is True) if found else Allowed()


def choose(session: Session, org_uid: str, allowed: Allowed) -> None:
    """Open or close the ways in. Raises NotFound."""
    organisations.get(session, org_uid)
    found = session.get(ChildrenSignIn, org_uid)
    if found is None:
        found = ChildrenSignIn(uid=org_uid, org_uid=org_uid)
        session.add(found)
    found.by_pictures, found.turns_without_card = allowed.by_pictures, allowed.turns_without_card
    session.flush()
