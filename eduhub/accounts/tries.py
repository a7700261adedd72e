"""How often somebody may try to sign in: counters that run empty by themselves. See docs/decisions/0012-limits-and-sessions.md.

A counter is one row: the instant of the machine's steady clock at which all that was counted is forgotten. Each try moves
it on by `every_s`; when it lies more than `at_once` tries ahead, the next has to wait. So it needs no clock that is right,
and no row says who tried, when, or with what name: the key is a keyed hash.

A try is counted before the password is looked at, and taken back when it was right: many tries at the same moment are
still counted one by one.

This module must not know cookies or addresses: what a counter counts is handed in.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub.accounts.models import TryCounter
from eduhub.errors import TooManyTries

# Whoever invents names or addresses makes rows; the ones that are forgotten soonest go first.
MOST_COUNTERS = 20_000
_TABLE: Any = TryCounter.__table__
_SET = update(_TABLE).where(_TABLE.c.key == bindparam("of")).values(empty_at_ms=bindparam("at_ms"))


@dataclass(frozen=True)
class Limit:
    """So many tries at once, and then one more every so many seconds."""

    kind: str
    at_once: int
    every_s: int

    @property
    def most_ms(self) -> int:
        """How far ahead a counter may lie."""
        return self.at_once * self.every_s * 1000


# One name, from browsers in which it has never signed in: whoever guesses at it.
NAME = Limit("name", 10, 120)
# One name in a browser that has signed in with it before: its owner, whom no stranger can lock out.
NAME_HERE = Limit("name-here", 10, 60)
# One browser, whatever name is typed.
BROWSER = Limit("browser", 20, 30)
# One address, for names that were never right in the browser that asks. A school has one for all: sixty people with three
# mistakes each are 180.
ADDRESS = Limit("address", 300, 10)


@dataclass(frozen=True)
class Counted:
    """What one try counts towards."""

    limit: Limit
    key: str


def counted(limit: Limit, secret: bytes, *words: str) -> Counted:
    """The counter of a limit for a name, a browser, an address. The key says nothing without the machine's secret."""
    said = "\x00".join((limit.kind, *words)).encode()
    return Counted(limit, hmac.digest(_key(secret), said, hashlib.sha256).hex()[:40])


def take(session: Session, now_s: float, wanted: Iterable[Counted]) -> None:
    """Count one try; raises TooManyTries, and then nothing was counted."""
    now_ms = int(now_s * 1000)
    found = _held(session, list(wanted), now_ms)
    waits = [at + one.limit.every_s * 1000 - now_ms - one.limit.most_ms for one, at in found.items()]
    if max(waits, default=0) > 0:
        raise TooManyTries(seconds=-(-max(waits) // 1000))
    _write(session, {one: at + one.limit.every_s * 1000 for one, at in found.items()})


def give_back(session: Session, now_s: float, right: Iterable[Counted], *, forgetting: Iterable[Counted] = ()) -> None:
    """Take one try back: it was right. `forgetting`: what is forgotten altogether with it."""
    now_ms, right, gone = int(now_s * 1000), list(right), list(forgetting)
    found = _rows_of(session, [*right, *gone])
    counting = {one: _sound(one, found[one.key], now_ms) for one in right if one.key in found and one not in gone}
    _write(session, {one: max(now_ms, at - one.limit.every_s * 1000) for one, at in counting.items()})
    _drop(session, gone)


def forget(session: Session, which: Iterable[Counted]) -> None:
    """Forget all tries: its owner was here, or has a new password."""
    gone = list(which)
    _rows_of(session, gone)
    _drop(session, gone)


def _key(secret: bytes) -> bytes:
    return hmac.digest(secret, b"eduhub-tries/1", hashlib.sha256)


def _held(session: Session, wanted: Sequence[Counted], now_ms: int) -> dict[Counted, int]:
    """When all is forgotten, with the rows held until the end of the transaction: `now` where there is nothing to forget."""
    keys = {one.key for one in wanted}
    missing = keys.difference(session.scalars(select(_TABLE.c.key).where(_TABLE.c.key.in_(keys))))
    if missing:  # before any is held: who holds one and waits to make another could wait for ever
        _make_room(session, now_ms)
        made = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        adding = made(_TABLE).on_conflict_do_nothing()
        session.connection().execute(adding, [{"key": key, "empty_at_ms": now_ms} for key in sorted(missing)])
    found = _rows_of(session, wanted)
    return {one: _sound(one, found.get(one.key, now_ms), now_ms) for one in wanted}


def _sound(one: Counted, at_ms: int, now_ms: int) -> int:
    # Further ahead than it can have come: the steady clock was set up anew. Nobody is kept out for that.
    return now_ms if at_ms < now_ms or at_ms > now_ms + one.limit.most_ms + one.limit.every_s * 1000 else at_ms


def _rows_of(session: Session, wanted: Sequence[Counted]) -> dict[str, int]:
    keys = [one.key for one in wanted]
    held = select(_TABLE.c.key, _TABLE.c.empty_at_ms).where(_TABLE.c.key.in_(keys))
    # In one order: two who hold some of the same wait for each other, and not both for ever.
    return {row.key: row.empty_at_ms for row in session.execute(held.order_by(_TABLE.c.key).with_for_update())}


def _write(session: Session, at_ms: dict[Counted, int]) -> None:
    if at_ms:
        session.connection().execute(_SET, [{"of": one.key, "at_ms": at} for one, at in at_ms.items()])


def _drop(session: Session, gone: Sequence[Counted]) -> None:
    """Remove counters that are held."""
    session.execute(delete(TryCounter).where(TryCounter.key.in_([one.key for one in gone])))


def _make_room(session: Session, now_ms: int) -> None:
    """Drop what is forgotten, and beyond `MOST_COUNTERS` what would be forgotten next."""
    if _rows(session) < MOST_COUNTERS:
        return
    session.execute(delete(TryCounter).where(TryCounter.key.in_(_soonest().where(TryCounter.empty_at_ms <= now_ms))))
    too_many = _rows(session) - MOST_COUNTERS
    if too_many >= 0:  # and a little more, so that the next ones need not look again
        session.execute(delete(TryCounter).where(TryCounter.key.in_(_soonest().limit(too_many + MOST_COUNTERS // 20 + 1))))


def _rows(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(TryCounter)) or 0


def _soonest() -> Select[str]:
    """The counters that are forgotten first; those that somebody holds stay."""
    return select(TryCounter.key).order_by(TryCounter.empty_at_ms).with_for_update(skip_locked=True)
