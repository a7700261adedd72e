"""Hub: the places of rows in one school's stream, and how they move. One place a row, always its newest.

This module must not know why a row is seen, nor what an entry looks like.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.changes import FieldVersion
from eduhub.learning.models import Progress
from eduhub.sync.models import StreamRow, StreamState
from eduhub.sync.school_stream.scope import Key, portions

PROGRESS = "progress"  # the table name of progress entries: they are computed, not travelling, rows


def state_of(session: Session, org_uid: str) -> StreamState:
    """The end of a school's stream, held until the transaction ends."""
    state = session.get(StreamState, org_uid, with_for_update=True)
    if state is None:
        # Two boxes of one school, or a box and a stick, may be the first at the same moment.
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        begun = {"org_uid": org_uid, "sequence": 0, "change_seq": 0, "progress_seq": 0, "erased_counter": None, "day": None}
        session.execute(insert(StreamState).values(begun).on_conflict_do_nothing())
        state = session.get_one(StreamState, org_uid, with_for_update=True)
    return state


def note_held(session: Session, org_uid: str, rows: Iterable[Key]) -> None:
    """A box of this school holds these rows. Those that never had a place get one, from which they are gone until they are
    seen: otherwise a child who came and left before anybody called, say, would stay at the box for ever.
    """
    held = sorted(set(rows))
    of_school = select(StreamRow.table_name, StreamRow.row_uid).where(StreamRow.org_uid == org_uid)
    placed = {
        (row[0], row[1]) for table, uids in _by_table(held).items() for portion in portions(uids)
        for row in session.execute(of_school.where(StreamRow.table_name == table, StreamRow.row_uid.in_(portion or ())))
    }  # fmt: skip
    new = [key for key in held if key not in placed]
    if not new:
        return
    state = state_of(session, org_uid)
    session.add_all(
        StreamRow(org_uid=org_uid, table_name=table, row_uid=uid, sequence=state.sequence + number, change_seq=0, kind="removal")
        for number, (table, uid) in enumerate(new, start=1)
    )
    state.sequence += len(new)
    session.flush()


