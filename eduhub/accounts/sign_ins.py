"""Browsers in which somebody is signed in. They stay on this machine, and ending one signs out.

This module must not know cookies: it hands out a uid, and `guard.py` keeps that in one.
"""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import Credential, Person, SignIn
from eduhub.uids import new_uid


def start(session: Session, credential: Credential) -> SignIn:
    """Sign in the person whom `credentials.check_...` has just found."""
    made = SignIn(
        uid=new_uid(), person_uid=credential.person_uid, credential_uid=credential.uid, started_ms=clock.now_ms()
    )
    session.add(made)
    session.flush()
    return made


def find(session: Session, uid: str) -> SignIn | None:
    """The sign-in when it still holds: it has not ended, nor has its credential, nor has its person been erased."""
    return session.scalars(
        select(SignIn)
        .join(Credential, Credential.uid == SignIn.credential_uid)
        .join(Person, Person.uid == SignIn.person_uid)
        .where(SignIn.uid == uid, SignIn.ended_ms.is_(None), Credential.revoked_on.is_(None))
    ).first()


def end(session: Session, uid: str) -> None:
    """Sign out. Ending one that has ended changes nothing."""
    _end(session, SignIn.uid == uid)


def end_those_of(session: Session, credential_uid: str) -> None:
    """Sign out everywhere where this credential was used."""
    _end(session, SignIn.credential_uid == credential_uid)


def end_all(session: Session, person_uid: str) -> None:
    """Sign a person out everywhere."""
    _end(session, SignIn.person_uid == person_uid)


def _end(session: Session, which: object) -> None:
    session.flush()
    session.execute(
        update(SignIn).where(which, SignIn.ended_ms.is_(None)).values(ended_ms=clock.now_ms())  # type: ignore[arg-type]
    )
