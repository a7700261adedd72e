"""What every page does at its edge: open a transaction in the reader's name, know the day, cut a list into pages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request
from sqlalchemy.orm import Session

from eduhub import changes, clock, guard
from eduhub.accounts import audit
from eduhub.changes import Travelling
from eduhub.errors import BadInput, NotFound
from eduhub.schools import calendars
from eduhub.uids import Uid, parse_uid

T = TypeVar("T")
Row = TypeVar("Row", bound=Travelling)
PAGE_ROWS = 50


@contextmanager
def reading() -> Iterator[Session]:
    """One state of the database."""
    with guard.here().database.read() as session:
        yield session


@contextmanager
def writing(*, travels: bool = True) -> Iterator[Session]:
    """One transaction, booked to the reader and committed at the end.

    `travels=False`: it writes only what stays on this machine, as a sign-in does, and need not wait for who writes the log.
    """
    person = guard.viewer().person  # before the turn to write begins: finding out may write the day of use down
    database = guard.here().database
    with changes.writing(database) if travels else database.write() as session:
        session.info["by_uid"] = person.uid if person else None
        yield session


def today(session: Session, org_uid: str | None) -> str:
    """The day at a school, as ISO text: a box's schedule clock, or the wall clock while that is unknown."""
    return day(session, calendars.zone_of(session, org_uid))


def day(session: Session, zone: str) -> str:
    """The same for a time zone."""
    return guard.day(session, zone) or clock.today(calendars.TIME_ZONE)


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a long list. Numbers begin at 1."""

    rows: Sequence[T]
    number: int
    last: int
    count: int


def page_of(rows: Sequence[T], size: int = PAGE_ROWS) -> Page[T]:
    """The page that `?page=` asks for, or the nearest there is."""
    last = max(1, -(-len(rows) // size))
    asked = request.args.get("page", 1, type=int)
    number = min(max(asked, 1), last)
    return Page(rows[(number - 1) * size : number * size], number, last, len(rows))


def uid_of(text: str) -> Uid:
    """`text`, from a form or an address, as a uid; raises NotFound when it is none."""
    try:
        return parse_uid(text)
    except BadInput as error:
        raise NotFound("not a uid") from error


def row_of(session: Session, model: type[Row], uid: str, *, org_uid: str | None = None) -> Row:
    """The row with this uid, of this organisation if one is given; raises NotFound, also for a uid that is none."""
    row = session.get(model, uid_of(uid))
    if row is None or (org_uid is not None and row.org_uid != org_uid):
        raise NotFound()
    return row


def note(session: Session, action: str, org_uid: str, subject_uid: str) -> None:
    """Write down who did it, beside what was done."""
    audit.note(session, action, by_uid=session.info["by_uid"], org_uid=org_uid, subject_uid=subject_uid)
