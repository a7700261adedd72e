"""What was changed at a box goes home whatever was taken from the box in between."""

from sqlalchemy import select, update

from eduhub import changes
from eduhub.accounts.models import Person
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.schools.models import Enrolment
from eduhub.sync.homeward import outbox
from eduhub.sync.models import Upstream
from tests.sync.world import Hub, noise, watched


def test_an_edit_goes_home_although_the_rows_written_last_were_just_taken_away(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=2)
    stays, leaves = school.children
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:
        for span in session.scalars(select(Enrolment).where(Enrolment.person_uid == leaves)):
            span.ended_on, span.end_reason = "2026-11-25", "withdrawn"
    hub.sync(box)
    with box.database.write() as session:
        session.get_one(Person, stays).name = "Dolma"
    hub.sync(box)
    with hub.here.database.read() as session:
        assert session.get_one(Person, stays).name == "Dolma"


def test_an_edit_goes_home_from_a_box_whose_log_became_shorter_in_a_backup(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:  # what was sent last was erased before the backup
        session.execute(update(Upstream).values(change_seq_sent=100_000))
    hub.sync(box)
    with box.database.write() as session:
        session.get_one(Person, school.children[0]).name = "Dolma"
    hub.sync(box)
    with hub.here.database.read() as session:
        assert session.get_one(Person, school.children[0]).name == "Dolma"


def test_a_row_larger_than_a_batch_holds_up_nothing_behind_it(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.lesson(hub.course(school.org))
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:  # only the hub changes lessons: it puts this one aside
        session.scalars(select(Lesson)).one().texts = {"en": noise("text", 150_000).hex()}
    with box.database.write() as session:
        session.get_one(Person, school.children[0]).name = "Dolma"
    hub.sync(box)
    with hub.here.database.read() as session:
        assert session.get_one(Person, school.children[0]).name == "Dolma"


def test_rows_that_pack_very_small_are_still_few_enough_to_unpack(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    padded = [watched(school.org, school.children[0]) | {"padding": "x" * 60_000} for _number in range(100)]
    with box.database.write() as session:
        outbox.add_events(session, box.steady, padded)
        session.flush()
        assert outbox.next_batch(session, changes.machine_uid(session)).last < 100  # type: ignore[union-attr]
    hub.sync(box)
    with box.database.read() as session:
        assert outbox.waiting(session) == 0
