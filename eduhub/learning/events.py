"""Events: what happened to lessons and learners, appended once under an id made where it happened.

The same `append` serves a page's batch at a box or hub and, at the hub, what a box brought home.
Kinds, versions, contexts and fields that this release does not know are stored, relayed and book
nothing. What cannot be true is stored too, but *quarantined*: it counts for nothing and says why.

Refused is only what is no event at all; and the hub refuses nothing that has a uid, because a box
deletes what the hub acknowledged.

This module must not know HTTP, tokens or how events travel. See docs/formats/events.md.
"""

import functools
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts.models import Person, RoleGrant
from eduhub.changes import Tombstone
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BadFormat, BadInput, EduHubError
from eduhub.learning import progress
from eduhub.learning.models import Event
from eduhub.schools.models import Enrolment
from eduhub.uids import parse_uid

MAX_EVENT_BYTES = 4096
MAX_SUBJECTS = 100
_WORD = re.compile(r"[a-z][a-z0-9_.]{0,19}")
_OF_NOBODY = frozenset({"system", "station"})  # contexts in which an event may have no actor
# Watching at a quarter of the speed takes four times as long; nothing takes longer, nor reaches beyond the end.
_SLOWEST, _SLACK_MS = 4, 5_000


@dataclass(frozen=True)
class Refused:
    """Something that is no event. `uid` is what it called itself, if that was a text."""

    uid: str | None
    code: str


@dataclass(frozen=True)
class Appended:
    """What became of a batch.

    `accepted` are the rows that were stored now and count: the caller books each by `progress.apply` in
    the same transaction. The others are uids: held before, stored in quarantine; and what was refused.
    """

    accepted: list[Event] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def held(self) -> list[str]:
        """Every uid that needs not be sent again."""
        return [*(row.uid for row in self.accepted), *self.known, *self.quarantined]

    @property
    def new(self) -> frozenset[str]:
        """The uids that were not here before."""
        return frozenset([*(row.uid for row in self.accepted), *self.quarantined])


def append(
    session: Session, events: Sequence[Any], *, source: str, hub: bool = False, orgs: Collection[str] | None = None
) -> Appended:
    """Store each event once; `source` is the machine it happened at.

    An event is {uid, kind, version, org, actor, ...} as docs/formats/events.md says. With `hub` its
    actor is checked against the roster, and nothing with a uid is refused. `orgs` are the organisations
    the sender speaks for, where that is known.
    """
    done = Appended()
    progress.stand_in_line(session)
    for found in events:
        try:
            row = parse(found, source=source)
        except EduHubError as error:
            salvaged = _salvage(found, source) if hub else None
            if salvaged is None:
                uid = found.get("uid") if isinstance(found, dict) else None
                done.refused.append(Refused(uid if isinstance(uid, str) else None, error.code))
                continue
            row = salvaged
        if orgs is not None and row.org_uid not in orgs:
            row.quarantined = "foreign_organisation"
        _append_one(session, row, done, hub=hub)
    return done


def parse(found: Any, *, source: str) -> Event:
    """The row of one event; raises BadFormat when it is none."""
    if not isinstance(found, dict):
        raise BadFormat("an event is an object")
    body = _storable(found)
    event = Event(
        uid=_uid(found, "uid"), kind=_word(found, "kind"), version=_number(found, "version", 1, 1_000_000),
        org_uid=_uid(found, "org"), actor_uid=_uid_or_none(found, "actor"), subject_uids=_subjects(found),
        context=_word(found, "context"), lesson_uid=_uid_or_none(found, "lesson"),
        timeline_uid=_uid_or_none(found, "timeline"), part=_part(found),
        from_ms=_number_or_none(found, "from_ms", progress.LONGEST_MS),
        to_ms=_number_or_none(found, "to_ms", progress.LONGEST_MS),
        watched_ms=_number_or_none(found, "watched_ms", 10 * progress.LONGEST_MS),
        stalls=_number_or_none(found, "stalls", 1_000_000), source=source,
        made_ms=_number(found, "made_ms", 0, 2**53 - 1), body=body, quarantined=None,
    )  # fmt: skip
    if event.actor_uid is None and event.context not in _OF_NOBODY:
        raise BadFormat("an event of a person has an actor")
    if event.kind == "watched" and None in (event.lesson_uid, event.timeline_uid, event.from_ms, event.to_ms):
        raise BadFormat("watched says which lesson, on which time axis, from when to when")
    return event


def reconsider(session: Session, person_uids: Sequence[str]) -> int:
    """Release events whose actor or enrolment arrived after them; returns how many count from now on."""
    progress.stand_in_line(session)
    waiting = session.scalars(
        select(Event)
        .where(Event.actor_uid.in_(person_uids), Event.quarantined.in_(["unknown_actor", "never_enrolled"]))
        .order_by(Event.uid)
    ).all()
    released = 0
    for event in waiting:
        event.quarantined = _reason(session, event, hub=True)
        if event.quarantined is None:
            session.flush()
            progress.apply(session, event)
            released += 1
    session.flush()
    return released


# --- storing ------------------------------------------------------------------------


