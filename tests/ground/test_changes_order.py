"""The order in which changes arrive, and how often, decides nothing."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from eduhub import changes
from eduhub.accounts.models import RoleGrant
from eduhub.changes import Change, FieldChange, FieldVersion, Machine
from eduhub.changes.values import as_text
from eduhub.db import Database
from eduhub.uids import make_uid

ORG = make_uid(1, 1)
MACHINES = [make_uid(3, number) for number in range(2)]
ROWS = [make_uid(2, number) for number in range(2)]
VALUES: dict[str, Any] = {
    "org_uid": st.just(ORG),
    "person_uid": st.sampled_from(["p1", "p2"]),
    "role": st.sampled_from(["teacher", "assistant"]),
    "scope_kind": st.just("course"),
    "scope_uid": st.sampled_from(["c1", None]),
    "starts_on": st.just("2026-09-01"),
    "ended_on": st.sampled_from(["2026-12-01", "2026-12-24", None]),
    "of_a_later_release": st.sampled_from([[1, "x"], {"a": None}, "text", True, 1]),
}


@st.composite
def one_change(draw: st.DrawFn, table_name: str = "role_grant") -> FieldChange:
    field = draw(st.sampled_from(sorted(VALUES)))
    return FieldChange(
        table_name, draw(st.sampled_from(ROWS)), field, draw(st.integers(1, 4)), draw(st.sampled_from(MACHINES)),
        ORG, draw(VALUES[field]), 1_700_000_000_000, None,
    )  # fmt: skip


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[FieldChange], list[list[FieldChange]], list[list[FieldChange]]]:
    """Some changes, and two ways to deliver them: in other orders, in portions, some twice."""
    whole = draw(st.lists(st.one_of(one_change(), one_change("a_table_of_a_later_release")), max_size=40))
    ways = []
    for _way in range(2):
        again = draw(st.lists(st.sampled_from(whole), max_size=10)) if whole else []
        order = draw(st.permutations(whole + again))
        cut = draw(st.integers(0, len(order)))
        ways.append([order[:cut], order[cut:]])
    return whole, ways[0], ways[1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delivered=deliveries())
def test_two_ways_to_deliver_the_same_changes_end_equal(
    second_database: Callable[[], Database], delivered: tuple[list[FieldChange], Any, Any]
) -> None:
    whole, *ways = delivered
    ends = [_end_of(_empty(second_database, number), way) for number, way in enumerate(ways)]
    assert ends[0] == ends[1]
    rows, winners = ends[0]
    expected = _winners_of(whole)
    assert winners == expected
    for row in rows:
        for field in VALUES.keys() - {"of_a_later_release"}:
            assert row[field] == expected.get(("role_grant", row["uid"], field)), field


def _winners_of(whole: list[FieldChange]) -> dict[tuple[str, str, str], Any]:
    """The rule, spelled a second time: a set sticky field first, then counter, machine and the value's text."""
    best: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    for change in whole:
        key = (change.table_name, change.row_uid, change.field)
        sticks = change.field == "ended_on" and change.value is not None
        text = as_text(change.value)
        place = (sticks, change.counter, change.machine_uid, text)
        if key not in best or place > best[key][0]:
            best[key] = (place, change.value)
    return {key: value for key, (_place, value) in best.items()}


def _end_of(database: Database, portions: list[list[FieldChange]]) -> tuple[list[Any], dict[Any, Any]]:
    for portion in portions:
        with database.write() as session:
            changes.merge(session, portion)
    with database.read() as session:
        rows = [dict(row) for row in session.execute(select(RoleGrant.__table__).order_by(RoleGrant.uid)).mappings()]
        found = session.execute(
            select(FieldVersion.table_name, FieldVersion.row_uid, FieldVersion.field, Change.value).join(
                Change, Change.seq == FieldVersion.change_seq
            )
        )
        return rows, {(row[0], row[1], row[2]): row[3] for row in found}


_opened: dict[tuple[int, int], Database] = {}


def _empty(second_database: Callable[[], Database], number: int) -> Database:
    place = (id(second_database), number)
    if place not in _opened:
        _opened[place] = second_database()
    with _opened[place].engine.begin() as connection:
        for model in (Machine, Change, FieldVersion, RoleGrant):
            connection.execute(delete(model.__table__))
    return _opened[place]
