"""Who is here: people, and the names they sign in with.

This module must not know credentials or schools.
"""

import unicodedata
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts.models import Person
from eduhub.errors import BadInput, NotFound, SignInNameTaken
from eduhub.uids import new_uid, parse_uid


def add(
    session: Session, *, org_uid: str, name: str, sign_in_name: str | None = None, language: str | None = None,
    uid: str | None = None,
) -> Person:  # fmt: skip
    """A new person at a school, under a fresh uid or one made before. Raises BadInput, and SignInNameTaken when
    that is known here.
    """
    person = Person(uid=parse_uid(uid) if uid else new_uid(), org_uid=org_uid, name=_tidy_name(name), language=language)
    if sign_in_name is not None:
        person.sign_in_name = _free(session, sign_in_name)
    session.add(person)
    session.flush()
    return person


_KEEP: Any = object()


def change(
    session: Session, person_uid: str, *, name: str = _KEEP, language: str | None = _KEEP, picture: str | None = _KEEP
) -> Person:
    """Change what is given of a person. Raises NotFound, BadInput."""
    person = session.get(Person, person_uid)
    if person is None:
        raise NotFound("no such person")
    if name is not _KEEP:
        person.name = _tidy_name(name)
    if language is not _KEEP:
        person.language = language
    if picture is not _KEEP:
        person.picture = picture
    session.flush()
    return person


def called(session: Session, sign_in_name: str) -> list[Person]:
    """Everybody who signs in with this name: one, or none, or several after two machines gave it out."""
    name = tidy_sign_in_name(sign_in_name)
    if "\x00" in name:  # nobody's; and PostgreSQL does not take it in a question
        return []
    return list(session.scalars(select(Person).where(Person.sign_in_name == name).order_by(Person.uid)))


def tidy_sign_in_name(text: str) -> str:
    """The one form of a sign-in name: what looks the same to a person is the same."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _free(session: Session, sign_in_name: str) -> str:
    tidy = tidy_sign_in_name(sign_in_name)
    if not 2 <= len(tidy) <= 100 or any(unicodedata.category(letter)[0] in "CZ" for letter in tidy):
        raise BadInput("a sign-in name has 2 to 100 letters or digits, and no spaces")
    if called(session, tidy):
        raise SignInNameTaken
    return tidy


def _tidy_name(text: str) -> str:
    tidy = " ".join(unicodedata.normalize("NFC", text).split())
    # Format characters (category Cf) join letters in some scripts; control characters do nothing good.
    if not 1 <= len(tidy) <= 200 or any(unicodedata.category(letter) == "Cc" for letter in tidy):
        raise BadInput("a name has 1 to 200 letters")
    return tidy