def _append_one(session: Session, row: Event, done: Appended, *, hub: bool) -> None:
    if row.actor_uid is not None and session.get(Tombstone, (Person.__tablename__, row.actor_uid)) is not None:
        done.known.append(row.uid)  # erased: nothing of this person is stored again, and nobody sends it again
        return
    if row.quarantined is None:
        row.quarantined = _reason(session, row, hub=hub)
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    values = {column.key: getattr(row, column.key) for column in Event.__table__.columns}
    stored = session.execute(
        insert(Event).values(**values).on_conflict_do_nothing(index_elements=["uid"]).returning(Event.uid)
    ).scalar_one_or_none()
    if stored is None:
        done.known.append(row.uid)
    elif row.quarantined is not None:
        done.quarantined.append(row.uid)
    else:
        done.accepted.append(row)


def _reason(session: Session, event: Event, *, hub: bool) -> str | None:
    """Why an event counts for nothing, or None."""
    if event.from_ms is not None and event.to_ms is not None:
        span_ms = event.to_ms - event.from_ms
        if span_ms < 0 or (event.watched_ms or 0) > _SLOWEST * span_ms + _SLACK_MS:
            return "impossible_times"
        longest_ms = _length_ms(session, event)
        if longest_ms is not None and event.to_ms > longest_ms + _SLACK_MS:
            return "beyond_the_end"
    if not hub or event.actor_uid is None:
        return None
    person = session.get(Person, event.actor_uid)
    if person is None:
        return "unknown_actor"
    if person.org_uid != event.org_uid and not _was_ever_at(session, event.actor_uid, event.org_uid):
        return "never_enrolled"
    return None


def _length_ms(session: Session, event: Event) -> int | None:
    """How long the lesson is on the event's time axis; None when no package of it was ever here."""
    written = session.scalars(
        select(PackageRow.manifest).where(
            PackageRow.lesson_uid == event.lesson_uid, PackageRow.timeline_uid == event.timeline_uid
        )
    )
    return max((_duration_ms(manifest) for manifest in written), default=None)


@functools.lru_cache(maxsize=256)
def _duration_ms(manifest: bytes) -> int:
    return Manifest.from_bytes(manifest).duration_ms


def _was_ever_at(session: Session, person_uid: str, org_uid: str) -> bool:
    enrolled = select(Enrolment.uid).where(Enrolment.person_uid == person_uid, Enrolment.org_uid == org_uid)
    granted = select(RoleGrant.uid).where(
        RoleGrant.person_uid == person_uid, or_(RoleGrant.org_uid == org_uid, RoleGrant.scope_uid == org_uid)
    )
    return any(session.execute(found.limit(1)).first() is not None for found in (enrolled, granted))


def _salvage(found: Any, source: str) -> Event | None:
    """What the hub can still keep of an event that it cannot read: a later release may."""
    try:
        if not isinstance(found, dict):
            return None
        return Event(
            uid=_uid(found, "uid"), kind="unreadable", version=1, org_uid=_uid(found, "org"), actor_uid=None,
            subject_uids=[], context="system", source=source, made_ms=clock.now_ms(), body=_storable(found),
            quarantined="unreadable",
        )  # fmt: skip
    except EduHubError:
        return None


# --- reading one field --------------------------------------------------------------


def _storable(found: dict[str, Any]) -> dict[str, Any]:
    """The event as it arrived, if both engines can hold it."""
    try:
        written = json.dumps(found, ensure_ascii=False, allow_nan=False)
        size = len(written.encode("utf-8"))
    except (ValueError, RecursionError) as error:  # not-a-number, half a surrogate pair, depth
        raise BadFormat("an event cannot be stored") from error
    if size > MAX_EVENT_BYTES or "\\u0000" in written:
        raise BadFormat(f"an event has at most {MAX_EVENT_BYTES} bytes and no zero character")
    return found


def _uid(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    try:
        return parse_uid(value if isinstance(value, str) else "")
    except BadInput as error:
        raise BadFormat(f"{name} is a uid") from error


def _uid_or_none(found: dict[str, Any], name: str) -> str | None:
    return None if found.get(name) is None else _uid(found, name)


def _word(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise BadFormat(f"{name} is a short word")
    return value


def _number(found: dict[str, Any], name: str, low: int, high: int) -> int:
    value = found.get(name)
    if type(value) is not int or not low <= value <= high:
        raise BadFormat(f"{name} is a whole number from {low} to {high}")
    return value


def _number_or_none(found: dict[str, Any], name: str, high: int) -> int | None:
    return None if found.get(name) is None else _number(found, name, 0, high)


def _part(found: dict[str, Any]) -> str | None:
    value = found.get("part")
    if value is not None and (not isinstance(value, str) or len(value) > 64):
        raise BadFormat("part is the name of a part")
    return value


def _subjects(found: dict[str, Any]) -> list[str]:
    value = found.get("subjects") or []
    if not isinstance(value, list) or len(value) > MAX_SUBJECTS:
        raise BadFormat(f"subjects is a list of at most {MAX_SUBJECTS}")
    return sorted({_uid({"subjects": uid}, "subjects") for uid in value})
