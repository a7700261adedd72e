"""Batches that arrive together, with events in common: each counts once, and progress keeps its order."""

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from eduhub.db import Database
from eduhub.learning import events, progress
from eduhub.learning.models import Event, Progress
from eduhub.uids import new_uid

HANDS, EVENTS = 4, 12


def test_overlapping_batches_of_several_children_count_once_and_are_numbered_one_by_one(database: Database) -> None:
    school, lesson, timeline, children = new_uid(), new_uid(), new_uid(), [new_uid() for _ in range(3)]
    found = [
        {
            "uid": new_uid(), "kind": "watched", "version": 1, "org": school, "actor": children[number % 3],
            "lesson": lesson, "timeline": timeline, "from_ms": number * 1_000, "to_ms": number * 1_000 + 1_000,
            "context": "own_device", "made_ms": 0,
        }
        for number in range(EVENTS)
    ]  # fmt: skip
    gate = threading.Barrier(HANDS)

    def bring(hand: int) -> int:
        gate.wait(20)
        counted = 0
        mine = found if hand % 2 else found[::-1]
        for start in range(0, EVENTS, 4):
            with database.write() as session:
                done = events.append(session, mine[start : start + 4], source=new_uid())
                for row in done.accepted:
                    progress.apply(session, row)
                counted += len(done.accepted)
        return counted

    with ThreadPoolExecutor(HANDS) as pool:
        assert sum(pool.map(bring, range(HANDS))) == EVENTS
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == EVENTS
        rows = session.execute(select(Progress.watched_ms, Progress.seen_ms, Progress.change_seq)).all()
    assert [(watched, seen) for watched, seen, _ in rows] == [(4_000, 4_000)] * 3
    assert len({seq for _, _, seq in rows}) == 3
    assert max(seq for _, _, seq in rows) == EVENTS
