"""Units and lessons are put into another order, by two teachers at once too, and nothing is lost by it."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from eduhub import changes
from eduhub.changes import Change, FieldChange
from eduhub.courses import audience, editing, ordering
from eduhub.courses.models import Lesson, Unit
from eduhub.db import Database
from eduhub.errors import BadInput, NotFound
from eduhub.installation import Installation
from eduhub.uids import make_uid, new_uid
from tests.courses.conftest import ON, House

ORG = make_uid(1, 1)


@pytest.fixture
def course(installation: Installation, house: House) -> dict[str, str]:
    """Units A and B with lessons a1 a2 a3 and b1 b2, and 'alone' in no unit; name -> uid."""
    with installation.database.write() as session:
        found = {
            name: editing.add_unit(session, course_uid=house.course, titles={"en": name}).uid for name in ("A", "B")
        }
        for name in ("a1", "b1", "a2", "alone", "a3", "b2"):
            unit_uid = found.get(name[0].upper()) if name != "alone" else None
            lesson = editing.add_lesson(
                session, course_uid=house.course, titles={"en": name}, language="en", unit_uid=unit_uid
            )
            found[name] = lesson.uid
        for lesson in session.scalars(select(Lesson)):
            lesson.state = "published"
    return found


def order(installation: Installation) -> list[str]:
    with installation.database.read() as session:
        return [lesson.titles["en"] for lesson in ordering.in_order(session, session.scalars(select(Lesson)))]


def move(installation: Installation, course: dict[str, str], name: str, unit: str | None, before: str | None) -> list[str]:
    with installation.database.write() as session:
        ordering.move_lesson(
            session, course[name], unit_uid=course[unit] if unit else None, before_uid=course.get(before or "", new_uid())
        )
    return order(installation)


def test_lessons_are_read_unit_by_unit_whenever_they_were_added(installation, course, house):
    assert order(installation) == ["alone", "a1", "a2", "a3", "b1", "b2"]
    with installation.database.read() as session:
        child = audience.lessons_of_person(session, house.dolma, ON)
        assert [lesson.titles["en"] for lesson in child] == order(installation)


def test_a_lesson_stands_before_the_one_it_was_put_before(installation, course):
    assert move(installation, course, "a3", "A", "a1") == ["alone", "a3", "a1", "a2", "b1", "b2"]
    assert move(installation, course, "a3", "A", "a2") == ["alone", "a1", "a3", "a2", "b1", "b2"]
    assert move(installation, course, "a1", "A", None) == ["alone", "a3", "a2", "a1", "b1", "b2"]
    assert move(installation, course, "a1", "A", "a1") == ["alone", "a3", "a2", "a1", "b1", "b2"]


def test_a_lesson_moves_to_another_unit_and_out_of_all(installation, course):
    assert move(installation, course, "b1", "A", "a2") == ["alone", "a1", "b1", "a2", "a3", "b2"]
    assert move(installation, course, "a1", None, "alone") == ["a1", "alone", "b1", "a2", "a3", "b2"]


def test_a_unit_moves_with_its_lessons(installation, course):
    with installation.database.write() as session:
        ordering.move_unit(session, course["B"], before_uid=course["A"])
    assert order(installation) == ["alone", "b1", "b2", "a1", "a2", "a3"]
    with installation.database.write() as session:
        ordering.move_unit(session, course["B"], before_uid=None)
    assert order(installation) == ["alone", "a1", "a2", "a3", "b1", "b2"]


def test_a_lesson_whose_neighbour_has_gone_elsewhere_meanwhile_comes_to_the_end(installation, course):
    move(installation, course, "a1", "B", None)  # another teacher
    assert move(installation, course, "a3", "A", "a1") == ["alone", "a2", "a3", "b1", "b2", "a1"]


def test_only_the_moved_row_is_written_while_there_is_room(installation, course):
    move(installation, course, "a3", "A", "a1")
    with installation.database.read() as session:
        before = changes.latest_seq(session)
    move(installation, course, "a2", "A", "a1")
    with installation.database.read() as session:
        assert [row[1] for row in changes.rows_changed_after(session, before)] == [course["a2"]]


def test_three_hundred_moves_keep_every_lesson_and_the_order_that_was_asked_for(installation, course):
    chance, wanted = random.Random(4), ["a1", "a2", "a3"]
    for _turn in range(300):
        name = chance.choice(wanted)
        rest = [other for other in wanted if other != name]
        at = chance.randrange(len(rest) + 1)
        wanted = [*rest[:at], name, *rest[at:]]
        found = move(installation, course, name, "A", rest[at] if at < len(rest) else None)
        assert found == ["alone", *wanted, "b1", "b2"]


def test_a_unit_of_another_course_and_what_is_not_there_are_refused(installation, course, house):
    with installation.database.write() as session:
        other = editing.add_course(session, org_uid=house.shuanghu, titles={"en": "Other"})
        unit = editing.add_unit(session, course_uid=other.uid, titles={"en": "X"})
        with pytest.raises(BadInput):
            ordering.move_lesson(session, course["a1"], unit_uid=unit.uid, before_uid=None)
        with pytest.raises(NotFound):
            ordering.move_lesson(session, new_uid(), unit_uid=None, before_uid=None)
        with pytest.raises(NotFound):
            ordering.move_unit(session, new_uid(), before_uid=None)


def test_two_teachers_who_move_lessons_at_the_same_moment_lose_none(installation, course):
    names, barrier = ("a1", "a2", "a3", "b1", "b2"), Barrier(2)

    def teach(seed: int) -> None:
        chance = random.Random(seed)
        barrier.wait(timeout=10)
        for _turn in range(15):
            move(installation, course, chance.choice(names), chance.choice("AB"), chance.choice(names))

    with ThreadPoolExecutor(2) as teachers:
        for done in [teachers.submit(teach, seed) for seed in (1, 2)]:
            done.result(timeout=60)
    assert sorted(order(installation)) == ["a1", "a2", "a3", "alone", "b1", "b2"]


@pytest.mark.parametrize("seed", range(5))
def test_two_machines_on_which_it_was_put_in_order_at_once_agree_and_have_every_lesson(
    second_database: Callable[[], Database], seed: int
) -> None:
    chance, machines = random.Random(seed), [second_database(), second_database()]
    units, lessons = [make_uid(2, n) for n in range(2)], [make_uid(3, n) for n in range(6)]
    with machines[0].write() as session:
        for at, uid in enumerate(units):
            session.add(Unit(uid=uid, org_uid=ORG, course_uid=ORG, titles={}, position=at))
        for at, uid in enumerate(lessons):
            session.add(Lesson(
                uid=uid, org_uid=ORG, course_uid=ORG, unit_uid=units[at % 2], position=at, titles={}, texts={}, language="bo",
                state="draft", timeline_uid=uid,
            ))  # fmt: skip
    _exchange(machines)
    for _turn in range(12):
        with chance.choice(machines).write() as session:
            if chance.random() < 0.2:
                ordering.move_unit(session, chance.choice(units), before_uid=chance.choice(units))
            else:
                ordering.move_lesson(
                    session, chance.choice(lessons), unit_uid=chance.choice(units), before_uid=chance.choice(lessons)
                )
    _exchange(machines)
    orders = []
    for machine in machines:
        with machine.read() as session:
            orders.append([lesson.uid for lesson in ordering.in_order(session, session.scalars(select(Lesson)))])
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == lessons


def _exchange(machines: list[Database]) -> None:
    for source, target in ((0, 1), (1, 0)):
        with machines[source].read() as session:
            log = [FieldChange(
                row.table_name, row.row_uid, row.field, row.counter, row.machine_uid, row.org_uid, row.value, row.made_ms,
                row.by_uid,
            ) for row in session.scalars(select(Change).order_by(Change.seq))]  # fmt: skip
        with machines[target].write() as session:
            changes.merge(session, log)
