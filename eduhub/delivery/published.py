"""What the catalog here says of packages: an index that every entry taken in keeps up to date, so that nobody walks the catalog.

It can be made anew from the entries at any time (`rebuild`), and follows them when an epoch cuts the chain.

This module must not know which packages anybody wants.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from eduhub.delivery.chain import Entry
from eduhub.delivery.models import CatalogEntry, PublishedPackage
from eduhub.errors import BadFormat
from eduhub.signing import Signature, parse_canonical

_AT_ONCE = 400  # ids in one question
_PACKAGE, _LESSON = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True)
class Published:
    """What the catalog says of one package that it speaks of and has not taken back."""

    package_id: str
    sequence: int  # of its newest entry
    signature: Any  # of its manifest, as the entry has it: unverified


def note(session: Session, entry: Entry) -> None:
    """Take in what one entry says; entries come in the order of the chain. One that cannot be read says nothing."""
    package_id, lesson_uid = _names(entry)
    if package_id is None or lesson_uid is None:
        return
    if entry.kind in {"publish", "supersede"}:
        session.add(PublishedPackage(
            sequence=entry.sequence, package_id=package_id, lesson_uid=lesson_uid, signature=_signature(entry.body.get("signature")),
            taken_back_at=None,
        ))  # fmt: skip
        session.flush()
    elif entry.kind == "withdraw":
        session.execute(
            update(PublishedPackage)
            .where(PublishedPackage.lesson_uid == lesson_uid, PublishedPackage.taken_back_at.is_(None))
            .values(taken_back_at=entry.sequence)
        )


def cut(session: Session, kept: int) -> None:
    """The entries behind sequence `kept` are dropped: what they said counts no longer."""
    session.execute(delete(PublishedPackage).where(PublishedPackage.sequence > kept))
    session.execute(update(PublishedPackage).where(PublishedPackage.taken_back_at > kept).values(taken_back_at=None))


def of(session: Session, package_ids: Collection[str]) -> dict[str, Published]:
    """Those of some packages that the catalog here speaks of and has not taken back, by id."""
    found: dict[str, Published] = {}
    ids = sorted(package_ids)
    for at in range(0, len(ids), _AT_ONCE):
        rows = session.scalars(
            select(PublishedPackage)
            .where(PublishedPackage.package_id.in_(ids[at : at + _AT_ONCE]), PublishedPackage.taken_back_at.is_(None))
            .order_by(PublishedPackage.sequence)
        )
        found |= {row.package_id: Published(row.package_id, row.sequence, row.signature) for row in rows}
    return found


def rebuild(session: Session) -> None:
    """Make the index anew from all entries. Costs as much as the catalog is long."""
    session.execute(delete(PublishedPackage))
    bodies = select(CatalogEntry.body).order_by(CatalogEntry.sequence)
    for body in session.scalars(bodies.execution_options(yield_per=_AT_ONCE)):
        note(session, Entry.from_value(parse_canonical(body)))


def _names(entry: Entry) -> tuple[str | None, str | None]:
    """Package and lesson, if an entry names them as we would: a later release may write others."""
    if not isinstance(entry.body, dict):
        return None, None
    package_id, lesson_uid = entry.body.get("package"), entry.body.get("lesson")
    if isinstance(lesson_uid, str) and _LESSON.fullmatch(lesson_uid) and isinstance(package_id, str) and _PACKAGE.fullmatch(package_id):
        return package_id, lesson_uid
    return None, None


def _signature(found: Any) -> dict[str, Any] | None:
    """None for what is no signature: whoever needs it then refuses the package."""
    try:
        return Signature.from_json(found).as_json()
    except BadFormat:
        return None
