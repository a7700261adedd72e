"""That a hub's machine was stolen, said in its own catalog: so it stands in every backup from then on.

Whoever has the machine has keys that the root once spoke for, and the root's word for them. A hub that was restored after a theft believes
no key any more that others bring the root's word of, also when it is restored again. See docs/formats/keys.md.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery import catalog
from eduhub.delivery.chest import KeyChest
from eduhub.delivery.models import CatalogEntry
from eduhub.delivery.trust import keyring

KIND, FORMAT = "theft", "eduhub-theft/1"


def note(session: Session, keys: KeyChest) -> None:
    """Say it, as the next catalog entry."""
    catalog.append(session, keys, KIND, {"format": FORMAT, "hub": keyring(session).hub_uid})


def is_noted(session: Session) -> bool:
    """Whether it was ever said."""
    return session.scalars(select(CatalogEntry.sequence).where(CatalogEntry.kind == KIND).limit(1)).first() is not None
