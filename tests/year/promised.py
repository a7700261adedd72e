"""What the machines have told people and each other, in plain Python: it must be there when the year is over."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.changes import Change, Tombstone
from eduhub.learning.models import Event
from eduhub.sync.models import OutboxRow
from tests.year.machine import Machine

Named = tuple[str, str, str, int, str]  # table, row, field, counter, machine
Spans = dict[tuple[Any, ...], list[tuple[int, int]]]


@dataclass(frozen=True)
class Report:
    """What a player was told to be kept: who watched what, from where to where."""

    actor: str
    lesson: str
    timeline: str
    from_ms: int
    to_ms: int

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Report":
        """Out of an event."""
        return cls(*(body.get(name) for name in ("actor", "lesson", "timeline", "from_ms", "to_ms")))  # type: ignore[arg-type]

    @property
    def axis(self) -> tuple[Any, ...]:
        """What has to be the same for one report to be a piece of another."""
        return self.actor, self.lesson, self.timeline


@dataclass
class Promised:
    """Everything that was told, but for what may be lost: what only a machine held that is no more."""

    events: dict[str, Report] = field(default_factory=dict)
    changes: set[Named] = field(default_factory=set)
    children: dict[tuple[str, str], str] = field(default_factory=dict)  # whose some rows are
    erased: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)  # at the box already
    dead_cards: set[str] = field(default_factory=set)  # those that a stolen box may have known
    of_the_stolen: set[str] = field(default_factory=set)  # boxes that stand in the place of one
    excused: int = 0

    def take(self, fact: dict[str, Any]) -> None:
        """A machine has told this after its commit."""
        self.events.update({uid: Report.of(body) for uid, body in fact.get("events", {}).items()})
        self.quarantined.update(fact.get("quarantined", ()))
        self.changes.update((one[0], one[1], one[2], one[3], one[4]) for one in fact.get("changes", ()))
        self.children.update({(one[0], one[1]): one[2] for one in fact.get("children", ())})
        if "erased" in fact:
            self.erased.add(fact["erased"])

    @property
    def of_the_erased(self) -> set[str]:
        """Events that went with their child."""
        return {uid for uid, report in self.events.items() if report.actor in self.erased}

    def is_of_the_erased(self, row: tuple[str, str]) -> bool:
        """Whether a row went with its child, or was refused because the child had been erased meanwhile."""
        return self.children.get(row) in self.erased

    def missing(self, carriers: "Held") -> set[str]:
        """Events that are neither in there nor a piece of a longer one that is."""
        return {
            uid for uid, report in self.events.items()
            if uid not in carriers.events
            and not any(low <= report.from_ms and report.to_ms <= high for low, high in carriers.spans.get(report.axis, ()))
        }  # fmt: skip

    def excuse(self, gone: "Held", elsewhere: "Held") -> None:
        """A machine's present files are lost: what it held and no other does is not asked for any more."""
        before = len(self.events) + len(self.changes)
        for uid in self.missing(elsewhere) - self.missing(gone):
            self.events.pop(uid, None)
        self.changes -= gone.changes - elsewhere.changes
        self.erased -= gone.tombstones - elsewhere.tombstones
        self.excused += before - len(self.events) - len(self.changes)


@dataclass
class Held:
    """What machines hold in such a way that it finds its way home."""

    events: set[str] = field(default_factory=set)
    spans: Spans = field(default_factory=dict)
    changes: set[Named] = field(default_factory=set)
    tombstones: set[str] = field(default_factory=set)

    def put(self, uid: str, body: dict[str, Any]) -> None:
        """An event."""
        self.events.add(uid)
        report = Report.of(body)
        if body.get("kind") == "watched":
            self.spans.setdefault(report.axis, []).append((report.from_ms, report.to_ms))

    def add(self, other: "Held") -> None:
        self.events |= other.events
        for axis, found in other.spans.items():
            self.spans.setdefault(axis, []).extend(found)
        self.changes |= other.changes
        self.tombstones |= other.tombstones


def held(machine: Machine) -> Held:
    """Of one machine: a hub has events in its table, a box those of its outbox."""
    with machine.here.database.read() as session:
        found = Held(changes=_changes(session))
        found.tombstones = set(session.scalars(select(Tombstone.row_uid).where(Tombstone.table_name == "person")))
        if machine.role == "hub":
            for uid, body in session.execute(select(Event.uid, Event.body)):
                found.put(uid, body)
            return found
        for kind, body in session.execute(select(OutboxRow.kind, OutboxRow.body)):
            if kind == "event":
                found.put(body["uid"], body)
            else:
                found.changes.update((one[0], one[1], one[2], one[3], one[4]) for one in body["changes"])
    return found


def _changes(session: Session) -> set[Named]:
    asked = select(Change.table_name, Change.row_uid, Change.field, Change.counter, Change.machine_uid)
    return {(row[0], row[1], row[2], row[3], row[4]) for row in session.execute(asked)}
