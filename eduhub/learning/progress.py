"""Progress: how far each learner is in each lesson, computed from events as they are appended.

Spans, seen and watched time come out the same in whatever order events arrive; the position is
that of the event that arrived last, because no clock can say which came last. Every change of a row
takes the next `change_seq`, and commits come in the order of `change_seq`: sync reads from there.

This module must not know how events arrive or travel. See docs/formats/events.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts.models import Person, RoleGrant
from eduhub.db import portions
from eduhub.errors import BadFormat, BadInput
from eduhub.learning import tallies
from eduhub.learning.models import Event, Progress, ProgressEnd
from eduhub.schools import calendars
from eduhub.schools.models import Enrolment
from eduhub.uids import parse_uid

# More holes than this nobody makes by learning; the smallest are closed, so that a row stays small.
MAX_SPANS = 1000
MAX_DAYS = 400  # on which one learner watched one lesson
# Only they may name other people as those who watched: a child could else credit a friend.
_MAY_NAME_OTHERS = ("teacher", "assistant", "school_admin", "region_operator", "operator")

Span = tuple[int, int]
Key = tuple[str, str, str]  # person, lesson, time axis


def merge_spans(*lists: Iterable[Sequence[int]]) -> list[Span]:
    """The union of spans [from, to) in ms, sorted, touching ones joined, empty ones left out."""
    merged: list[Span] = []
    for start, end in sorted((int(span[0]), int(span[1])) for spans in lists for span in spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def length_ms(spans: Iterable[Sequence[int]]) -> int:
    """What merged spans add up to."""
    return sum(span[1] - span[0] for span in spans)


def apply(session: Session, event: Event) -> list[Progress]:
    """Book one stored event, once, to everyone it credits; returns their rows. Other kinds than `watched` book nothing.

    Once only: call it for what `events.append` accepted, in the same transaction, whose place in the
    line (`stand_in_line`) `append` has taken.
    """
    return apply_all(session, [event])


def apply_all(session: Session, events: Iterable[Event]) -> list[Progress]:
    """The same for a batch, in its order: each row is read and written once, and takes one `change_seq`."""
    booked = _credits(session, [(event, place) for event in events if (place := _place(event)) is not None])
    if not booked:
        return []
    tallies.add(session, [(event, person_uids) for event, _where, person_uids in booked])
    next_seq, held = _next_seq(session), _held(session, booked)
    zones = {org_uid: calendars.zone_of(session, org_uid) for org_uid in {event.org_uid for event, _where, _who in booked}}
    rows: dict[Key, Progress] = {}
    for event, place, person_uids in booked:
        for person_uid in person_uids:
            key = (person_uid, place.lesson_uid, place.timeline_uid)
            row = rows.get(key) or held.get(key) or _new(key, event.org_uid, event.uid, place.span[1])
            rows[key] = row
            _book(row, event, place.span, zones[event.org_uid])
    for change_seq, row in enumerate(rows.values(), start=next_seq):
        row.change_seq = change_seq
    session.add_all(rows.values())
    session.flush()
    return list(rows.values())


def credited(session: Session, event: Event) -> list[str]:
    """Whom an event counts for: its subjects if the actor may name others, else the actor."""
    if not event.subject_uids or event.subject_uids == [event.actor_uid]:
        return [event.actor_uid] if event.actor_uid is not None else []
    if event.actor_uid is None or not _may_name_others(session, event.actor_uid):
        return [event.actor_uid] if event.actor_uid in event.subject_uids else []
    # A teacher names the children of the school where it happened, also those who have left it since.
    were_there = select(Enrolment.person_uid).where(Enrolment.org_uid == event.org_uid)
    known = session.scalars(
        select(Person.uid).where(
            Person.uid.in_(event.subject_uids), or_(Person.org_uid == event.org_uid, Person.uid.in_(were_there))
        )
    )
    return sorted(known)


def of(session: Session, person_uid: str, lesson_uid: str, timeline_uid: str) -> Progress | None:
    """One learner's progress on one time axis, or None."""
    return session.get(Progress, (person_uid, lesson_uid, timeline_uid))


def of_lesson(session: Session, person_uid: str, lesson_uid: str) -> list[Progress]:
    """One learner's progress in a lesson on every time axis it ever had."""
    return list(
        session.scalars(
            select(Progress)
            .where(Progress.person_uid == person_uid, Progress.lesson_uid == lesson_uid)
            .order_by(Progress.timeline_uid)
        )
    )


def take(session: Session, found: Any, *, is_settled: bool = False) -> Progress:
    """Take in progress that travelled down: spans are united, nothing is ever lowered. Raises BadFormat.

    `found` is {person, lesson, timeline, org, spans, watched_ms, position_ms, last_event}. The position
    is adopted when the event it comes from, or the one that the present position comes from, did not happen here, or when all that happened
    here is in it (`is_settled`): only between two events of this machine its own order counts.
    """
    key, values = _read(found)
    stand_in_line(session)
    row = session.get(Progress, key)
    if row is None:
        row = _new(key, values["org"], values["last_event"], values["position_ms"])
        session.add(row)
    elif values["last_event"] != row.last_event_uid and (is_settled or not _happened_here(session, values["last_event"], row.last_event_uid)):
        row.position_ms, row.last_event_uid = values["position_ms"], values["last_event"]
    _set_spans(row, merge_spans(row.spans, values["spans"]))
    row.watched_ms = max(row.watched_ms, values["watched_ms"])
    row.change_seq = _next_seq(session)
    session.flush()
    return row


