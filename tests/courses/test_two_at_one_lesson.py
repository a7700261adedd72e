"""A page and a worker at one lesson at the same moment: one waits for the other, and both come to an end."""

import pytest

from eduhub import changes
from eduhub.courses import publishing
from eduhub.courses.models import Lesson
from eduhub.installation import Installation, JobContext
from eduhub.uids import new_uid
from tests import meeting
from tests.courses.conftest import House, add_lesson, prepare

pytestmark = pytest.mark.two_writers


@pytest.fixture
def lesson(installation: Installation, house: House) -> str:
    """Tashi's lesson; its recording is prepared, and he has pressed publish."""
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        session.get_one(Lesson, uid).state = "submitted"
        prepare(session, installation, uid)
        return uid


def test_who_takes_a_lesson_back_while_a_worker_publishes_it_is_not_in_its_way(
    installation: Installation, house: House, lesson: str
) -> None:
    def publish() -> None:
        publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), lesson)

    with installation.database.write() as session:
        add_lesson(session, house.course, "雪")  # the log is held now
        worker = meeting.start(installation.database, publish)
        publishing.withdraw(session, installation, lesson, house.tashi)
    worker.done()
    with installation.database.read() as session:
        assert session.get_one(Lesson, lesson).state == "draft"


def test_whoever_may_write_the_log_stands_in_its_line_before_anything_is_locked(
    installation: Installation, lesson: str
) -> None:
    def read_it() -> str:
        with changes.writing(installation.database) as session:
            return str(session.get_one(Lesson, lesson, with_for_update=True).titles["zh"])

    with installation.database.write() as session:
        changes.hold_machine(session)
        second = meeting.start(installation.database, read_it)
        session.get_one(Lesson, lesson, with_for_update=True).titles = {"zh": "雪"}
    assert second.done() == "雪"
