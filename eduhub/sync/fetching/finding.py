"""Node: what this box wants at the beginning of a fetching, by its school's classes, plan, rules and wishes.

This module must not know how anything is fetched.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from eduhub.installation import Installation
from eduhub.sync.allowance import policies, wishes
from eduhub.sync.allowance.policies import Choice, Rules
from eduhub.sync.boxes import joining
from eduhub.sync.fetching import marking, wanted
from eduhub.sync.fetching.wanted import When


@dataclass(frozen=True)
class Found:
    """What is wanted, by package, in the order of `wanted.lessons`."""

    rules: Rules
    lessons: dict[str, str]
    courses: dict[str, str]
    whens: dict[str, When]
    choices: dict[str, Choice]


def find(session: Session, org_uid: str, today: str | None) -> Found:
    """What a school's box wants on an ISO day (None: unknown)."""
    node = joining.own_node(session)
    rules = policies.of_site(session, node.site_uid if node is not None else None)
    rows = wanted.lessons(session, org_uid, today, rules, wishes.alive(session))
    return Found(
        rules, {row.package_id: row.lesson_uid for row in rows}, {row.package_id: row.course_uid for row in rows},
        {row.package_id: row.when for row in rows}, {row.package_id: rules.of(row.course_uid) for row in rows},
    )  # fmt: skip


def settle(installation: Installation, found: Found) -> None:
    """Where the school's rules are others than the last time, say anew which parts are wanted; forget wishes that came true."""
    with installation.database.read() as session:
        is_due, wished = marking.is_due(session, found.rules), set(wishes.alive(session))
        names = [name for name, uid in found.lessons.items() if uid in wished]
        whole = {found.lessons[name] for name in wanted.complete(session, names)}
    if is_due or wished:
        with installation.database.write() as session:
            if is_due:
                marking.mark_all(session, found.rules, found.courses)
            wishes.forget(session, installation.steady, whole)
