"""Hub: the rows of a batch in their order, each applied, or put aside with a reason.

Most of a batch is of one kind and of few children, so rows that come one after the other are judged and written together:
a few questions to the database for some hundred of them. It comes to the same as one by one. Where something among
them cannot be written, they are taken by halves until it is alone; it alone is put aside.

This module must not know how rows are numbered, nor what becomes of a reason.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from eduhub import changes, logs
from eduhub.changes import FieldChange
from eduhub.db import portions
from eduhub.errors import BadFormat, BadInput
from eduhub.learning import events, progress
from eduhub.schools.models import Enrolment
from eduhub.sync.homeward import arrivals, rights
from eduhub.sync.models import Node
from eduhub.sync.school_stream import placing
from eduhub.uids import parse_uid

log = logs.logger(__name__)

_AT_ONCE = 200  # rows that are taken together
_MOST_FIELDS = 200  # of one row
Reasons = list[str | None]  # of each row: None when it was applied, else why it was put aside


def take(session: Session, node: Node, incarnation: str, rows: Iterable[dict[str, Any]]) -> Reasons:
    """Apply rows of a box; of each, why it was put aside, or None."""
    taking, reasons = _Taking(session, node, incarnation), Reasons()
    for kind, found in groupby(rows, key=_kind):
        bodies: list[Any] = [row.get("body") for row in found]
        if kind == "event":
            for at in range(0, len(bodies), _AT_ONCE):
                reasons += taking.whole_or_by_halves(taking.events, bodies[at : at + _AT_ONCE])
        elif kind == "change":
            for run in _runs(bodies):
                reasons += taking.whole_or_by_halves(taking.changes, run)
        else:
            reasons += ["kind"] * len(bodies)
    return reasons


def reconsider_events(session: Session, touched: set[tuple[str, str]]) -> None:
    """Let events count whose learner or enrolment came home after them."""
    people = {uid for table, uid in touched if table == "person"}
    for some in portions(uid for table, uid in touched if table == "enrolment"):
        people |= set(session.scalars(select(Enrolment.person_uid).where(Enrolment.uid.in_(some))))
    if people:
        events.reconsider(session, sorted(people))


def _kind(row: dict[str, Any]) -> str | None:
    kind = row.get("kind")
    return kind if kind in ("event", "change") and isinstance(row.get("body"), dict) else None


# --- several rows at once -----------------------------------------------------------


@dataclass(frozen=True)
class _Taking:
    """Of one box. What cannot be written is raised, and nothing of the rows that were taken with it is kept."""

    session: Session
    node: Node
    incarnation: str

    def whole_or_by_halves(self, together: Callable[[list[Any]], Reasons], rows: list[Any]) -> Reasons:
        try:
            with self.session.begin_nested():
                return together(rows)
        except (BadFormat, BadInput, DataError) as error:
            if len(rows) == 1:
                log.info("a row of a box cannot be read", node=self.node.uid, problem=type(error).__name__)
                return ["format"]
        middle = len(rows) // 2
        return [*self.whole_or_by_halves(together, rows[:middle]), *self.whole_or_by_halves(together, rows[middle:])]

    def events(self, bodies: list[dict[str, Any]]) -> Reasons:
        """`events.append` judges them; that nobody in them is another school's child is judged here."""
        people = [_people(body) for body in bodies]
        strangers = rights.strangers(self.session, self.node, set[str]().union(*people))
        reasons: Reasons = ["person" if strangers & named else None for named in people]
        own = [at for at, reason in enumerate(reasons) if reason is None]
        appended = events.append(
            self.session, [bodies[at] for at in own], source=self.incarnation, hub=True, orgs={self.node.org_uid}
        )
        for refused in appended.refused:
            reasons[own[refused.at]] = "format"
        counted = progress.apply_all(self.session, appended.accepted)
        placing.note_held(
            self.session, self.node.org_uid, {(placing.PROGRESS, f"{row.person_uid}/{row.lesson_uid}") for row in counted}
        )
        for event in appended.accepted:
            arrivals.note(self.session, self.node, event)
        return reasons

    def changes(self, bodies: list[Any]) -> Reasons:
        """Of rows that can be judged before any of them is written."""
        found = [_read(body) for body in bodies]
        reasons = rights.judge(self.session, self.node, self.incarnation, found)
        judged = list(zip(found, reasons, strict=True))
        fine = [asked for asked, reason in judged if reason is None]
        erased = {asked[0].row for asked, reason in judged if reason == rights.ERASED}
        reconsider_events(self.session, changes.merge(self.session, [change for asked in fine for change in asked]))
        # Of somebody erased a box must hear that they are gone, also where it made something of theirs since.
        placing.note_held(self.session, self.node.org_uid, erased | {asked[0].row for asked in fine})
        return reasons


def _people(body: dict[str, Any]) -> set[str]:
    subjects = body.get("subjects")
    return set(filter(_is_uid, [body.get("actor"), *(subjects if isinstance(subjects, list) else [])]))


def _is_uid(value: Any) -> bool:
    try:
        return bool(parse_uid(value))
    except (BadInput, TypeError):
        return False


def _read(body: dict[str, Any]) -> list[FieldChange]:
    found = body.get("changes")
    if not isinstance(found, list) or len(found) > _MOST_FIELDS:
        raise BadFormat("a change row lists the changed fields of one row")
    return [FieldChange.from_json(value) for value in found]


def _runs(bodies: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The changes in their order, as many at once as can be judged before any of them is written."""
    run: list[dict[str, Any]] = []
    rows: set[tuple[str, str]] = set()
    for body in bodies:
        row = _judged_with_others(body)
        if run and (row is None or row in rows or len(run) == _AT_ONCE):
            yield run
            run, rows = [], set()
        run.append(body)
        if row is None:
            yield run
            run = []
        else:
            rows.add(row)
    if run:
        yield run


def _judged_with_others(body: dict[str, Any]) -> tuple[str, str] | None:
    """Which row it is, where it need not be alone."""
    try:
        asked = _read(body)
    except BadFormat:
        return None
    return asked[0].row if asked and not rights.is_judged_alone(asked) else None
