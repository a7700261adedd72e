"""What stands between BEGIN and COMMIT when a class comes at once: a child's sign-in and a batch of events write, and read little."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from eduhub.app import create_app
from eduhub.courses.models import Lesson
from eduhub.delivery import keys
from eduhub.installation import Installation
from eduhub.learning import tokens
from eduhub.uids import new_uid
from tests.web.world import Reader, World, as_box, settle


@pytest.fixture
def box(make_installation: Callable[..., Installation]) -> tuple[Installation, World]:
    made = make_installation(role="node")
    with made.database.write() as session:
        keys.make_hub_keys(session, made.keys)  # they sign the lessons that this box holds
    world = settle(made)
    as_box(made, world)
    return made, world


@contextmanager
def _statements(box: Installation) -> Iterator[list[str]]:
    """Every statement, and COMMIT where a transaction that wrote ends."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.append(" ".join(statement.split()))

    def end(_connection: object) -> None:
        found.append("COMMIT")

    event.listen(box.database.engine, "before_cursor_execute", note)
    event.listen(box.database.engine, "commit", end)
    yield found
    event.remove(box.database.engine, "before_cursor_execute", note)
    event.remove(box.database.engine, "commit", end)


def test_a_child_comes_in_with_one_row_written_in_one_transaction(box: tuple[Installation, World]) -> None:
    here, world = box
    reader = Reader(create_app(installation=here).test_client())
    with _statements(here) as found:
        reader.card(world.dolma_card)
    written = [statement for statement in found if statement.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert [statement[:20] for statement in written] == ["INSERT INTO sign_in "]
    # Nothing is read in the turn to write: the INSERT is followed by the commit.
    assert found[found.index(written[0]) + 1] == "COMMIT"
    assert found.count("COMMIT") == 1


@pytest.mark.parametrize("count", [2, 40])
def test_a_batch_costs_as_many_statements_as_two_events(box: tuple[Installation, World], count: int) -> None:
    here, world = box
    lesson = world.lesson
    with here.database.read() as session:
        timeline = session.get_one(Lesson, lesson).timeline_uid
    batch = [
        {
            "uid": new_uid(), "kind": "watched", "version": 1, "lesson": lesson, "timeline": timeline, "from_ms": number * 5000,
            "to_ms": number * 5000 + 5000, "watched_ms": 5000, "stalls": 0, "context": "own_device", "made_ms": 0, "subjects": [],
        }
        for number in range(count)
    ]  # fmt: skip
    token = tokens.issue(here.keys.secret, world.dolma, world.school)
    client = create_app(installation=here).test_client()
    with _statements(here) as found:
        answer = client.post("/api/v1/events", data=json.dumps({"token": token, "events": batch}))
    assert len(answer.get_json()["accepted"]) == count
    assert found.count("COMMIT") == 1
    assert len(found) < 50  # with what the box itself had to say first