def remove(session: Session, person_uid: str, lesson_uid: str | None = None) -> None:
    """Forget how far somebody is, in one lesson or (None) in all. The numbers of what goes are not given out again."""
    stand_in_line(session)
    latest = latest_seq(session)
    end = session.get(ProgressEnd, 1)
    if end is None:
        session.add(ProgressEnd(id=1, change_seq=latest))
    else:
        end.change_seq = latest
    in_lesson = () if lesson_uid is None else (Progress.lesson_uid == lesson_uid,)
    session.execute(delete(Progress).where(Progress.person_uid == person_uid, *in_lesson))
    session.flush()


def latest_seq(session: Session) -> int:
    """The highest `change_seq` that was given out here; 0 when none was."""
    session.flush()
    present = session.scalar(select(func.max(Progress.change_seq))) or 0
    removed = session.scalar(select(ProgressEnd.change_seq)) or 0
    return max(present, removed)


def stand_in_line(session: Session) -> str:
    """Let writers of events and progress commit one after the other, so that no `change_seq` comes late.

    The line is this machine's row in `machine`, in which writers of changes and of the outbox stand
    too: two different locks, taken in two orders, would block each other. Returns this machine's name.
    """
    return changes.hold_machine(session)


# --- inside -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """What an event says was watched."""

    lesson_uid: str
    timeline_uid: str
    span: Span


_Booked = tuple[Event, _Place, list[str]]


def _place(event: Event) -> _Place | None:
    if event.kind != "watched" or event.quarantined is not None:
        return None
    if event.lesson_uid is None or event.timeline_uid is None or event.from_ms is None or event.to_ms is None:
        return None
    return _Place(event.lesson_uid, event.timeline_uid, (event.from_ms, event.to_ms))


def _credits(session: Session, found: Sequence[tuple[Event, _Place]]) -> list[_Booked]:
    """Whom each event counts for. A class that watches together reports the same names every ten seconds: they are asked for once."""
    known: dict[tuple[str | None, tuple[str, ...], str], list[str]] = {}
    booked = []
    for event, place in found:
        key = (event.actor_uid, tuple(event.subject_uids), event.org_uid)
        if key not in known:
            known[key] = credited(session, event)
        booked.append((event, place, known[key]))
    return booked


def _held(session: Session, booked: Sequence[_Booked]) -> dict[Key, Progress]:
    """The rows that are there of all these people, with one question for each time axis."""
    people: dict[tuple[str, str], set[str]] = {}
    for _event, place, person_uids in booked:
        people.setdefault((place.lesson_uid, place.timeline_uid), set()).update(person_uids)
    return {
        (row.person_uid, row.lesson_uid, row.timeline_uid): row
        for (lesson_uid, timeline_uid), watching in people.items()
        for some in portions(watching)
        for row in session.scalars(select(Progress).where(
            Progress.person_uid.in_(some), Progress.lesson_uid == lesson_uid, Progress.timeline_uid == timeline_uid
        ))
    }  # fmt: skip


def _book(row: Progress, event: Event, span: Span, zone: str) -> None:
    _set_spans(row, merge_spans(row.spans, [span]))
    row.watched_ms += event.watched_ms if event.watched_ms is not None else span[1] - span[0]
    row.position_ms, row.last_event_uid = span[1], event.uid
    day = clock.day_of(event.made_ms, zone)
    if day not in (row.days or []) and len(row.days or []) < MAX_DAYS:
        row.days = sorted([*(row.days or []), day])


def _happened_here(session: Session, *event_uids: str) -> bool:
    """Whether all of these did."""
    return all(session.get(Event, uid) is not None for uid in event_uids)


def _new(key: Key, org_uid: str, last_event: str, position_ms: int) -> Progress:
    person_uid, lesson_uid, timeline_uid = key
    return Progress(
        person_uid=person_uid, lesson_uid=lesson_uid, timeline_uid=timeline_uid, org_uid=org_uid, spans=[],
        seen_ms=0, watched_ms=0, position_ms=position_ms, last_event_uid=last_event, days=None, change_seq=0,
    )  # fmt: skip


def _set_spans(row: Progress, spans: list[Span]) -> None:
    while len(spans) > MAX_SPANS:
        gaps = [later[0] - earlier[1] for earlier, later in pairwise(spans)]
        at = gaps.index(min(gaps))
        spans[at : at + 2] = [(spans[at][0], spans[at + 1][1])]
    row.spans = [list(span) for span in spans]  # a new list: SQLAlchemy sees no change inside one
    row.seen_ms = length_ms(spans)


def _next_seq(session: Session) -> int:
    return latest_seq(session) + 1


def _may_name_others(session: Session, person_uid: str) -> bool:
    # At any time: an event may arrive months after it happened, and its own clock proves nothing.
    grants = select(RoleGrant.uid).where(RoleGrant.person_uid == person_uid, RoleGrant.role.in_(_MAY_NAME_OTHERS))
    return session.execute(grants.limit(1)).first() is not None


def _read(found: Any) -> tuple[tuple[str, str, str], dict[str, Any]]:
    try:
        person, lesson, timeline = (parse_uid(found[name]) for name in ("person", "lesson", "timeline"))
        values = {"org": parse_uid(found["org"]), "last_event": parse_uid(found["last_event"])}
        numbers = {name: found[name] for name in ("watched_ms", "position_ms")}
        spans = [(span[0], span[1]) for span in found["spans"]]
    except (KeyError, IndexError, TypeError, BadInput) as error:
        raise BadFormat("not a progress row") from error
    whole = [*numbers.values(), *(edge for span in spans for edge in span)]
    if not all(type(number) is int and 0 <= number < 2**53 for number in whole):
        raise BadFormat("progress is counted in whole milliseconds")
    return (person, lesson, timeline), values | numbers | {"spans": spans}
