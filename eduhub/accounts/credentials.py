"""The ways to prove who one is: passwords for adults, cards for children.

A new password or card takes the place of the old one, and ends the sign-ins made with it. A word that is good
once takes the place of a forgotten password, until its owner has chosen another. A word for boxes is made at the hub and
opens nothing there: at a box of its school it gives way to a word of that box (`take_box_word`).

A verifier of a password takes a slow hash's time. Whoever can makes it before the transaction that keeps it.

This module must not know pages or cookies. See docs/formats/credentials.md.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts import cards, passwords, people, sign_ins
from eduhub.accounts.models import Credential, Person
from eduhub.errors import CardNotKnown, NotFound, PasswordTooWeak, SignInFailed, WordEnded

# Either of them is typed where the password is.
_TYPED = ("password", "one_time")
# What another machine may ever hold of these; the rest stays where it was made.
TRAVELS = frozenset({"card", "box_word"})
_CARD = (
    select(Credential)
    .join(Person, Person.uid == Credential.person_uid)
    .where(Credential.verifier == bindparam("verifier"), Credential.kind == "card", Credential.revoked_on.is_(None))
)
_BOX_WORD_PAIRS = 4  # 57 random bits: whoever steals a box finds its hash there
BOX_WORD_DAYS = 3  # beside the day on which it is made
# Long enough to be told in a village without a line, and to be used when its owner comes by.
WORD_LASTS_S = 3 * 86_400
_WORD = re.compile(r"until=(\d{1,12}) (.+)")  # how the verifier of a word is kept: its last second by the steady clock
# And of a word for boxes: the first day at the school on which it opens nothing any more. Not in a column of its own: a hub of the
# release before refuses a row of a box, a card too, that has a field which it does not know.
_BOX_WORD = re.compile(r"until=(\d{4}-\d\d-\d\d) (.+)")


@dataclass(frozen=True)
class Secret:
    """What is told to a person once, and what is kept of it."""

    told: str
    verifier: str


def verifier_of(password: str, *, sign_in_name: str) -> str:
    """What is kept of a new password of whoever has this name. Raises PasswordTooWeak."""
    return passwords.make_verifier(passwords.check(password, of=people.tidy_sign_in_name(sign_in_name)))


def new_word() -> Secret:
    """A word that can be told over a telephone, for `give_word_after`."""
    word = passwords.new_word()
    return Secret(word, passwords.make_verifier(word))


def new_box_word() -> Secret:
    """A longer one, for `give_box_word_after`."""
    word = passwords.new_word(_BOX_WORD_PAIRS)
    return Secret(word, passwords.make_verifier(word))


def set_password(session: Session, person_uid: str, password: str) -> Credential:
    """Give a person a password on this machine. Raises NotFound, PasswordTooWeak."""
    person = _named(session, person_uid)
    return _replace(session, person, "password", verifier_of(password, sign_in_name=person.sign_in_name or ""))


def keep_password(session: Session, person_uid: str, verifier: str, *, proved_uid: str | None = None) -> Credential:
    """The same with what `verifier_of` made.

    `proved_uid`: the password that the asker has proved to know (`check_own`). Raises NotFound, and SignInFailed when
    that is not this person's any more: whoever knew it has been shut out meanwhile.
    """
    person = _named(session, person_uid)
    if proved_uid is not None and password_of(session, person_uid) != proved_uid:
        raise SignInFailed
    return _replace(session, person, "password", verifier)


def give_word_after(session: Session, person_uid: str, word: Secret, seen_uid: str, now_s: float) -> bool:
    """Put a word (`new_word`) in place of the password, good for choosing a new one within `WORD_LASTS_S` from the steady
    second `now_s` on. False when the asker saw another password (`password_of`) than there is now: a form that was sent
    twice. Raises NotFound.
    """
    person = _named(session, person_uid)
    if password_of(session, person_uid) != seen_uid:
        return False
    _replace(session, person, "one_time", f"until={int(now_s) + WORD_LASTS_S} {word.verifier}")
    return True


def give_box_word_after(session: Session, person_uid: str, org_uid: str, word: Secret, seen_uid: str, today: str) -> bool:
    """Give a person a word (`new_box_word`) for the boxes of a school, in place of the one before, good from the ISO day `today`
    on for `BOX_WORD_DAYS` more. What the person signs in with at this machine stays. False when the asker saw another word
    (`box_word_of`) than there is now. Raises NotFound.
    """
    person = _named(session, person_uid)
    held = box_word_of(session, person_uid, org_uid, today)
    if (held.uid if held is not None else "") != seen_uid:
        return False
    end_box_words(session, person_uid, org_uid)
    end = (date.fromisoformat(today) + timedelta(days=BOX_WORD_DAYS + 1)).isoformat()
    session.add(
        Credential(
            org_uid=org_uid, person_uid=person.uid, kind="box_word", verifier=f"until={end} {word.verifier}",
            machine_uid=changes.machine_uid(session),
        )
    )  # fmt: skip
    session.flush()
    return True


def box_word_of(session: Session, person_uid: str, org_uid: str, today: str) -> Credential | None:
    """The word for the boxes of a school that a person can still use on a day."""
    found = (held for held in of(session, person_uid) if held.kind == "box_word" and held.org_uid == org_uid)
    return next((held for held in found if today < _ends_on(held)), None)


def last_day(word: Credential) -> str:
    """The last ISO day on which a word for boxes is good; '' for what cannot be read, which opens nothing."""
    end = _ends_on(word)
    return (date.fromisoformat(end) - timedelta(days=1)).isoformat() if end else ""


def end_box_words(session: Session, person_uid: str, org_uid: str) -> None:
    """End the words for the boxes of a school that a person has."""
    for held in of(session, person_uid):
        if held.kind == "box_word" and held.org_uid == org_uid:
            revoke(session, held.uid)


def of_box_words(*, after: str, until: str = "9") -> tuple[ColumnElement[bool], ...]:
    """The question for words for boxes that end on a day after `after` and not after `until`."""
    day = func.substr(Credential.verifier, len("until=") + 1, 10)
    # Only words begin so, and their index is asked: 'until=' itself is sorted otherwise by each database.
    return (Credential.verifier > "u", Credential.verifier < "v", Credential.kind == "box_word", day > after, day <= until)


def take_box_word(session: Session, credential_uid: str, now_s: float) -> Credential:
    """At a box: use up the word that `check_password` has just found. Its owner signs in with the same word as one that is good
    once at this machine, so that a browser that was closed before a password was chosen costs no second word. It takes the
    place of a password that was chosen here before. Raises SignInFailed when somebody has used or ended it meanwhile.
    """
    found = session.get(Credential, credential_uid, with_for_update=True)
    if found is None or found.revoked_on is not None:
        raise SignInFailed
    person = _named(session, found.person_uid)
    revoke(session, found.uid)
    return _replace(session, person, "one_time", f"until={int(now_s) + WORD_LASTS_S} {_plain(found)}")


def password_of(session: Session, person_uid: str) -> str:
    """The uid of the password or word that a person can use now; empty when there is none."""
    return next((found.uid for found in of(session, person_uid) if found.kind in _TYPED), "")


def has_passwords(session: Session) -> bool:
    """Whether anybody can sign in at this machine with a password."""
    held = select(Credential.uid).where(Credential.kind == "password", Credential.revoked_on.is_(None)).limit(1)
    return session.scalars(held).first() is not None


def check_password(
    session: Session, sign_in_name: str, password: str, now_s: float | None = None, box_day: str | None = None
) -> Credential:
    """The credential that this name and password prove; raises SignInFailed, and WordEnded for a word that was good once.
    `now_s`: the steady clock's second; who does not say it is told nothing by a word that is good once. `box_day`: at a box
    the school's ISO day; without it no word for boxes counts.

    An unknown name takes as long as a wrong password. Call it in a session that only reads: it takes
    a slow hash's time, and on SQLite nobody else could write meanwhile.
    """
    holders = [person.uid for person in people.called(session, sign_in_name)]
    kinds = _TYPED if box_day is None else (*_TYPED, "box_word")
    found = list(
        session.scalars(
            select(Credential)
            .where(Credential.person_uid.in_(holders), Credential.kind.in_(kinds), Credential.revoked_on.is_(None))
            .order_by(Credential.uid)
        )
    )
    fitting = [credential for credential in found if passwords.fits(_plain(credential), password)]
    if not found:
        passwords.fits(None, password)
    if not fitting:
        raise SignInFailed
    good = next((credential for credential in fitting if _is_good(credential, now_s, box_day)), None)
    if good is None:
        raise WordEnded
    return good


def check_own(session: Session, person_uid: str, password: str, now_s: float) -> str:
    """The uid of the password that was proved; raises SignInFailed when this is not that person's, and WordEnded."""
    held = session.get(Credential, password_of(session, person_uid))
    if not passwords.fits(_plain(held) if held is not None else None, password):
        raise SignInFailed
    if held is None:
        raise SignInFailed
    if not _is_good(held, now_s):
        raise WordEnded
    return held.uid


