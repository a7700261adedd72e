"""Reports say what children have watched: how far, where they stopped, what they played again, on which days."""

from sqlalchemy.orm import Session

from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.learning import reports, tallies
from eduhub.learning.models import WatchTally
from tests.web.world import World, add_adult
from tests.web.world import watch as watch_lesson

NOON = 1_795_752_000_000  # 2026-11-27 at Beijing's noon


def watch(
    session: Session, world: World, person: str, from_s: int, to_s: int, *, org: str | None = None, at_ms: int = NOON,
    subjects: list[str] | None = None,
) -> None:  # fmt: skip
    watch_lesson(session, world.lesson, person, org or world.school, from_s, to_s, at_ms=at_ms, subjects=subjects)


def test_a_lesson_is_summed_up_for_the_children_asked_about_and_no_others(installation: Installation, world: World) -> None:
    with installation.database.write() as session:
        watch(session, world, world.dolma, 0, 61)
        watch(session, world, world.lhamo, 0, 20)
        watch(session, world, world.stranger, 0, 30, org=world.other_school)
        lesson = session.get_one(Lesson, world.lesson)
        lengths = reports.lengths(session, [lesson])
        found = reports.watched(session, [lesson], lengths, {world.dolma, world.lhamo}, "2026-11-28")
    assert lengths == {world.lesson: 61_000}
    assert found.of_lesson[world.lesson] == reports.Summary(watched=2, finished=1, median_percent=66)
    assert found.by_day["2026-11-27"] == 2
    assert sum(found.by_day.values()) == 2
    assert len(found.by_day) == reports.DAYS


def test_the_day_is_the_schools_and_a_day_counts_once(installation: Installation, world: World) -> None:
    with installation.database.write() as session:
        for at_ms in (NOON, NOON + 3_600_000, NOON + 13 * 3_600_000, 2**53 - 1):  # Beijing's next day begins at twelve hours
            watch(session, world, world.dolma, 0, 10, at_ms=at_ms)
        lesson = session.get_one(Lesson, world.lesson)
        found = reports.watched(session, [lesson], {}, {world.dolma}, "2026-11-28")
    assert {day: count for day, count in found.by_day.items() if count} == {"2026-11-27": 1, "2026-11-28": 1}


def test_a_timeline_says_who_saw_what_where_they_stopped_and_what_was_played_again(
    installation: Installation, world: World
) -> None:
    with installation.database.write() as session:
        watch(session, world, world.dolma, 0, 61)
        watch(session, world, world.dolma, 30, 40)
        watch(session, world, world.dolma, 30, 40)
        watch(session, world, world.dolma, 55, 61)
        watch(session, world, world.lhamo, 0, 25)
        lesson = session.get_one(Lesson, world.lesson)
        line = reports.timeline(session, lesson, 61_000, {world.dolma, world.lhamo}, {world.school})
    assert line.seen == [2, 2, 2, 1, 1, 1, 1]
    assert line.stopped == [0, 0, 1, 0, 0, 0, 0]
    assert line.again[3] == 2
    assert line.again[0] == 0


def test_children_named_by_their_teacher_count_each_and_the_teacher_does_not(installation: Installation, world: World) -> None:
    with installation.database.write() as session:
        tashi = add_adult(session, "Tashi", world.school, "teacher", "organisation", world.school)
        watch(session, world, tashi, 0, 10)
        watch(session, world, tashi, 0, 10, subjects=[world.dolma, world.lhamo])
        lesson = session.get_one(Lesson, world.lesson)
        tally = session.get_one(WatchTally, (lesson.uid, lesson.timeline_uid, world.school))
        assert tally.played_ms == [20_000]
        assert reports.elsewhere(session, lesson, [world.other_school]) == {world.school: 2}


def test_of_other_schools_only_counts_are_told(installation: Installation, world: World) -> None:
    with installation.database.write() as session:
        watch(session, world, world.stranger, 0, 10, org=world.other_school)
        lesson = session.get_one(Lesson, world.lesson)
        assert reports.elsewhere(session, lesson, [world.school]) == {world.other_school: 1}
        assert reports.elsewhere(session, lesson, [world.other_school]) == {}


def test_classes_that_take_the_course_or_plan_a_lesson_are_asked_about(installation: Installation, world: World) -> None:
    with installation.database.read() as session:
        found = reports.classes_taking(session, world.course, [world.school, world.other_school], "2026-11-27")
        assert [group.uid for group in found] == [world.group]
        assert reports.children_of(session, found, "2026-11-27") == {world.group: {world.dolma, world.lhamo}}


def test_sums_come_out_the_same_in_any_order() -> None:
    spans = [(0, 25_000, 1), (5_000, 61_000, 2), (59_999, 60_001, 1)]
    forwards: list[int] = []
    backwards: list[int] = []
    for span in spans:
        forwards = tallies.counted(forwards, *span)
    for span in reversed(spans):
        backwards = tallies.counted(backwards, *span)
    assert forwards == backwards
    assert sum(forwards) == 25_000 + 2 * 56_000 + 2
    assert tallies.summed([forwards, [1]]) == [forwards[0] + 1, *forwards[1:]]
