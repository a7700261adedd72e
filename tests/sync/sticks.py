"""Sticks for the tests: folders that are carried between a hub and its boxes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from eduhub import changes
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.learning import events
from eduhub.learning.models import Event
from eduhub.sync.courier import trips
from eduhub.sync.homeward import outbox
from tests.sync.world import Hub, School, watched


def fill(hub: Hub, stick: Path, *boxes: str, on_progress: Callable[[float], None] = lambda _share: None) -> Any:
    """Fill a stick at the hub, for boxes by name."""
    return trips.export(hub.here, stick, nodes=boxes, on_progress=on_progress)


def bring(machine: Installation, stick: Path) -> Any:
    """Plug the stick in, at a box or at the hub."""
    return trips.take_in(machine, stick, on_progress=lambda _share: None)


def copy_of(stick: Path, name: str) -> Path:
    """Another stick with the same on it."""
    other = stick.with_name(name)
    shutil.copytree(stick, other)
    return other


def watch(box: Installation, school: School, count: int = 1) -> list[str]:
    """Let children of the school watch something at its box; returns the events' uids."""
    made = [watched(school.org, school.children[number % len(school.children)]) for number in range(count)]
    with changes.writing(box.database) as session:
        events.append(session, made, source=changes.machine_uid(session))
        outbox.add_events(session, box.steady, made)
    return [event["uid"] for event in made]


def events_at(machine: Installation) -> set[str]:
    """What this machine knows to have been watched."""
    with machine.database.read() as session:
        return set(session.scalars(select(Event.uid).where(Event.kind == "watched", Event.quarantined.is_(None))))


def waiting(box: Installation) -> int:
    """Rows that the hub has not said to hold."""
    with box.database.read() as session:
        return outbox.waiting(session)


def lessons_shown(box: Installation) -> set[str]:
    """Packages whose lesson can be watched at the box."""
    with box.database.read() as session:
        return set(session.scalars(select(PackageRow.id).where(PackageRow.floor_held, ~PackageRow.withdrawn)))


def parts_held(box: Installation) -> set[tuple[str, str]]:
    """(package, blob) that the box can show."""
    with box.database.read() as session:
        return {(row.package_id, row.sha256) for row in session.scalars(select(PartRow).where(PartRow.held))}


def blobs_on(stick: Path) -> set[str]:
    """Names of the blobs on a stick."""
    return {path.name for path in (stick / "eduhub-courier" / "blobs").rglob("*") if path.is_file()}
