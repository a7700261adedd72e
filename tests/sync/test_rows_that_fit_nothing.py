"""Whatever stands in a row of a box, the hub puts it aside, goes on with the next, and its own boxes with their lives."""

from typing import Any

from sqlalchemy import select

from eduhub.installation import Installation
from eduhub.sync.homeward import inbox, rights
from eduhub.sync.models import Node
from eduhub.uids import new_uid
from tests.sync.world import Hub, School, watched


def nested(depth: int) -> Any:
    found: Any = 0
    for _level in range(depth):
        found = [found]
    return found


ODD: list[Any] = [
    None, True, -1, 0, 2**53, 2**63, -(2**70), 1.5, float("inf"), "", "x" * 100_000, "a\0b", "\ud800", [], {}, [1],
    {"a": 1}, [None], ["x"], ["\0"], {"\ud800": 1}, nested(400),
]  # fmt: skip


def take(hub: Hub, kind: str, bodies: list[Any], incarnation: str) -> int:
    """Post them all as rows of the one box; returns how many were applied."""
    rows = [{"sequence": at, "kind": kind, "version": 1, "body": body} for at, body in enumerate(bodies, start=1)]
    with hub.here.database.write() as session:
        node = session.scalars(select(Node)).one()
        received = inbox.receive(session, node, {"incarnation": incarnation, "oldest": 1, "rows": rows})
    assert received.contiguous == len(rows)
    return received.applied


def joined(hub: Hub, box: Installation) -> School:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    return school


def test_events_with_anything_in_any_field_stop_nothing(hub: Hub, box: Installation) -> None:
    school = joined(hub, box)
    fields = [*watched(school.org, school.children[0]), "of a later release"]
    bodies: list[Any] = [
        watched(school.org, school.children[0]) | {field: odd} for field in fields for odd in ODD
    ]
    applied = take(hub, "event", [*bodies, *ODD, watched(school.org, school.children[0])], new_uid())
    assert 0 < applied < len(bodies)
    hub.sync(box)


def test_changes_with_anything_in_any_place_stop_nothing(hub: Hub, box: Installation) -> None:
    school = joined(hub, box)
    incarnation = new_uid()
    bodies: list[Any] = []
    for table, (fields, _rule) in rights._RULES.items():
        row_uid = school.org if table in ("school_calendar", "children_sign_in") else None
        bodies += [
            {"changes": [[table, row_uid or new_uid(), field, 5, incarnation, school.org, odd, 1, None]]}
            for field in sorted(fields)
            for odd in ODD
        ]
    for place in range(9):
        for odd in ODD:
            change = ["person", new_uid(), "name", 5, incarnation, school.org, "Dolma", 1, None]
            change[place] = odd
            bodies.append({"changes": [change]})
    take(hub, "change", [*bodies, *ODD, *({"changes": odd} for odd in ODD)], incarnation)
    hub.sync(box)
