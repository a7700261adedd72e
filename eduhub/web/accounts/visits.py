"""When a child was here before, found once at sign-in and kept with the browser session: the first page asks each time."""

from flask import session as browser_session
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import SignIn

_KEY = "before_ms"
APART_MS = 2 * 3_600_000  # whoever only changed over on a shared device was not away

_LAST = select(func.max(SignIn.started_ms)).where(
    SignIn.person_uid == bindparam("person_uid"), SignIn.started_ms < bindparam("before_ms")
)


def last(session: Session, person_uid: str) -> int | None:
    """The instant of the last visit of somebody who is just signing in (wall clock); None at the first."""
    return session.scalar(_LAST, {"person_uid": person_uid, "before_ms": clock.now_ms() - APART_MS})


def keep(before_ms: int | None) -> None:
    """Remember it in this browser."""
    browser_session[_KEY] = before_ms


def before_this_one() -> int | None:
    """The instant of the reader's last visit before this one."""
    found = browser_session.get(_KEY)
    return found if isinstance(found, int) else None
