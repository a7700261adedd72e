"""A child's secret of pictures: three of twelve, in order, in place of the card at one machine.

1728 rows of pictures are no password. So the secret opens nothing but a child's own pages, at the school's own box, where
the school has allowed it; tries are counted (see the page that asks); and it holds only as long as the card beside which
it was chosen: a new card ends it. What is kept is keyed with the machine's secret, and never leaves the machine.

This module must not know pages, nor what a school allows.
"""

import hashlib
import hmac
from collections.abc import Sequence

from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts import credentials
from eduhub.accounts.models import Credential, PictureSecret
from eduhub.errors import BadInput, NotFound, PicturesWrong

PICTURES = ("sun", "moon", "star", "mountain", "tree", "flower", "fish", "house", "boat", "bird", "tent", "cup")
LENGTH = 3


def choose(session: Session, secret: bytes, person_uid: str, pictures: Sequence[str]) -> None:
    """Keep a child's pictures, in place of those before. Raises BadInput, NotFound where the child has no card."""
    card_uid = credentials.card_of(session, person_uid)
    if not card_uid:
        raise NotFound("no card")
    if len(pictures) != LENGTH or not set(pictures) <= set(PICTURES) or len(set(pictures)) == 1:
        raise BadInput("three pictures, not the same one three times")
    found = session.get(PictureSecret, person_uid)
    if found is None:
        found = PictureSecret(person_uid=person_uid)
        session.add(found)
    found.card_uid, found.made_ms = card_uid, clock.now_ms()
    found.verifier = _verifier(secret, person_uid, card_uid, pictures)
    session.flush()


def has(session: Session, person_uid: str) -> bool:
    """Whether a child can sign in with pictures."""
    return _valid(session, person_uid) is not None


def check(session: Session, secret: bytes, person_uid: str, pictures: Sequence[str]) -> Credential:
    """The card of the child whose pictures these are, so that whoever ends the card ends the sign-in. Raises PicturesWrong."""
    found = _valid(session, person_uid)
    card_uid, verifier = (found.card_uid, found.verifier) if found else ("", "")
    fits = hmac.compare_digest(verifier, _verifier(secret, person_uid, card_uid, pictures))
    if found is None or not fits:
        raise PicturesWrong
    return session.get_one(Credential, card_uid)


def forget(session: Session, person_uid: str) -> None:
    """Take a child's pictures away; the card is as it was."""
    found = session.get(PictureSecret, person_uid)
    if found is not None:
        session.delete(found)
        session.flush()


def _valid(session: Session, person_uid: str) -> PictureSecret | None:
    found = session.get(PictureSecret, person_uid)
    return found if found is not None and found.card_uid == credentials.card_of(session, person_uid) else None


def _verifier(secret: bytes, person_uid: str, card_uid: str, pictures: Sequence[str]) -> str:
    said = "\0".join(("eduhub-pictures/1", person_uid, card_uid, *pictures))
    return hmac.new(secret, said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