def renewed(credential: Credential, password: str) -> str | None:
    """A new verifier in place of one that was made at yesterday's costs, else None; `password` has just fitted it."""
    if credential.kind != "password" or not passwords.is_outdated(credential.verifier):
        return None
    try:
        return passwords.make_verifier(passwords.check(password))
    except PasswordTooWeak:
        return None  # today's list refuses it, but it is still this person's password


def keep_renewed(session: Session, credential_uid: str, verifier: str) -> None:
    """Keep what `renewed` has made."""
    session.get_one(Credential, credential_uid).verifier = verifier
    session.flush()


def card_of(session: Session, person_uid: str) -> str:
    """The uid of the card a person can use now; empty when there is none."""
    return next((found.uid for found in of(session, person_uid) if found.kind == "card"), "")


def issue_card(session: Session, person_uid: str) -> str:
    """A new card: its code, which is shown once and not kept. Raises NotFound."""
    person = _locked(session, person_uid)
    code = cards.new_code()
    _replace(session, person, "card", cards.make_verifier(code))
    return code


def issue_card_after(session: Session, person_uid: str, seen_uid: str) -> str | None:
    """A new card in place of the one that the asker saw (`card_of`); None when that is another by now.

    So a form that is sent twice does not kill the card that its first answer shows. Raises NotFound.
    """
    _locked(session, person_uid)
    return issue_card(session, person_uid) if card_of(session, person_uid) == seen_uid else None


