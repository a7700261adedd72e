"""Events: what happened to lessons and learners, appended once under an id made where it happened.

The same `append` serves a page's batch at a box or hub and, at the hub, what a box brought home.
Kinds, versions, contexts and fields that this release does not know are stored, relayed and book
nothing. What cannot be true is stored too, but *quarantined*: it counts for nothing and says why.

Refused is only what is no event at all; and the hub refuses nothing that has a uid, because a box
deletes what the hub acknowledged.

This module must not know HTTP, tokens or how events travel. See docs/formats/events.md.
"""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts.models import Person, RoleGrant
from eduhub.courses.models import Lesson
from eduhub.db import portions
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import EduHubError
from eduhub.learning import parsing, progress
from eduhub.learning.models import Event, LearnerPlace
from eduhub.schools.models import Enrolment

# Watching at a quarter of the speed takes four times as long; nothing takes longer, nor reaches beyond the end.
_SLOWEST, _SLACK_MS = 4, 5_000
_TABLE: Any = Event.__table__
Axis = tuple[str | None, str | None]  # a lesson, and one of its time axes


@dataclass(frozen=True)
class Refused:
    """Something that is no event. `uid` is what it called itself, if that was a text."""

    uid: str | None
    code: str
    at: int = field(default=0, compare=False)  # which of the batch it was


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


@dataclass(frozen=True)
class Judged:
    """A batch that was read: what can be stored, each with the reason for which it counts for nothing, and what is no event."""

    rows: list[Event]
    refused: list[Refused]


def append(
    session: Session, events: Sequence[Any], *, source: str, hub: bool = False, orgs: Collection[str] | None = None
) -> Appended:
    """Store each event once; `source` is the machine it happened at. See `judge` for the rest."""
    return store(session, judge(session, events, source=source, hub=hub, orgs=orgs))


def judge(
    session: Session, events: Sequence[Any], *, source: str = "", hub: bool = False, orgs: Collection[str] | None = None,
    of_pages: bool = False,
) -> Judged:  # fmt: skip
    """Read a batch. It writes nothing: whoever can does it in a transaction of its own, while nobody waits for the writer.

    An event is {uid, kind, version, org, actor, ...} as docs/formats/events.md says. With `hub` its
    actor is checked against the roster, and nothing with a uid is refused. `orgs` are the organisations
    the sender speaks for, where that is known. `source` is the machine it happened at, "" for this one. `of_pages`:
    pages of this machine send it, which can have shown no lesson that never was here.
    """
    found = Judged([], [])
    for at, one in enumerate(events):
        try:
            row = parsing.parse(one, source=source)
        except EduHubError as error:
            salvaged = parsing.salvage(one, source) if hub else None
            if salvaged is None:
                uid = one.get("uid") if isinstance(one, dict) else None
                found.refused.append(Refused(uid if isinstance(uid, str) else None, error.code, at))
                continue
            row = salvaged
        if orgs is not None and row.org_uid not in orgs:
            row.quarantined = "foreign_organisation"
        found.rows.append(row)
    asked = _Asked.of(session, found.rows, hub=hub)
    for row in found.rows:
        if row.quarantined is None:
            row.quarantined = _reason(session, row, asked, hub=hub)
        if row.quarantined is None and of_pages and row.lesson_uid is not None and not _was_here(session, row, asked):
            row.quarantined = "unknown_lesson"
    return found


def store(session: Session, found: Judged) -> Appended:
    """Store what `judge` has found, in one statement.

    Of somebody erased nothing is stored again, and nobody sends it again; nor are they named by what others report late.
    """
    here = progress.stand_in_line(session)
    people = {uid for row in found.rows for uid in (row.actor_uid, *row.subject_uids) if uid is not None}
    erased = changes.erased(session, Person.__tablename__, people)
    living = [row for row in found.rows if row.actor_uid not in erased]
    for row in living:
        row.source = row.source or here
        for uid in erased.intersection(row.subject_uids):
            row.take_out(uid)
    done = Appended(known=[row.uid for row in found.rows if row.actor_uid in erased], refused=found.refused)
    new = _insert(session, living)
    for row in living:
        if row.uid not in new:
            done.known.append(row.uid)
            continue
        new.remove(row.uid)  # a second one of the batch with the same uid is known by now
        if row.quarantined is None:
            done.accepted.append(row)
        else:
            done.quarantined.append(row.uid)
    return done


def reconsider(session: Session, person_uids: Sequence[str]) -> int:
    """Release events whose actor or enrolment arrived after them; returns how many count from now on."""
    progress.stand_in_line(session)
    waiting = session.scalars(
        select(Event)
        .where(Event.actor_uid.in_(person_uids), Event.quarantined.in_(["unknown_actor", "never_enrolled"]))
        .order_by(Event.uid)
    ).all()
    if not waiting:
        return 0
    asked, released = _Asked.of(session, waiting, hub=True), []
    for event in waiting:
        asked.places.clear()  # whose a place is may be said by the event before
        event.quarantined = _reason(session, event, asked, hub=True)
        if event.quarantined is None:
            session.flush()
            released.append(event)
    session.flush()
    progress.apply_all(session, released)
    return len(released)


# --- storing ------------------------------------------------------------------------


