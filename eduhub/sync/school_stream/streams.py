"""Hub: the school streams. Latest state of every row a school may see, in the order it last moved.

A stream is brought up to date when somebody asks for it: rows that changed, appeared or left since
the last time get the next sequence numbers. What was written since is read from the logs (`moved` says what of the
school's sight it touches), and only that is asked again (`scope`) and placed (`placing`). One place per row, always its newest: a reader that
was away for a year reads each row once. See docs/formats/school-stream.md.

This module must not know HTTP or sealing, nor what a school may see (`scope`).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.learning import progress
from eduhub.learning.models import Progress
from eduhub.signing import canonical
from eduhub.sync.models import StreamRow, StreamState
from eduhub.sync.school_stream import scope
from eduhub.sync.school_stream.moved import Written, asked_again, hangs_on
from eduhub.sync.school_stream.placing import PROGRESS, Places, state_of
from eduhub.sync.school_stream.scope import Sight

FORMAT = "eduhub-stream/1"
MAX_ENTRIES, MAX_BYTES = 500, 256 * 1024
# So much of the log is read for one school. Who was away for longer is asked for as a whole.
MOST_CHANGES = 20_000

@dataclass(frozen=True)
class Page:
    """One page of a stream: its canonical bytes, and the place after its last entry."""

    payload: bytes
    upto: int
    more: bool


@dataclass(frozen=True)
class Ends:
    """Where the logs of this hub end, and its day: a stream that has come so far lacks nothing."""

    change_seq: int
    progress_seq: int
    erased_counter: int
    day: str

    def lacks(self, state: StreamState) -> bool:
        """Whether a stream may have to be brought on: it is older than these ends, or of another day."""
        if state.erased_counter is None or state.day != self.day:
            return True
        return (
            state.change_seq < self.change_seq or state.progress_seq < self.progress_seq
            or state.erased_counter < self.erased_counter
        )  # fmt: skip


def ends(session: Session) -> Ends:
    """Where they end now: three looks at the end of an index."""
    return Ends(
        changes.latest_seq(session), progress.latest_seq(session), changes.latest_erasure(session),
        clock.now().date().isoformat(),
    )  # fmt: skip


def refresh(session: Session, org_uid: str) -> StreamState:
    """Give every row that moved since the last call its new place. Costs what was written since, not what there is."""
    state = state_of(session, org_uid)
    now = ends(session)
    if not now.lacks(state):
        return state
    places = Places(session, state)
    if not _bring_on(session, places, state, now):
        make_whole(session, places, state.org_uid, now.day)
    # Erasing makes the log shorter, and no number is given out twice: where it ended once stays true.
    state.change_seq, state.progress_seq = max(state.change_seq, now.change_seq), now.progress_seq
    state.erased_counter, state.day = now.erased_counter, now.day
    session.flush()
    return state


def make_whole(session: Session, places: Places, org_uid: str, today: str) -> None:
    """Ask for everything a school sees. Costs as much as there is."""
    visible = scope.of_school(session, org_uid, today)
    places.put_rows({key for key in places.of_tables(None) if key[0] != PROGRESS}, visible.rows)
    places.put_progress(None, visible.learners)


def _bring_on(session: Session, places: Places, state: StreamState, now: Ends) -> bool:
    """Ask again for what was touched; False where all has to be asked for."""
    if state.day is None or state.erased_counter is None or now.change_seq - state.change_seq > MOST_CHANGES:
        return False
    written = Written(
        changes.fields_changed_after(session, state.change_seq), changes.erased_after(session, state.erased_counter)
    )
    sight = Sight(session, state.org_uid, now.day)
    asked = asked_again(session, sight, state.org_uid, written, (state.day, now.day))
    if asked.is_all:
        return False
    people = sight.people(asked.people)
    visible = sight.plain(asked.rows) | sight.courses(asked.rows) | people.rows
    candidates = {(table, uid) for table, uids in asked.rows.items() for uid in uids}
    hanging = places.of_tables(scope.OF_PEOPLE) if asked.people is None else hangs_on(session, asked.people)
    places.put_rows(candidates | hanging, visible)
    places.put_progress(asked.people, people.learners)
    if now.progress_seq > state.progress_seq and asked.people is not None:
        learned = places.who_learned_since(state.progress_seq) - asked.people
        places.put_grown_progress(sight.people(learned).learners, state.progress_seq)
    return True


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
        entry["fields"] = [progress_as_json(row) for row in found]
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


def progress_as_json(found: Progress) -> dict[str, Any]:
    """One learner's progress in one time axis of a lesson, as it travels down."""
    return {
        "person": found.person_uid, "lesson": found.lesson_uid, "timeline": found.timeline_uid,
        "org": found.org_uid, "spans": found.spans, "seen_ms": found.seen_ms,
        "watched_ms": found.watched_ms, "position_ms": found.position_ms, "last_event": found.last_event_uid,
    }  # fmt: skip
