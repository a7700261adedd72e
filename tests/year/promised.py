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


@dataclass
class Promised:
    """Everything that was told, but for what may be lost: what only a machine held that is no more."""

    events: dict[str, str] = field(default_factory=dict)  # and whose they are
    changes: set[Named] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)  # at the box already
    excused: int = 0

    def take(self, fact: dict[str, Any]) -> None:
        """A machine has told this after its commit."""
        self.events.update(fact.get("events", {}))
        self.quarantined.update(fact.get("quarantined", ()))
        self.changes.update((one[0], one[1], one[2], one[3], one[4]) for one in fact.get("changes", ()))
        if "erased" in fact:
            self.erased.add(fact["erased"])

    @property
    def of_the_erased(self) -> set[str]:
        """Events that went with their child."""
        return {uid for uid, actor in self.events.items() if actor in self.erased}

    def excuse(self, gone: "Held", elsewhere: "Held") -> None:
        """A machine's present files are lost: what it held and no other does is not asked for any more."""
        before = len(self.events) + len(self.changes)
        for uid in gone.events - elsewhere.events:
            self.events.pop(uid, None)
        self.changes -= gone.changes - elsewhere.changes
        self.erased -= gone.tombstones - elsewhere.tombstones
        self.excused += before - len(self.events) - len(self.changes)


@dataclass
class Held:
    """What machines hold in such a way that it finds its way home."""

    events: set[str] = field(default_factory=set)
    changes: set[Named] = field(default_factory=set)
    tombstones: set[str] = field(default_factory=set)

    def add(self, other: "Held") -> None:
        self.events |= other.events
        self.changes |= other.changes
        self.tombstones |= other.tombstones


def held(machine: Machine) -> Held:
    """Of one machine: a hub has events in its table, a box those of its outbox."""
    with machine.here.database.read() as session:
        found = Held(changes=_changes(session))
        found.tombstones = set(session.scalars(select(Tombstone.row_uid).where(Tombstone.table_name == "person")))
        if machine.role == "hub":
            found.events = set(session.scalars(select(Event.uid)))
            return found
        for kind, body in session.execute(select(OutboxRow.kind, OutboxRow.body)):
            if kind == "event":
                found.events.add(body["uid"])
            else:
                found.changes.update((one[0], one[1], one[2], one[3], one[4]) for one in body["changes"])
    return found


def _changes(session: Session) -> set[Named]:
    asked = select(Change.table_name, Change.row_uid, Change.field, Change.counter, Change.machine_uid)
    return {(row[0], row[1], row[2], row[3], row[4]) for row in session.execute(asked)}