def _insert(session: Session, rows: Sequence[Event]) -> set[str]:
    """The uids of those that were not here before."""
    if not rows:
        return set()
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    adding = insert(_TABLE).on_conflict_do_nothing(index_elements=["uid"]).returning(_TABLE.c.uid)
    values = [{column.key: getattr(row, column.key) for column in _TABLE.columns} for row in rows]
    return set(session.connection().execute(adding, values).scalars())


@dataclass
class _Asked:
    """What was asked for the events of one batch: of a school's day most are by the same children, in the same lessons."""

    homes: dict[str, str]  # the organisation of each actor who has a row
    lengths: dict[Axis, int | None] = field(default_factory=dict)
    lessons: dict[Axis, bool] = field(default_factory=dict)
    were_there: dict[tuple[str, str], bool] = field(default_factory=dict)
    places: dict[tuple[str | None, str, str], str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session, events: Sequence[Event], *, hub: bool) -> "_Asked":
        """Of their actors, where those are judged."""
        actors = {event.actor_uid for event in events if hub and event.actor_uid is not None}
        return cls({
            row[0]: row[1]
            for some in portions(actors) for row in session.execute(select(Person.uid, Person.org_uid).where(Person.uid.in_(some)))
        })  # fmt: skip


def _reason(session: Session, event: Event, asked: _Asked, *, hub: bool) -> str | None:
    """Why an event counts for nothing, or None."""
    if event.from_ms is not None and event.to_ms is not None:
        span_ms = event.to_ms - event.from_ms
        if span_ms < 0 or (event.watched_ms or 0) > _SLOWEST * span_ms + _SLACK_MS:
            return "impossible_times"
        axis = (event.lesson_uid, event.timeline_uid)
        if axis not in asked.lengths:
            asked.lengths[axis] = _length_ms(session, event)
        longest_ms = asked.lengths[axis]
        if longest_ms is not None and event.to_ms > longest_ms + _SLACK_MS:
            return "beyond_the_end"
    if not hub or event.actor_uid is None:
        return None
    home = asked.homes.get(event.actor_uid)
    if home is None:
        return _why_no_place(session, event, asked) if event.context == "station" else "unknown_actor"
    if home == event.org_uid:
        return None
    visit = (event.actor_uid, event.org_uid)
    if visit not in asked.were_there:
        asked.were_there[visit] = _was_ever_at(session, *visit)
    return None if asked.were_there[visit] else "never_enrolled"


def _was_here(session: Session, event: Event, asked: _Asked) -> bool:
    """Whether this machine has, or had, the event's lesson with its time axis. Else one child could invent so many that
    their progress fills the disk.
    """
    axis = (event.lesson_uid, event.timeline_uid)
    if axis not in asked.lessons:
        packages = select(PackageRow.id).where(PackageRow.lesson_uid == event.lesson_uid)
        lessons = select(Lesson.uid).where(Lesson.uid == event.lesson_uid)
        if event.timeline_uid is not None:
            packages = packages.where(PackageRow.timeline_uid == event.timeline_uid)
            lessons = lessons.where(Lesson.timeline_uid == event.timeline_uid)
        asked.lessons[axis] = any(session.execute(found.limit(1)).first() is not None for found in (packages, lessons))
    return asked.lessons[axis]


def _why_no_place(session: Session, event: Event, asked: _Asked) -> str | None:
    """The place of somebody who learns without signing in has no row that travels. It is of the organisation that was the
    first to say something of it, and one that was made here is of this machine.
    """
    key = (event.actor_uid, event.org_uid, event.source)
    if key not in asked.places:
        asked.places[key] = _whose_place(session, event)
    return asked.places[key]


def _whose_place(session: Session, event: Event) -> str | None:
    elsewhere = select(Event.uid).where(
        Event.actor_uid == event.actor_uid, Event.org_uid != event.org_uid, Event.quarantined.is_(None)
    )
    if session.execute(elsewhere.limit(1)).first() is not None:
        return "foreign_place"
    made_here = session.get(LearnerPlace, event.actor_uid) is not None
    return "foreign_place" if made_here and event.source != changes.machine_uid(session) else None


def _length_ms(session: Session, event: Event) -> int | None:
    """How long the lesson is on the event's time axis; None when no package of it was ever here."""
    written = session.scalars(
        select(PackageRow.manifest).where(
            PackageRow.lesson_uid == event.lesson_uid, PackageRow.timeline_uid == event.timeline_uid
        )
    )
    return max((duration_ms(manifest) for manifest in written), default=None)


@functools.lru_cache(maxsize=256)
def duration_ms(manifest: bytes) -> int:
    """How long the lesson of a package is."""
    return Manifest.from_bytes(manifest).duration_ms


def _was_ever_at(session: Session, person_uid: str, org_uid: str) -> bool:
    enrolled = select(Enrolment.uid).where(Enrolment.person_uid == person_uid, Enrolment.org_uid == org_uid)
    granted = select(RoleGrant.uid).where(
        RoleGrant.person_uid == person_uid, or_(RoleGrant.org_uid == org_uid, RoleGrant.scope_uid == org_uid)
    )
    return any(session.execute(found.limit(1)).first() is not None for found in (enrolled, granted))
