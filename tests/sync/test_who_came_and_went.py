"""Children who come, learn and go between two calls of their school's box: everything counts, and nothing stays at the box."""

from sqlalchemy import select

from eduhub import changes
from eduhub.accounts import people
from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.installation import Installation
from eduhub.learning import events, progress
from eduhub.learning.models import Progress
from eduhub.rosters import erasing, moving
from eduhub.schools.models import Enrolment
from eduhub.sync.homeward import outbox
from eduhub.sync.models import OutboxRow
from tests.sync.world import Hub, School, watched

DAY = "2026-11-25"


def admit(box: Installation, school: School, name: str = "Dolma") -> str:
    """Pema's new child, in a class."""
    with box.database.write() as session:
        person = people.add(session, org_uid=school.org, name=name)
        moving.into_group(session, person, school.group, DAY)
    return person.uid


def report(box: Installation, event: dict[str, object]) -> None:
    """An event, as the box's pages take it in."""
    with box.database.write() as session:
        appended = events.append(session, [event], source=changes.machine_uid(session))
        progress.apply_all(session, appended.accepted)
        outbox.add_events(session, box.steady, [event])


def left_of(installation: Installation, child: str) -> list[str]:
    """The tables in which something of a child is held."""
    with installation.database.read() as session:
        held = [table.__tablename__ for table in (Enrolment, RoleGrant, Credential, Progress)
                if session.scalars(select(table).where(table.person_uid == child)).first() is not None]  # fmt: skip
        return held + (["person"] if session.get(Person, child) is not None else [])


def test_what_a_teacher_reports_of_a_child_of_today_counts_for_that_child(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    teacher = hub.adult(school.org, "Tashi", "teacher")
    hub.join(box, school)
    hub.sync(box)
    child = admit(box, school)
    report(box, watched(school.org, teacher) | {"subjects": [child], "context": "class_screen"})
    hub.sync(box)
    for here in (hub.here, box):
        with here.database.read() as session:
            assert session.scalars(select(Progress.watched_ms).where(Progress.person_uid == child)).all() == [30_000]


def test_of_a_child_who_came_and_left_between_two_calls_nothing_stays_at_the_box(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    child = admit(box, school)
    report(box, watched(school.org, child))
    with box.database.write() as session:
        moving.leave(session, child, DAY, "withdrawn")
    hub.sync(box)
    hub.sync(box)
    assert left_of(box, child) == []
    assert set(left_of(hub.here, child)) == {"enrolment", "role_grant", "progress", "person"}


def test_of_what_a_box_wrote_of_a_child_who_was_erased_meanwhile_nothing_stays_there(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    (child,) = school.children
    hub.join(box, school)
    hub.sync(box)
    with hub.here.database.write() as session:
        erasing.erase_child(session, child)
    with box.database.write() as session:
        moving.settle(session, session.get_one(Person, child), DAY)
    report(box, watched(school.org, child))
    hub.sync(box)
    hub.sync(box)
    for here in (hub.here, box):
        assert left_of(here, child) == []
    with box.database.read() as session:
        assert all(row.acknowledged_steady_s is not None for row in session.scalars(select(OutboxRow)))
