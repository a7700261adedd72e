"""A place for somebody who learns without signing in: nine digits on paper bring back how far one was. No name is asked.

Eight digits are random, the ninth finds every single wrong digit and every two that changed places (Damm's). What is kept
is keyed with the machine's secret: eight digits alone are soon tried out. A code opens no more than the progress of its place.

This module must not know pages, nor how often a code may be tried.
"""

import hashlib
import hmac
import secrets
import unicodedata

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.errors import PlaceNotKnown
from eduhub.learning.models import LearnerPlace
from eduhub.uids import new_uid

DIGITS = 9
_DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip


def new_code() -> str:
    """A fresh code."""
    digits = f"{secrets.randbelow(10 ** (DIGITS - 1)):0{DIGITS - 1}d}"
    return digits + _check(digits)


def read(typed: str) -> str | None:
    """The code that somebody typed, in the digits of any script; None when it is none."""
    found = [unicodedata.digit(letter, None) for letter in typed[:60] if not letter.isspace() and letter not in "-.·"]
    digits = "".join(str(digit) for digit in found)
    return digits if None not in found and len(digits) == DIGITS and _check(digits) == "0" else None


def write(code: str) -> str:
    """A code as it is shown: 482 917 356."""
    return f"{code[:3]} {code[3:6]} {code[6:]}"


def make(session: Session, secret: bytes) -> tuple[LearnerPlace, str]:
    """A new place and its code, which is shown once and not kept."""
    code = new_code()
    while _held(session, secret, code) is not None:
        code = new_code()
    place = LearnerPlace(uid=new_uid(), code_key=_key(secret, code), made_ms=clock.now_ms())
    session.add(place)
    session.flush()
    return place, code


def find(session: Session, secret: bytes, typed: str) -> LearnerPlace:
    """The place of a code; raises PlaceNotKnown."""
    code = read(typed)
    place = _held(session, secret, code) if code is not None else None
    if place is None:
        raise PlaceNotKnown
    return place


def _held(session: Session, secret: bytes, code: str) -> LearnerPlace | None:
    return session.scalars(select(LearnerPlace).where(LearnerPlace.code_key == _key(secret, code))).first()


def _key(secret: bytes, code: str) -> str:
    return hmac.new(secret, b"eduhub-place/1\0" + code.encode("ascii"), hashlib.sha256).hexdigest()


def _check(digits: str) -> str:
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return str(interim)
