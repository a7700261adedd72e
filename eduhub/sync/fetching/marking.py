"""Node: which parts of the packages here are wanted by the school's rules, written into their rows.

Asked for every package when its manifest comes, and for all of them when the rules have changed: then only.
This module must not know the order in which parts come.
"""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest
from eduhub.signing import canonical, sha256_hex
from eduhub.sync.allowance.policies import Choice, Rules
from eduhub.sync.fetching.wanted import is_wanted
from eduhub.sync.models import Chosen, Dropped


def mark(session: Session, package_id: str, manifest: Manifest, choice: Choice) -> None:
    """Say of each part of a package whether it is wanted. What was let go of for lack of room is not (`evicting`)."""
    wanted = {part.sha256 for part in manifest.parts if is_wanted(part, choice)}
    wanted |= {part.pieces for part in manifest.parts if part.pieces and part.sha256 in wanted}
    wanted -= set(session.scalars(select(Dropped.sha256).where(Dropped.package_id == package_id)))
    for part in session.scalars(select(PartRow).where(PartRow.package_id == package_id)):
        part.wanted = part.sha256 in wanted
    session.flush()


def is_due(session: Session, rules: Rules) -> bool:
    """Whether the rules are others than those by which the packages here were marked."""
    known = session.get(Chosen, 1)
    return known is None or known.rules != _digest(rules)


def mark_all(session: Session, rules: Rules, courses: Mapping[str, str]) -> None:
    """Mark every package here of these, by the rules of its course, and note that it is done."""
    for package_id, course_uid in courses.items():
        row = session.get(PackageRow, package_id)
        if row is not None and not row.withdrawn and row.superseded_by is None:
            mark(session, package_id, Manifest.from_bytes(row.manifest), rules.of(course_uid))
            session.expunge(row)  # its manifest is long, and there are many
    session.merge(Chosen(id=1, rules=_digest(rules)))
    session.flush()


def _digest(rules: Rules) -> str:
    """Of what says which parts are wanted, and of nothing else."""
    said = {"": rules.choice, **rules.courses}
    return sha256_hex(canonical({
        name: [choice.max_height, sorted(choice.codecs), sorted(choice.languages)] for name, choice in said.items()
    }))  # fmt: skip
