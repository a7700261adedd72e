"""Progress does not depend on the order of events, never shrinks when it travels, and is numbered for the stream."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from eduhub.db import Database
from eduhub.errors import BadFormat
from eduhub.learning import events, parsing, progress
from eduhub.learning.models import Event, Progress
from eduhub.uids import new_uid

SCHOOL, LESSON, TIMELINE, BOX = new_uid(), new_uid(), new_uid(), new_uid()
SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))), max_size=12
)


def watched(actor: str, span: tuple[int, int], lesson: str = LESSON) -> dict:
    return {
        "uid": new_uid(), "kind": "watched", "version": 1, "org": SCHOOL, "actor": actor, "lesson": lesson,
        "timeline": TIMELINE, "from_ms": span[0], "to_ms": span[1], "watched_ms": span[1] - span[0],
        "context": "own_device", "made_ms": 0,
    }  # fmt: skip


def record(database: Database, *found: dict) -> None:
    with database.write() as session:
        for row in events.append(session, found, source=BOX).accepted:
            progress.apply(session, row)


def row_of(database: Database, person_uid: str) -> dict:
    with database.read() as session:
        row = progress.of(session, person_uid, LESSON, TIMELINE)
        assert row is not None
        return {column.key: getattr(row, column.key) for column in Progress.__table__.columns}


@given(SPANS, st.randoms(use_true_random=False))
def test_merged_spans_hold_exactly_the_seconds_of_their_union(spans, random):
    merged = progress.merge_spans(spans)
    assert {second for start, end in merged for second in range(start, end)} == {
        second for start, end in spans for second in range(start, end)
    }
    assert all(start < end for start, end in merged)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(merged))
    shuffled = [*spans, *random.sample(spans, len(spans) // 2)]
    random.shuffle(shuffled)
    assert progress.merge_spans(shuffled) == merged
    cut = len(shuffled) // 2
    assert progress.merge_spans(progress.merge_spans(shuffled[:cut]), progress.merge_spans(shuffled[cut:])) == merged


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=SPANS, random=st.randoms(use_true_random=False))
def test_order_and_duplicates_of_events_do_not_change_what_was_seen(database, spans, random):
    here, there = new_uid(), new_uid()
    for person, repeat in ((here, 1), (there, 3)):
        found = [watched(person, span) for span in spans] * repeat
        random.shuffle(found)
        cut = random.randint(0, len(found))
        record(database, *found[:cut])
        record(database, *found[cut:])
    if spans:
        one, other = row_of(database, here), row_of(database, there)
        assert (one["spans"], one["seen_ms"], one["watched_ms"]) == (other["spans"], other["seen_ms"], other["watched_ms"])
        assert one["watched_ms"] == sum(end - start for start, end in spans)


def test_the_position_is_where_the_last_event_that_arrived_ended(database):
    dolma = new_uid()
    record(database, watched(dolma, (50_000, 60_000)), watched(dolma, (0, 7_000)))
    assert row_of(database, dolma)["position_ms"] == 7_000


def test_every_change_of_progress_takes_the_next_number(database):
    dolma, lhamo = new_uid(), new_uid()
    numbers = []
    for person in (dolma, lhamo, dolma):
        record(database, watched(person, (0, 1_000)))
        numbers.append(row_of(database, person)["change_seq"])
    assert numbers == sorted(set(numbers))
    with database.read() as session:
        changed = session.scalars(select(Progress.person_uid).where(Progress.change_seq > numbers[1])).all()
    assert changed == [dolma]


def test_a_row_full_of_holes_stays_small_and_loses_nothing(database):
    dolma = new_uid()
    record(database, *(watched(dolma, (i * 100, i * 100 + 50)) for i in range(progress.MAX_SPANS + 20)))
    row = row_of(database, dolma)
    assert len(row["spans"]) == progress.MAX_SPANS
    assert row["seen_ms"] >= (progress.MAX_SPANS + 20) * 50


def travelling(person: str, spans: list, **values) -> dict:
    return {
        "person": person, "lesson": LESSON, "timeline": TIMELINE, "org": SCHOOL, "spans": spans,
        "seen_ms": progress.length_ms(spans), "watched_ms": 40_000, "position_ms": 40_000, "last_event": new_uid(),
    } | values  # fmt: skip


def test_a_replaced_box_gets_the_history_from_the_hub(database):
    dolma = new_uid()
    with database.write() as session:
        progress.take(session, travelling(dolma, [[0, 40_000]]))
    row = row_of(database, dolma)
    assert (row["spans"], row["seen_ms"], row["watched_ms"], row["position_ms"]) == ([[0, 40_000]], 40_000, 40_000, 40_000)


def test_what_travels_down_never_lowers_what_was_watched_here(database):
    dolma = new_uid()
    record(database, watched(dolma, (30_000, 90_000)))
    with database.write() as session:
        progress.take(session, travelling(dolma, [[0, 40_000]]))
    row = row_of(database, dolma)
    assert (row["spans"], row["seen_ms"], row["watched_ms"]) == ([[0, 90_000]], 90_000, 60_000)
    assert row["position_ms"] == 40_000, "the hub knows an event that happened elsewhere"


def test_the_position_of_an_event_that_happened_here_does_not_come_back_from_the_hub(database):
    dolma = new_uid()
    older, newer = watched(dolma, (0, 10_000)), watched(dolma, (10_000, 25_000))
    record(database, older, newer)
    with database.write() as session:
        progress.take(session, travelling(dolma, [[0, 10_000]], position_ms=10_000, last_event=older["uid"]))
    assert row_of(database, dolma)["position_ms"] == 25_000


def test_against_a_position_from_elsewhere_an_event_of_this_box_that_the_hub_counted_later_holds(database):
    dolma, elsewhere = new_uid(), new_uid()
    own = watched(dolma, (0, 10_000))
    record(database, own)
    for uid, position_ms in ((elsewhere, 40_000), (own["uid"], 10_000)):  # so the hub counted them: the copy of this box brought its own event
        with database.write() as session:
            progress.take(session, travelling(dolma, [[0, 40_000]], position_ms=position_ms, last_event=uid))
    assert row_of(database, dolma)["position_ms"] == 10_000


@pytest.mark.parametrize("change", [{"person": "x"}, {"spans": [[0]]}, {"spans": [[0, -1]]}, {"watched_ms": 1.5}, {"org": None}])
def test_progress_that_cannot_be_read_is_refused(database, change):
    with pytest.raises(BadFormat), database.write() as session:
        progress.take(session, travelling(new_uid(), [[0, 1]]) | change)


def test_the_vectors_of_the_format_document_hold():
    folder = Path(__file__).parents[2] / "docs" / "formats" / "vectors"
    for vector in json.loads((folder / "events.json").read_text(encoding="utf-8"))["spans"]:
        assert progress.merge_spans(vector["watched"]) == [tuple(span) for span in vector["merged"]]


def test_an_event_row_in_quarantine_books_nothing(database):
    with database.write() as session:
        row = parsing.parse(watched(new_uid(), (0, 1_000)), source=BOX)
        row.quarantined = "impossible_times"
        assert progress.apply(session, row) == []
        assert isinstance(row, Event)


def test_the_place_that_travels_down_holds_once_everything_that_happened_here_is_in_it(database: Database):
    child = new_uid()
    first, second = watched(child, (0, 10)), watched(child, (20, 30))
    record(database, first, second)
    held = row_of(database, child)
    told = {
        "person": child, "lesson": LESSON, "timeline": TIMELINE, "org": SCHOOL, "spans": held["spans"],
        "watched_ms": held["watched_ms"], "position_ms": 10, "last_event": first["uid"],
    }  # fmt: skip
    with database.write() as session:
        progress.take(session, told)
    assert row_of(database, child)["position_ms"] == 30  # the second may be on its way
    with database.write() as session:
        progress.take(session, told, is_settled=True)
    assert row_of(database, child)["position_ms"] == 10
