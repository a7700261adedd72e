"""Hub: the school streams. Latest state of every row a school may see, in the order it last moved.

A stream is brought up to date when somebody asks for it: rows that changed, appeared or left since
the last time get the next sequence numbers. One place per row, always its newest: a reader that
was away for a year reads each row once. See docs/formats/school-stream.md.

This module must not know HTTP or sealing, nor what a school may see (`scope`).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.changes import FieldVersion, Tombstone
from eduhub.learning.models import Progress
from eduhub.signing import canonical
from eduhub.sync import scope
from eduhub.sync.models import StreamRow, StreamState

FORMAT = "eduhub-stream/1"
MAX_ENTRIES, MAX_BYTES = 500, 256 * 1024
PROGRESS = "progress"  # the table name of progress entries: they are computed, not travelling, rows

# What each school's stream was last computed from, in this process: the day (a withdrawal dated tomorrow
# takes effect without anybody writing a row), the ends of the logs, and how many rows were erased.
_computed_from: dict[tuple[str, str], tuple[str, int, int, int]] = {}


@dataclass(frozen=True)
class Page:
    """One page of a stream: its canonical bytes, and the place after its last entry."""

    payload: bytes
    upto: int
    more: bool


def refresh(session: Session, org_uid: str, database_url: str) -> StreamState:
    """Give every row that moved since the last call its new place; cheap when nothing did."""
    today = clock.now().date().isoformat()
    state = session.get(StreamState, org_uid, with_for_update=True)
    if state is None:
        state = StreamState(org_uid=org_uid, sequence=0, change_seq=0, progress_seq=0)
        session.add(state)
    latest = changes.latest_seq(session)
    latest_progress = session.scalar(select(func.max(Progress.change_seq))) or 0
    erased = {(row[0], row[1]) for row in session.execute(select(Tombstone.table_name, Tombstone.row_uid))}
    now = (today, latest, latest_progress, len(erased))
    if state.change_seq == latest and _computed_from.get((database_url, org_uid)) == now:
        return state
    visible = scope.of_school(session, org_uid, today)
    places = {
        (row.table_name, row.row_uid): row
        for row in session.scalars(select(StreamRow).where(StreamRow.org_uid == org_uid))
    }
    _place_rows(session, state, visible.rows, places, erased)
    _place_progress(session, state, visible.learners, places)
    state.change_seq, state.progress_seq = latest, latest_progress
    session.flush()
    _computed_from[(database_url, org_uid)] = now
    return state


def _place_rows(
    session: Session, state: StreamState, visible: frozenset[scope.Key], places: dict[scope.Key, StreamRow],
    erased: set[scope.Key],
) -> None:  # fmt: skip
    # By the version of each row and not by the end of the log: erasing a row makes the log shorter.
    newest = {(row[0], row[1]): int(row[2]) for row in session.execute(
        select(FieldVersion.table_name, FieldVersion.row_uid, func.max(FieldVersion.change_seq))
        .group_by(FieldVersion.table_name, FieldVersion.row_uid)
    )}  # fmt: skip
    for key in sorted(visible, key=lambda key: (newest.get(key, 0), key)):
        place = places.get(key)
        if place is None or place.kind != "row" or place.change_seq != newest.get(key, 0):
            _move(session, state, places, key, "row", newest.get(key, 0))
    for key in sorted(places):
        place = places[key]
        if key[0] == PROGRESS or key in visible:
            continue
        kind = "tombstone" if key in erased else "removal"
        if place.kind not in {kind, "tombstone"}:
            _move(session, state, places, key, kind, 0)


def _place_progress(
    session: Session, state: StreamState, learners: frozenset[str], places: dict[scope.Key, StreamRow]
) -> None:
    """One place for each learner and lesson; it moves when that progress grew, or the learner came here."""
    known = {key[1]: places[key] for key in places if key[0] == PROGRESS and places[key].kind == PROGRESS}
    newest = func.max(Progress.change_seq)
    found = session.execute(
        select(Progress.person_uid, Progress.lesson_uid, newest)
        .where(Progress.person_uid.in_(learners))
        .group_by(Progress.person_uid, Progress.lesson_uid)
        .order_by(newest)
    )
    held = {f"{person_uid}/{lesson_uid}": int(change_seq) for person_uid, lesson_uid, change_seq in found}
    for row_uid, change_seq in held.items():
        if row_uid not in known or known[row_uid].change_seq != change_seq:
            _move(session, state, places, (PROGRESS, row_uid), PROGRESS, change_seq)
    for row_uid in sorted(known.keys() - held.keys()):
        _move(session, state, places, (PROGRESS, row_uid), "removal", 0)


def _move(
    session: Session, state: StreamState, places: dict[scope.Key, StreamRow], key: scope.Key, kind: str, change_seq: int
) -> None:
    state.sequence += 1
    place = places.get(key)
    if place is None:
        place = places[key] = StreamRow(
            org_uid=state.org_uid, table_name=key[0], row_uid=key[1],
            sequence=state.sequence, change_seq=change_seq, kind=kind,
        )  # fmt: skip
        session.add(place)
    else:
        place.sequence, place.kind, place.change_seq = state.sequence, kind, change_seq


def page(session: Session, org_uid: str, *, epoch: int, after: int) -> Page:
    """The entries after a place, as many as fit one page. Call `refresh` before."""
    rows = session.scalars(
        select(StreamRow)
        .where(StreamRow.org_uid == org_uid, StreamRow.sequence > after)
        .order_by(StreamRow.sequence)
        .limit(MAX_ENTRIES + 1)
    ).all()
    entries: list[dict[str, Any]] = []
    size = 0
    for row in rows[:MAX_ENTRIES]:
        entry = _entry(session, row)
        size += len(canonical(entry))
        if entries and size > MAX_BYTES:
            break
        entries.append(entry)
    upto = entries[-1]["sequence"] if entries else after
    more = len(entries) < len(rows)
    payload = canonical(
        {"format": FORMAT, "org": org_uid, "epoch": epoch, "after": after, "upto": upto, "more": more,
         "entries": entries}
    )  # fmt: skip
    return Page(payload, upto, more)


def _entry(session: Session, row: StreamRow) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "sequence": row.sequence, "kind": row.kind, "version": 1, "table": row.table_name, "uid": row.row_uid,
        "fields": [],
    }  # fmt: skip
    if row.kind == "row" or (row.kind == "removal" and _is_ended_here(session, row)):
        entry["fields"] = [change.as_json() for change in changes.versions(session, row.table_name, row.row_uid)]
    elif row.kind == PROGRESS:
        person_uid, lesson_uid = row.row_uid.split("/")
        found = session.scalars(
            select(Progress).where(Progress.person_uid == person_uid, Progress.lesson_uid == lesson_uid)
        )
        entry["fields"] = [progress_as_json(progress) for progress in found]
    return entry


def _is_ended_here(session: Session, row: StreamRow) -> bool:
    """Whether a removal says why: the school's own enrolment or role that ended. A restored hub needs the
    end back from the boxes, or the child would come back with the enrolment. Of rows that went to
    another school nothing more is told.
    """
    if row.table_name not in {"enrolment", "role_grant"}:
        return False
    held = {version.field: version.value for version in changes.versions(session, row.table_name, row.row_uid)}
    return held.get("org_uid") == row.org_uid and held.get("role") not in scope.OPERATOR_ROLES


def progress_as_json(progress: Progress) -> dict[str, Any]:
    """One learner's progress in one time axis of a lesson, as it travels down."""
    return {
        "person": progress.person_uid, "lesson": progress.lesson_uid, "timeline": progress.timeline_uid,
        "org": progress.org_uid, "spans": progress.spans, "seen_ms": progress.seen_ms,
        "watched_ms": progress.watched_ms, "position_ms": progress.position_ms, "last_event": progress.last_event_uid,
    }  # fmt: skip
