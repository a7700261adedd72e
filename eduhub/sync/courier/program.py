"""The program itself on a stick: what a box says that it has of it, and what the hub therefore puts on, after every lesson.

A box that says nothing of its program knows no releases, and gets none. This module must not know sticks.
See docs/formats/courier.md.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery import release
from eduhub.delivery.blobs import BlobStore
from eduhub.delivery.models import ReleaseRow
from eduhub.delivery.release import Release
from eduhub.errors import BadFormat
from eduhub.sync.models import Node
from eduhub.sync.releases import holding, machine, offering

MOST_HELD = 5
_TARGET = re.compile(r"[a-z0-9_-]{1,60}")


@dataclass(frozen=True)
class Program:
    """`target`: the kind of the box's machine; `holds`: releases of which all that it needs lies there."""

    version: str
    target: str
    holds: tuple[str, ...]


def said(session: Session, store: BlobStore) -> dict[str, Any]:
    """Box: for its want-list."""
    target, whole = machine.target(), []
    for row in session.scalars(select(ReleaseRow).where(ReleaseRow.manifest.is_not(None)).order_by(ReleaseRow.sequence.desc())):
        manifest = holding.read(row)
        if manifest is not None and target in manifest.targets and not holding.missing(store, manifest, target):
            whole.append(row.id)
    return {"target": target, "holds": whole[:MOST_HELD]}


def heard(found: Any, version: str) -> Program | None:
    """Hub: the same as it came; None for what says nothing, or says it in a way that is not understood."""
    if not isinstance(found, dict) or not isinstance(found.get("target"), str) or not _TARGET.fullmatch(found["target"]):
        return None
    holds = found.get("holds")
    if not isinstance(holds, list) or len(holds) > MOST_HELD or not all(isinstance(name, str) for name in holds):
        return None
    return Program(version, found["target"], tuple(holds))


def lacking(session: Session, node: Node, program: Program | None) -> Iterator[tuple[str, str, int]]:
    """(release, blob, bytes) that a stick should bring for the program that a box is offered; the manifest first.

    `program`: None for a box of which no want-list is known: it gets what any machine needs.
    """
    found = offering.for_box(session, node)
    row = session.get(ReleaseRow, found.release_id) if found is not None and not found.paused else None
    manifest = holding.read(row) if row is not None else None
    if row is None or row.manifest is None or manifest is None or (program is not None and not _is_of_use(program, row.id, manifest)):
        return
    wheels = manifest.wheels(program.target) if program is not None else manifest.files
    there = _held(session, program) if program is not None else set()
    yield row.id, row.id, len(row.manifest)
    for name, size in sorted(release.sizes(wheels).items(), key=lambda item: item[1]):
        if name not in there:
            yield row.id, name, size


def _is_of_use(program: Program, release_id: str, manifest: Release) -> bool:
    try:
        running = release.read_version(program.version)
    except BadFormat:
        return False
    is_next = release.read_version(manifest.needs_at_least) <= running < release.read_version(manifest.version)
    return is_next and program.target in manifest.targets and release_id not in program.holds


def _held(session: Session, program: Program) -> set[str]:
    """Blobs that lie at the box as those of another release."""
    held: set[str] = set()
    for release_id in program.holds:
        row = session.get(ReleaseRow, release_id)
        manifest = holding.read(row) if row is not None else None
        held |= set(release.sizes(manifest.wheels(program.target))) if manifest is not None else set()
    return held
