"""What a child watches without a pause goes home as one event, and counts as its reports would."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from eduhub import changes
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.learning import events, progress
from eduhub.learning.models import Event, Progress, WatchTally
from eduhub.sync.homeward import outbox, stretches
from eduhub.sync.models import OutboxRow
from eduhub.uids import new_uid
from tests.sync.world import Hub, School, watched

LESSON, AXIS = new_uid(), new_uid()


def reports(school: School, child: str, *spans: tuple[int, int], made_ms: int = 1_000_000) -> list[dict[str, Any]]:
    """What the player says of each of these spans, one after the other."""
    return [
        watched(school.org, child, lesson=LESSON, from_ms=from_ms, to_ms=to_ms)
        | {"timeline": AXIS, "made_ms": made_ms + 10_000 * number}
        for number, (from_ms, to_ms) in enumerate(spans)
    ]  # fmt: skip


def take(box: Installation, *batches: list[dict[str, Any]]) -> None:
    """As the box's pages take batches."""
    for batch in batches:
        with box.database.write() as session:
            done = events.append(session, batch, source=changes.machine_uid(session))
            progress.apply_all(session, done.accepted)
            counting = {row.uid for row in done.accepted}
            outbox.add_events(session, box.steady, [one for one in batch if one["uid"] in done.new], counting=counting)


def queued(box: Installation) -> list[tuple[int, int, int]]:
    with box.database.read() as session:
        bodies = session.scalars(select(OutboxRow.body).where(OutboxRow.kind == "event").order_by(OutboxRow.sequence)).all()
    return [(body["from_ms"], body["to_ms"], body["watched_ms"]) for body in bodies]


@pytest.fixture
def school(hub: Hub, box: Installation) -> School:
    found = hub.school("Shuanghu", children=2)
    hub.join(box, found)
    hub.sync(box)
    return found


def test_reports_that_follow_each_other_go_home_as_one(hub: Hub, box: Installation, school: School) -> None:
    one, other = school.children
    mine, theirs = reports(school, one, (0, 10_000), (10_000, 20_000), (20_000, 27_000)), reports(school, other, (0, 10_000), (10_000, 20_000))
    take(box, mine[:1], theirs[:1], mine[1:2], theirs[1:], mine[2:], mine[2:])  # the last is sent twice
    assert queued(box) == [(0, 27_000, 27_000), (0, 20_000, 20_000)]
    hub.sync(box)
    with hub.here.database.read() as at_hub, box.database.read() as session:
        assert len(at_hub.scalars(select(Event)).all()) == 2
        assert len(session.scalars(select(Event)).all()) == 5
        for model, name in ((Progress, "spans"), (Progress, "watched_ms"), (WatchTally, "played_ms")):
            assert sorted(map(str, at_hub.scalars(select(getattr(model, name))))) == sorted(
                map(str, session.scalars(select(getattr(model, name))))
            )
            assert at_hub.scalars(select(model)).all() != []


@pytest.mark.parametrize("before", [0, 1])
def test_a_batch_of_two_children_is_a_stretch_for_each(hub: Hub, box: Installation, school: School, before: int) -> None:
    one, other = school.children
    mine, theirs = reports(school, one, (0, 10_000), (10_000, 20_000), (20_000, 27_000)), reports(school, other, (0, 10_000), (10_000, 20_000))
    mixed = [mine[0], theirs[0], mine[1], theirs[1], mine[2]]
    take(box, mixed[:before], mixed[before:])
    assert queued(box) == [(0, 27_000, 27_000), (0, 20_000, 20_000)]


def test_what_was_shown_to_the_hub_grows_no_more_also_when_its_answer_was_lost(
    hub: Hub, box: Installation, school: School
) -> None:
    first, second = reports(school, school.children[0], (0, 10_000), (10_000, 20_000))
    take(box, [first])
    with changes.writing(box.database) as session:
        assert outbox.next_batch(session, changes.machine_uid(session)) is not None
    take(box, [second])
    assert queued(box) == [(0, 10_000, 10_000), (10_000, 20_000, 10_000)]


def test_what_was_begun_before_a_reboot_grows_no_more(
    hub: Hub, box: Installation, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copied disk is another boot: of one row there must not be two that grew differently."""
    first, second = reports(school, school.children[0], (0, 10_000), (10_000, 20_000))
    take(box, [first])
    monkeypatch.setattr(box.steady, "boot", lambda: "another")
    take(box, [second])
    assert len(queued(box)) == 2


def test_what_an_adult_reports_in_between_stays_in_between(hub: Hub, box: Installation, school: School) -> None:
    child = school.children[0]
    teacher = hub.adult(school.org, "Tashi", "teacher")
    first, second = reports(school, child, (0, 10_000), (10_000, 20_000))
    take(box, [first], [reports(school, teacher, (50_000, 60_000))[0] | {"subjects": [child]}], [second])
    assert [span[:2] for span in queued(box)] == [(0, 10_000), (50_000, 60_000), (10_000, 20_000)]


def test_what_counts_for_nothing_takes_nothing_with_it(hub: Hub, box: Installation, school: School) -> None:
    first, second = reports(school, school.children[0], (0, 10_000), (10_000, 20_000))
    take(box, [first], [second | {"watched_ms": 900_000}])
    assert len(queued(box)) == 2
    hub.sync(box)
    with hub.here.database.read() as session:
        assert session.scalars(select(Progress.watched_ms)).all() == [10_000]
        assert session.scalars(select(Lesson)).all() == []


CHANGES = [
    {"actor": new_uid()}, {"lesson": new_uid()}, {"timeline": new_uid()}, {"part": "b" * 64}, {"context": "shared_device"},
    {"from_ms": 10_001}, {"subjects": [new_uid()]}, {"version": 2}, {"kind": "opened"}, {"made_ms": 999}, {"made_ms": 9_000_000},
    {"watched_ms": None}, {"of_a_later_release": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_two_reports_that_differ_in_anything_else_stay_two(change: dict[str, Any]) -> None:
    first, second = reports(School(new_uid(), "", ""), new_uid(), (0, 10_000), (10_000, 20_000))
    assert stretches.joined(first, second) is not None
    assert stretches.joined(first, second | change) is None


@given(st.lists(st.integers(1, 20_000), min_size=2, max_size=8), st.integers(0, 5))
def test_a_stretch_is_as_long_as_its_reports(lengths: list[int], stalls: int) -> None:
    ends = [sum(lengths[:count]) for count in range(len(lengths) + 1)]
    found = reports(School(new_uid(), "", ""), new_uid(), *pairwise(ends))
    whole = found[0] | {"stalls": stalls}
    for one in found[1:]:
        longer = stretches.joined(whole, one | {"stalls": 1})
        assert longer is not None
        whole = longer
    assert (whole["from_ms"], whole["to_ms"], whole["watched_ms"]) == (0, ends[-1], ends[-1])
    assert (whole["stalls"], whole["uid"]) == (stalls + len(found) - 1, found[0]["uid"])
