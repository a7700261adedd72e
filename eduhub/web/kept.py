"""Pages that need not be made again: what is the same for many is made once, and a browser is told what it has still holds.

`page(make)` answers a signed-in reader. Its ETag is made of the state of everything that a page can show (the change
log, what is held, the reader's own progress), of the reader, the sign-in, the language and the day, before anything
is made or looked up; so a page that was not touched costs one question to the database. `shelf().take(key, make)` keeps
what is the same for many. It must never be handed what knows a person: no page, no form, no token, no name.

Keys carry the state (`Now.shared`), so nothing is ever told to go: what is old is not asked for again and falls out.
This module must not know what stands on a page.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock
from typing import Any, Generic, TypeVar, cast

from flask import Flask, Response, current_app, make_response, request
from flask import session as browser_session
from flask.typing import ResponseReturnValue
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

import eduhub
from eduhub import guard
from eduhub.changes import Change, Machine
from eduhub.delivery.models import HoldingMoves
from eduhub.errors import SignInNeeded
from eduhub.learning.models import Progress
from eduhub.schools import calendars
from eduhub.web import csrf, edge, languages

V = TypeVar("V")
# The log's end, the moves of packages, the machine, and the reader's own progress. Removed rows leave the log without
# a word, but move the machine's counter; a restored machine has another name.
_STATE = select(
    select(func.max(Change.seq)).scalar_subquery(), select(HoldingMoves.moves).scalar_subquery(),
    select(Machine.uid).scalar_subquery(), select(Machine.counter).scalar_subquery(),
    func.count(), func.sum(Progress.change_seq), func.sum(Progress.seen_ms),
).where(Progress.person_uid == bindparam("person_uid"))  # fmt: skip
MOST_ROWS = 5000  # on one shelf: some 10 MB
_EXTENSION = "eduhub_shelf"
_MADE_OF = ("templates", "translations", "static")  # besides the code, which has a version


# --- what is the same for many ------------------------------------------------------


@dataclass
class _Making(Generic[V]):
    """A value that one thread makes while others wait for it."""

    over: Event
    made: list[V]  # empty when making it failed


class Shelf:
    """Values by key, the least recently used going first. Threads that want the same one wait for the one who makes it."""

    def __init__(self, most: int) -> None:
        self._most, self._weight, self._lock = most, 0, Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, _Making[Any]] = {}

    def take(self, key: Hashable, make: Callable[[], V], weigh: Callable[[V], int] = lambda _value: 1) -> V:
        """The value kept under `key`, or the one that `make` returns. What `make` raises is raised here and not kept."""
        while True:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return cast(V, self._kept[key][0])
                making = self._making.get(key)
                if making is None:
                    mine = self._making[key] = _Making[V](Event(), [])
                    break
            making.over.wait()
            if making.made:
                return cast(V, making.made[0])
        try:
            mine.made.append(make())
            return mine.made[0]
        finally:
            with self._lock:
                del self._making[key]
                if mine.made:
                    self._put(key, mine.made[0], weigh(mine.made[0]))
            mine.over.set()

    def forget(self) -> None:
        """Empty it; what is being made is still handed to those who wait."""
        with self._lock:
            self._kept.clear()
            self._weight = 0

    def _put(self, key: Hashable, value: Any, weight: int) -> None:
        self._kept[key] = (value, weight)
        self._weight += weight
        while self._weight > self._most:
            _key, (_value, gone) = self._kept.popitem(last=False)
            self._weight -= gone


def shelf() -> Shelf:
    """The shelf of the installation that answers this request."""
    found: Shelf = current_app.extensions[_EXTENSION]
    return found


def register(app: Flask) -> None:
    """Give an app its shelf."""
    app.extensions[_EXTENSION] = Shelf(MOST_ROWS)


def forget(app: Flask) -> None:
    """Empty an app's shelf: for tests and measurements."""
    app.extensions[_EXTENSION].forget()


# --- what a browser has still -------------------------------------------------------


@dataclass(frozen=True)
class Now:
    """On what a page depends beside its reader. `shared` is the same for everybody."""

    shared: tuple[Any, ...]
    own: tuple[Any, ...]  # the reader's progress
    day: str
    language: str


def now(session: Session, person_uid: str, org_uid: str) -> Now:
    """The state of everything that a page can show, in one question to the database."""
    found = session.execute(_STATE, {"person_uid": person_uid}).one()
    shared = tuple(found[:4])
    zone = shelf().take(("zone", shared, org_uid), lambda: calendars.zone_of(session, org_uid))
    return Now(shared, tuple(found[4:]), edge.day(session, zone), languages.of_page())


def page(make: Callable[[Session, Now], ResponseReturnValue], *also: Hashable) -> ResponseReturnValue:
    """The page that `make` returns, or 304 when the reader's browser has it already.

    `also`: what else the page depends on. Raises SignInNeeded.
    """
    person = guard.viewer().person
    if person is None:
        raise SignInNeeded
    with edge.reading() as session:
        found = now(session, person.uid, person.org_uid)
        tag = None if "_flashes" in browser_session else _tag(found, *also)  # a word that is shown once is not kept
        if tag is not None and request.if_none_match.contains_weak(tag):
            made = Response(status=304)
        else:
            made = make_response(make(session, found))
    if tag is not None and made.status_code in {200, 304}:
        made.set_etag(tag, weak=True)  # the same page, though each answer writes its token in other letters
    return made


def _tag(found: Now, *also: Hashable) -> str:
    viewer = guard.viewer()
    reader = (viewer.get_id(), viewer.person and viewer.person.uid, csrf.secret_of_session())
    grants = tuple(grant.uid for grant in viewer.grants)
    parts = (_release(), request.full_path, request.scheme, request.host, found, reader, grants, also)
    return sha256(repr(parts).encode()).hexdigest()[:32]


@cache
def _release() -> str:
    """What the pages are written with: the same in every process of a machine, another after each change of it."""
    digest = sha256(eduhub.__version__.encode())
    for folder in _MADE_OF:
        for path in sorted((Path(__file__).parent / folder).rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + sha256(path.read_bytes()).digest())
    return digest.hexdigest()