class Places:
    """Some of the places of one school's stream, in one transaction that holds its state."""

    def __init__(self, session: Session, state: StreamState) -> None:
        self._session, self._state = session, state
        self._known: dict[Key, StreamRow] = {}
        self._knows_all = False
        self._of_school = select(StreamRow).where(StreamRow.org_uid == state.org_uid)

    def of_tables(self, tables: Iterable[str] | None) -> set[Key]:
        """Every place of some tables (None: of all)."""
        among = () if tables is None else (StreamRow.table_name.in_(sorted(tables)),)
        found = self._remember(self._of_school.where(*among))
        self._knows_all = self._knows_all or tables is None
        return found

    def put_rows(self, candidates: Collection[Key], visible: Collection[Key]) -> None:
        """Bring the places of `candidates` to what is seen: those of them in `visible`, and no other."""
        self._look_up({*candidates, *visible})
        newest = self._newest(visible)
        for key in sorted(visible, key=lambda key: (newest.get(key, 0), key)):
            place = self._known.get(key)
            if place is None or place.kind != "row" or place.change_seq != newest.get(key, 0):
                self._move(key, "row", newest.get(key, 0))
        gone = sorted(key for key in candidates if key in self._known and key not in visible)
        erased = self._erased(gone)
        for key in gone:
            kind = "tombstone" if key in erased else "removal"
            if self._known[key].kind not in {kind, "tombstone"}:
                self._move(key, kind, 0)

    def put_progress(self, people: Collection[str] | None, learners: Collection[str]) -> None:
        """One place for each lesson of the `learners` among `people` (None: everybody), and none for the others."""
        before = self._progress_of(people)
        held: dict[str, int] = {}
        for portion in portions(learners):
            held |= self._progress(Progress.person_uid.in_(portion or ()))
        self._grow(held)
        for key in sorted(before):
            if key[1] not in held and self._known[key].kind == PROGRESS:
                self._move(key, "removal", 0)

    def put_grown_progress(self, learners: Collection[str], since: int) -> None:
        """Move the places of what these learners have learned since a `change_seq`."""
        for portion in portions(learners):
            held = self._progress(Progress.person_uid.in_(portion or ()), Progress.change_seq > since)
            self._look_up({(PROGRESS, row_uid) for row_uid in held})
            self._grow(held)

    def who_learned_since(self, since: int) -> set[str]:
        """People who are shown to the school and have learned something since a `change_seq`: one look for each of them."""
        asked = (
            select(StreamRow.row_uid)
            .join(Progress, (Progress.person_uid == StreamRow.row_uid) & (Progress.change_seq > since))
            .where(StreamRow.org_uid == self._state.org_uid, StreamRow.table_name == "person", StreamRow.kind == "row")
            .distinct()
        )
        self._session.flush()
        return set(self._session.scalars(asked))

    # --- inside ---------------------------------------------------------------------

    def _remember(self, asked: Any) -> set[Key]:
        found = {(row.table_name, row.row_uid): row for row in self._session.scalars(asked)}
        self._known |= found
        return set(found)

    def _look_up(self, keys: Iterable[Key]) -> None:
        unknown = () if self._knows_all else (key for key in keys if key not in self._known)
        for table, uids in _by_table(unknown).items():
            for portion in portions(uids):
                self._remember(self._of_school.where(StreamRow.table_name == table, StreamRow.row_uid.in_(portion or ())))

    def _newest(self, keys: Iterable[Key]) -> dict[Key, int]:
        """The newest version of each row, and not the end of the log: erasing a row makes the log shorter."""
        found: dict[Key, int] = {}
        for table, uids in _by_table(keys).items():
            for portion in portions(uids):
                asked = (
                    select(FieldVersion.row_uid, func.max(FieldVersion.change_seq))
                    .where(FieldVersion.table_name == table, FieldVersion.row_uid.in_(portion or ()))
                    .group_by(FieldVersion.row_uid)
                )
                found |= {(table, row[0]): int(row[1]) for row in self._session.execute(asked)}
        return found

    def _erased(self, keys: Iterable[Key]) -> set[Key]:
        return {
            (table, uid)
            for table, uids in _by_table(keys).items()
            for portion in portions(uids)
            for uid in changes.erased(self._session, table, portion or ())
        }

    def _progress_of(self, people: Collection[str] | None) -> set[Key]:
        if people is None:
            return self.of_tables({PROGRESS})
        found: set[Key] = set()
        for uid in people:
            of_person = StreamRow.row_uid > f"{uid}/", StreamRow.row_uid < f"{uid}0"  # '0' is the sign behind '/'
            found |= self._remember(self._of_school.where(StreamRow.table_name == PROGRESS, *of_person))
        return found

    def _progress(self, *where: Any) -> dict[str, int]:
        """The newest `change_seq` by person/lesson, oldest first."""
        newest = func.max(Progress.change_seq)
        asked = (
            select(Progress.person_uid, Progress.lesson_uid, newest)
            .where(*where).group_by(Progress.person_uid, Progress.lesson_uid).order_by(newest)
        )  # fmt: skip
        return {f"{row[0]}/{row[1]}": int(row[2]) for row in self._session.execute(asked)}

    def _grow(self, held: Mapping[str, int]) -> None:
        for row_uid, change_seq in held.items():
            place = self._known.get((PROGRESS, row_uid))
            if place is None or place.kind != PROGRESS or place.change_seq != change_seq:
                self._move((PROGRESS, row_uid), PROGRESS, change_seq)

    def _move(self, key: Key, kind: str, change_seq: int) -> None:
        state = self._state
        state.sequence += 1
        place = self._known.get(key)
        if place is None:
            place = self._known[key] = StreamRow(
                org_uid=state.org_uid, table_name=key[0], row_uid=key[1],
                sequence=state.sequence, change_seq=change_seq, kind=kind,
            )  # fmt: skip
            self._session.add(place)
        else:
            place.sequence, place.kind, place.change_seq = state.sequence, kind, change_seq


def _by_table(keys: Iterable[Key]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, uid in keys:
        found.setdefault(table, []).append(uid)
    return found
