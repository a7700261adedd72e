"""Tallies: how often each stretch of a lesson was played at one school, so that nobody has to count events.

The player sends an event for every ten seconds, so a lesson that a school has watched has a hundred thousand of them.
Sums come out the same in whatever order events arrive. Children count, the adults who look at a lesson do not.

This module must not know who watched.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts.models import RoleGrant
from eduhub.accounts.roles import STAFF
from eduhub.db import portions
from eduhub.learning.models import Event, WatchTally

SLOT_MS = 10_000
Key = tuple[str, str, str]  # lesson, time axis, organisation


def add(session: Session, credited: Sequence[tuple[Event, Sequence[str]]]) -> None:
    """Count the stretch of each event once for each child of those who are credited with it.

    Call it once for each event that counts; many at once cost hardly more than one.
    """
    adults = {
        uid for people in portions(uid for _event, person_uids in credited for uid in person_uids)
        for uid in session.scalars(
            select(RoleGrant.person_uid).where(RoleGrant.person_uid.in_(people), RoleGrant.role.in_(STAFF))
        )
    }  # fmt: skip
    rows = _held(session, [event for event, _person_uids in credited])
    for event, person_uids in credited:
        if event.lesson_uid is None or event.timeline_uid is None or event.from_ms is None or event.to_ms is None:
            continue
        children = len(set(person_uids) - adults)
        if not children or event.to_ms <= event.from_ms:
            continue
        key = (event.lesson_uid, event.timeline_uid, event.org_uid)
        row = rows.get(key) or rows.setdefault(key, _new(session, key))
        row.played_ms = counted(row.played_ms, event.from_ms, event.to_ms, children)  # a new list: a change inside one is not seen
    session.flush()


def _held(session: Session, events: Sequence[Event]) -> dict[Key, WatchTally]:
    """The rows of these lessons at these schools, asked for at once."""
    orgs = {event.org_uid for event in events}
    return {
        (row.lesson_uid, row.timeline_uid, row.org_uid): row
        for lessons in portions(event.lesson_uid for event in events if event.lesson_uid is not None)
        for row in session.scalars(select(WatchTally).where(WatchTally.lesson_uid.in_(lessons), WatchTally.org_uid.in_(orgs)))
    }


def _new(session: Session, key: Key) -> WatchTally:
    row = WatchTally(lesson_uid=key[0], timeline_uid=key[1], org_uid=key[2], played_ms=[])
    session.add(row)
    return row


def counted(played_ms: Sequence[int], from_ms: int, to_ms: int, times: int) -> list[int]:
    """The slots with [from, to) added so many times."""
    last = (to_ms - 1) // SLOT_MS
    slots = [*played_ms, *([0] * (last + 1 - len(played_ms)))]
    for slot in range(from_ms // SLOT_MS, last + 1):
        slots[slot] += times * (min(to_ms, (slot + 1) * SLOT_MS) - max(from_ms, slot * SLOT_MS))
    return slots


def summed(found: Sequence[Sequence[int]]) -> list[int]:
    """Several tallies of one time axis as one."""
    longest = max((len(played) for played in found), default=0)
    return [sum(played[slot] for played in found if slot < len(played)) for slot in range(longest)]
