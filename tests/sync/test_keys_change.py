"""Boxes follow their hub to a new publishing key by themselves."""

from sqlalchemy import select

from eduhub.accounts.models import Person
from eduhub.delivery import keys
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from tests.sync.world import Hub


def test_a_box_follows_a_rotation_and_a_revocation(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    course = hub.course(hub.region, groups=(school,))
    before = hub.lesson(course, position=1)
    hub.join(box, school)
    hub.sync(box)
    hub.rotate_and_revoke()
    hub.child(school, "Dolma")
    after = hub.lesson(course, position=2)
    hub.sync(box)
    with box.database.read() as session:
        assert "Dolma" in session.scalars(select(Person.name)).all()
        assert all(session.get_one(PackageRow, package).floor_held for package in (before, after))


def test_a_box_that_joins_after_a_rotation_gets_lessons_of_before(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    before = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.rotate_and_revoke()
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session:
        assert session.get_one(PackageRow, before).floor_held


def test_a_box_follows_a_rotation_after_which_nothing_was_published(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    with hub.here.database.write() as session:
        keys.rotate(session, hub.here.keys, hub.here.keys.root)
    hub.here.keys.adopt_next_publishing()  # the head in the catalog is still signed by the key of before
    hub.child(school, "Dolma")
    hub.sync(box)
    with box.database.read() as session:
        assert "Dolma" in session.scalars(select(Person.name)).all()
