"""Browsers in which somebody is signed in. They stay on this machine, and ending one signs out.

This module must not know cookies: it hands out a uid, and `guard.py` keeps that in one.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import Credential, Person, SignIn
from eduhub.uids import new_uid


def start(session: Session, credential: Credential, *, browser: str | None = None, used_on: str | None = None) -> SignIn:
    """Sign in the person whom `credentials.check_...` has just found, in this sort of browser, on this day."""
    made = SignIn(
        uid=new_uid(), person_uid=credential.person_uid, credential_uid=credential.uid, started_ms=clock.now_ms(),
        browser=browser, used_on=used_on,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def find(session: Session, uid: str) -> SignIn | None:
    """The sign-in when it still holds: it has not ended, nor has its credential, nor has its person been erased."""
    return session.scalars(standing().where(SignIn.uid == uid)).first()


def standing() -> Select[SignIn, Person]:
    """The question for all sign-ins that still hold, with their people: whoever asks adds what else is wanted."""
    return (
        select(SignIn, Person)
        .join(Credential, Credential.uid == SignIn.credential_uid)
        .join(Person, Person.uid == SignIn.person_uid)
        .where(SignIn.ended_ms.is_(None), Credential.revoked_on.is_(None))
    )


def of(session: Session, person_uid: str) -> list[SignIn]:
    """Where a person is signed in now, the newest first."""
    found = session.execute(standing().where(SignIn.person_uid == person_uid).order_by(SignIn.uid.desc()))
    return [made for made, _person in found]


def used(session: Session, uid: str, on: str) -> None:
    """Write down the day on which it was used; no more is kept of when somebody is here."""
    session.execute(update(SignIn).where(SignIn.uid == uid).values(used_on=on))


def end(session: Session, uid: str) -> None:
    """Sign out. Ending one that has ended changes nothing."""
    _end(session, SignIn.uid == uid)


def give_way(session: Session, uid: str) -> None:
    """Sign out because it is somebody else's turn in that browser. Ending it later takes the way back (`gave_way`) too."""
    session.flush()
    found = update(SignIn).where(SignIn.uid == uid, SignIn.ended_ms.is_(None))
    session.execute(found.values(ended_ms=clock.now_ms(), gave_way=True))


def gave_way(session: Session, uids: Iterable[str]) -> set[str]:
    """Those of these sign-ins that only gave way: nobody has ended them, nor revoked what they were made with."""
    found = (
        select(SignIn.uid)
        .join(Credential, Credential.uid == SignIn.credential_uid)
        .where(SignIn.uid.in_(list(uids)), SignIn.gave_way.is_(True), Credential.revoked_on.is_(None))
    )
    return set(session.scalars(found))


def end_those_of(session: Session, credential_uid: str) -> None:
    """Sign out everywhere where this credential was used."""
    _end(session, SignIn.credential_uid == credential_uid)


def end_all(session: Session, person_uid: str, *, but: str | None = None) -> None:
    """Sign a person out everywhere, or everywhere but in one browser."""
    _end(session, SignIn.person_uid == person_uid, SignIn.uid != (but or ""))


def _end(session: Session, *which: ColumnElement[bool]) -> None:
    session.flush()
    found = update(SignIn).where(*which, or_(SignIn.ended_ms.is_(None), SignIn.gave_way.is_(True)))
    session.execute(found.values(ended_ms=func.coalesce(SignIn.ended_ms, clock.now_ms()), gave_way=False))