def check_card(session: Session, token: str) -> Credential:
    """The credential of the card whose code was typed or scanned; raises CardNotKnown."""
    code = cards.read(token)
    if code is None:
        raise CardNotKnown("not a code")
    found = session.scalars(_CARD, {"verifier": cards.make_verifier(code)}).first()
    if found is None:
        raise CardNotKnown
    return found


def revoke(session: Session, credential_uid: str) -> None:
    """End a credential for good, and every sign-in made with it. Raises NotFound."""
    credential = session.get(Credential, credential_uid)
    if credential is None:
        raise NotFound("no such credential")
    if credential.revoked_on is None:
        credential.revoked_on = clock.today()
    session.flush()
    sign_ins.end_those_of(session, credential.uid)


def of(session: Session, person_uid: str) -> list[Credential]:
    """The credentials a person can use now."""
    return list(
        session.scalars(
            select(Credential)
            .where(Credential.person_uid == person_uid, Credential.revoked_on.is_(None))
            .order_by(Credential.uid)
        )
    )


def _plain(credential: Credential) -> str:
    """The verifier itself, as `passwords` made it."""
    shape = {"one_time": _WORD, "box_word": _BOX_WORD}.get(credential.kind)
    word = shape.fullmatch(credential.verifier) if shape is not None else None
    return word[2] if word else credential.verifier


def _ends_on(word: Credential) -> str:
    found = _BOX_WORD.fullmatch(word.verifier)
    try:
        return date.fromisoformat(found[1]).isoformat() if found else ""
    except ValueError:  # 2026-13-41: no hub of ours wrote it
        return ""


def _is_good(credential: Credential, now_s: float | None, box_day: str | None = None) -> bool:
    """Whether a password, or a word that is good once, is good now. A word of before there was an end has none."""
    if credential.kind == "box_word":
        return box_day is not None and box_day < _ends_on(credential)
    if credential.kind != "one_time":
        return True
    word = _WORD.fullmatch(credential.verifier)
    # Further ahead than it can have been made: the steady clock was set up anew, and nobody knows how old it is.
    return now_s is not None and (word is None or 0 < int(word[1]) - now_s <= WORD_LASTS_S)


def _locked(session: Session, person_uid: str) -> Person:
    """The person, for one writer at a time: two cards made at once would both be good."""
    person = session.get(Person, person_uid, with_for_update=True)
    if person is None:
        raise NotFound("no such person")
    return person


def _named(session: Session, person_uid: str) -> Person:
    """The same of somebody who signs in by name."""
    person = _locked(session, person_uid)
    if person.sign_in_name is None:
        raise NotFound("no sign-in name")
    return person


def _replace(session: Session, person: Person, kind: str, verifier: str) -> Credential:
    gone = _TYPED if kind in _TYPED else (kind,)
    for credential in of(session, person.uid):
        if credential.kind in gone:
            revoke(session, credential.uid)
    new = Credential(
        org_uid=person.org_uid, person_uid=person.uid, kind=kind, verifier=verifier,
        machine_uid=changes.machine_uid(session),
    )  # fmt: skip
    session.add(new)
    session.flush()
    return new
