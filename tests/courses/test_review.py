"""In a course that asks for review nothing reaches children that no reviewer has looked at."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts import audit
from eduhub.courses import editing, publishing, recordings, reviewing
from eduhub.courses.models import Course, Lesson, LessonReview
from eduhub.errors import BadInput, ReviewChanged
from eduhub.installation import Installation, JobContext
from eduhub.media import ladders
from eduhub.media.models import Source
from eduhub.media.recipes import WHOLE
from eduhub.uids import new_uid
from tests.courses.conftest import House, add_lesson, arrive, make, prepare


def look_and_publish(session: Session, installation: Installation, lesson_uid: str, by_uid: str) -> None:
    """A reviewer looks, and publishes what was there."""
    lesson = session.get_one(Lesson, lesson_uid)
    seen = reviewing.seen_now(session, lesson, recordings.choose(session, lesson))
    publishing.publish_reviewed(session, installation, lesson_uid, by_uid, seen=seen)


def ask(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        reviewing.set_asked(session, session.get_one(Course, house.course), True, house.pema)


def reviewed_lesson(installation: Installation, house: House) -> str:
    """A lesson that Tashi handed in and a reviewer published."""
    ask(installation, house)
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        prepare(session, installation, uid)
        assert publishing.publish(session, installation, uid, house.tashi) is None
        look_and_publish(session, installation, uid, house.pema)
    return uid


def state_of(installation: Installation, lesson_uid: str) -> tuple[str, int, str | None]:
    with installation.database.read() as session:
        lesson, review = session.get_one(Lesson, lesson_uid), session.get(LessonReview, lesson_uid)
        return lesson.state, lesson.revision, review.state if review else None


def test_a_teacher_hands_in_and_the_reviewer_publishes(installation: Installation, house: House) -> None:
    ask(installation, house)
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        prepare(session, installation, uid)
        publishing.publish(session, installation, uid, house.tashi)
    assert state_of(installation, uid) == ("draft", 0, "waiting")
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), uid)  # the job after each step goes by the reviewer, too
    assert state_of(installation, uid) == ("draft", 0, "waiting")
    with installation.database.write() as session:
        look_and_publish(session, installation, uid, house.pema)
    assert state_of(installation, uid) == ("published", 1, "passed")
    with installation.database.read() as session:
        assert {"course.review_on", "lesson.hand_in", "lesson.publish"} <= {row.action for row in audit.newest(session)}


def test_a_lesson_is_sent_back_with_a_word_and_handed_in_again(installation: Installation, house: House) -> None:
    ask(installation, house)
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, add_lesson(session, house.course))
        with pytest.raises(BadInput):
            reviewing.send_back(session, lesson, "too early", house.pema)
        reviewing.hand_in(session, lesson, house.tashi)
        with pytest.raises(BadInput):
            reviewing.send_back(session, lesson, "  ", house.pema)
        reviewing.send_back(session, lesson, "The sound is too low.", house.pema)
        assert reviewing.of_lessons(session, [lesson.uid])[lesson.uid].word == "The sound is too low."
        assert reviewing.waiting(session, [house.course]) == []
        reviewing.hand_in(session, lesson, house.tashi)
        assert [one.lesson.uid for one in reviewing.waiting(session, [house.course])] == [lesson.uid]
        assert "lesson.send_back" in {row.action for row in audit.newest(session)}


def test_what_is_not_prepared_cannot_be_published_unseen(installation: Installation, house: House) -> None:
    ask(installation, house)
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        publishing.publish(session, installation, uid, house.tashi)
    with pytest.raises(BadInput), installation.database.write() as session:
        look_and_publish(session, installation, uid, house.pema)
    assert state_of(installation, uid) == ("draft", 0, "waiting")


def test_another_recording_of_a_published_lesson_waits(installation: Installation, house: House) -> None:
    uid = reviewed_lesson(installation, house)
    with installation.database.write() as session:
        prepare(session, installation, uid, "take 2")
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), uid)
    assert state_of(installation, uid) == ("published", 1, "waiting")
    with installation.database.write() as session:
        look_and_publish(session, installation, uid, house.pema)
    assert state_of(installation, uid) == ("published", 2, "passed")


def test_changed_words_of_a_published_lesson_are_shown_when_they_were_looked_at(installation: Installation, house: House) -> None:
    uid = reviewed_lesson(installation, house)
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, uid)
        reviewing.propose_words(session, lesson, {"titles": {"zh": "冰"}, "texts": {}, "language": "zh"}, house.tashi)
        assert lesson.titles == {"zh": "水"}
        look_and_publish(session, installation, uid, house.pema)
        assert lesson.titles == {"zh": "冰"}
    assert state_of(installation, uid) == ("published", 2, "passed")


def test_words_that_were_changed_without_review_do_not_go_out_with_the_next_rendition(
    installation: Installation, house: House
) -> None:
    uid = reviewed_lesson(installation, house)
    with installation.database.write() as session:
        editing.change_lesson(session, uid, titles={"zh": "冰"})
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), uid)
    assert state_of(installation, uid) == ("published", 1, "waiting")


def test_a_lesson_on_its_way_when_review_is_switched_on_waits_for_the_reviewer(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        publishing.publish(session, installation, uid, house.tashi)
        prepare(session, installation, uid)
    ask(installation, house)
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), uid)
    assert state_of(installation, uid) == ("draft", 0, "waiting")


def test_taking_a_lesson_back_needs_nobody_and_ends_the_waiting(installation: Installation, house: House) -> None:
    uid = reviewed_lesson(installation, house)
    with installation.database.write() as session:
        publishing.withdraw(session, installation, uid, house.tashi)
    assert state_of(installation, uid) == ("withdrawn", 1, None)
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), uid)
    assert state_of(installation, uid) == ("withdrawn", 1, None)


def test_without_review_a_teacher_publishes_as_ever(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        prepare(session, installation, uid)
        assert publishing.publish(session, installation, uid, house.tashi) is not None
        assert session.scalars(select(LessonReview)).all() == []
    assert state_of(installation, uid) == ("published", 1, None)


def test_one_more_size_of_what_was_looked_at_is_no_change_and_another_recording_is(installation: Installation, house: House) -> None:
    ask(installation, house)
    with installation.database.write() as session:
        lesson = session.get_one(Lesson, add_lesson(session, house.course))
        source_uid = arrive(session, lesson.uid, "take 1")
        ladders.want(session, session.get_one(Source, source_uid), WHOLE, then=None)
        make(session, installation, source_uid, WHOLE.id, "floor")
        reviewing.hand_in(session, lesson, house.tashi)
        seen = reviewing.seen_now(session, lesson, recordings.choose(session, lesson))
        make(session, installation, source_uid, WHOLE.id, "v240")
        assert reviewing.seen_now(session, lesson, recordings.choose(session, lesson)) == seen
        prepare(session, installation, lesson.uid, "take 2")
        with pytest.raises(ReviewChanged):
            publishing.publish_reviewed(session, installation, lesson.uid, house.pema, seen=seen)
