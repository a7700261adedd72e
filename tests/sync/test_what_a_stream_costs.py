"""What a question for a stream costs grows with what was written since, not with the lessons that there are."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.orm import Session

from eduhub.accounts.models import Person
from eduhub.courses.models import Lesson
from eduhub.sync.school_stream import streams
from eduhub.sync.school_stream.watching import concerned
from eduhub.uids import new_uid
from tests.sync.world import Hub

pytestmark = pytest.mark.any_engine  # it counts what SQLite does, step by step


@contextmanager
def counted(session: Session) -> Iterator[list[int]]:
    """The steps of SQLite's machine, in hundreds: the same each time."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    connection = session.connection().connection.driver_connection
    assert connection is not None
    connection.set_progress_handler(step, 100)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 0)


def lessons(hub: Hub, course: str, count: int) -> None:
    with hub.here.database.write() as session:
        session.add_all(
            Lesson(org_uid=hub.region, course_uid=course, position=number, titles={"en": "Water"}, texts={}, language="zh",
                   state="published", timeline_uid=new_uid())
            for number in range(count)
        )  # fmt: skip


def test_ten_times_the_lessons_cost_a_changed_name_nothing(hub: Hub) -> None:
    school = hub.school("Shuanghu", children=3)
    course = hub.course(hub.region, groups=(school,))
    costs: dict[str, list[int]] = {"stream": [], "poll": [], "whole": []}
    for count in (60, 540):
        lessons(hub, course, count)
        with hub.here.database.write() as session:
            streams.refresh(session, school.org)
            before = streams.ends(session)
            session.get_one(Person, school.children[0]).name = f"Dolma {count}"
            session.flush()
            with counted(session) as steps:
                assert concerned(session, before, streams.ends(session)) == {school.org}
            costs["poll"].append(steps[0])
            with counted(session) as steps:
                sequence = streams.refresh(session, school.org).sequence
            costs["stream"].append(steps[0])
            assert session.get_one(streams.StreamState, school.org).sequence == sequence
        with hub.here.database.write() as session:
            session.get_one(streams.StreamState, school.org).day = None
            session.flush()
            with counted(session) as steps:
                streams.refresh(session, school.org)
            costs["whole"].append(steps[0])
    for asked in ("stream", "poll"):
        assert costs[asked][1] <= 1.15 * costs[asked][0] + 2, costs
    assert costs["whole"][1] > 5 * costs["whole"][0], "the count would see it"


def test_a_lesson_of_another_county_costs_a_school_next_to_nothing(hub: Hub) -> None:
    school, other = hub.school("Shuanghu", children=3), hub.school("Nyima")
    course = hub.course(other.org, audience="own")
    lessons(hub, course, 300)
    with hub.here.database.write() as session:
        streams.refresh(session, school.org)
    lessons(hub, course, 1)
    with hub.here.database.write() as session, counted(session) as steps:
        streams.refresh(session, school.org)
    assert steps[0] < 60
