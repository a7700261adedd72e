"""Where a lesson has arrived is what boxes have said, in the order in which it came home."""

from collections.abc import Callable

from sqlalchemy import select

from eduhub import clock
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery import catalog, holding
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.allowance import policies
from eduhub.sync.homeward import arrivals, reporting
from eduhub.sync.homeward.arrivals import EARLIER, HERE, NO_DISK, NOT_TOLD, NOT_WANTED, ON_ITS_WAY
from eduhub.sync.models import Node, NodeContact
from tests.sync.world import Hub, School

MakeBox = Callable[[], Installation]


def states(hub: Hub, package_id: str) -> dict[str, str]:
    """The state of the package's lesson at each school, by its uid."""
    with hub.here.database.read() as session:
        lesson = session.scalars(select(Lesson).where(Lesson.package_id == package_id)).one()
        found = arrivals.of_course(session, session.get_one(Course, lesson.course_uid), [lesson], "2026-11-25")
    return {school.org_uid: school.state for school in found[lesson.uid].schools}


def number_packages(hub: Hub) -> None:
    """What publishing writes down of each package, which the tests' hub does not: its place in the catalog."""
    with hub.here.database.write() as session:
        for entry in catalog.entries_after(session, 0):
            if entry.kind == "publish":
                session.get_one(PackageRow, entry.body["package"]).sequence = entry.sequence


def joined(hub: Hub, make_box: MakeBox, name: str) -> tuple[School, Installation]:
    school, box = hub.school(name), make_box()
    hub.join(box, school, name.lower())
    return school, box


def test_a_lesson_is_at_a_school_when_its_box_has_said_so(hub: Hub, make_box: MakeBox) -> None:
    (near, box), (far, _other) = joined(hub, make_box, "Shuanghu"), joined(hub, make_box, "Nyima")
    package = hub.lesson(hub.course(near.org, groups=(near, far)))
    number_packages(hub)
    assert states(hub, package) == {near.org: NOT_TOLD, far.org: NOT_TOLD}
    hub.sync(box)  # it fetches, and says so in the next round
    hub.sync(box)
    assert states(hub, package) == {near.org: HERE, far.org: NOT_TOLD}


def test_a_box_that_has_read_of_it_and_said_nothing_is_on_its_way(hub: Hub, make_box: MakeBox) -> None:
    school, box = joined(hub, make_box, "Shuanghu")
    package = hub.lesson(hub.course(school.org, groups=(school,)))
    number_packages(hub)
    with hub.here.database.write() as session:
        node = session.scalars(select(Node)).one()
        session.add(NodeContact(
            node_uid=node.uid, last_ms=1, version="", stream_sequence=0, catalog_sequence=catalog.sequence(session)
        ))  # fmt: skip
    assert states(hub, package) == {school.org: ON_ITS_WAY}
    assert box is not None


def test_a_full_disk_is_shown_until_a_lesson_arrives_whatever_the_boxs_clock_says(hub: Hub, make_box: MakeBox) -> None:
    school, box = joined(hub, make_box, "Shuanghu")
    hub.sync(box)
    clock.freeze(4_070_908_800_000)  # 2099
    with box.database.write() as session:
        reporting.note_no_disk(session, box)
    clock.freeze(1_000_000)  # 1970
    hub.sync(box)
    package = hub.lesson(hub.course(school.org, groups=(school,)))
    number_packages(hub)
    assert states(hub, package) == {school.org: NO_DISK}
    hub.sync(box)
    hub.sync(box)
    assert states(hub, package) == {school.org: HERE}


def test_the_next_revision_counts_as_there_in_an_earlier_version_until_the_box_has_it(hub: Hub, make_box: MakeBox) -> None:
    school, box = joined(hub, make_box, "Shuanghu")
    first = hub.lesson(hub.course(school.org, groups=(school,)))
    number_packages(hub)
    hub.sync(box)
    hub.sync(box)
    with hub.here.database.write() as session:
        lesson = session.scalars(select(Lesson)).one()
        lesson.package_id = "f" * 64
    assert states(hub, "f" * 64) == {school.org: EARLIER}
    with hub.here.database.write() as session:
        holding.withdraw(session, first)  # taken back, and out again as another package: the old one is shown nowhere
    assert states(hub, "f" * 64) == {school.org: NOT_TOLD}


def test_only_schools_that_are_to_have_it_are_counted(hub: Hub, make_box: MakeBox) -> None:
    (takes, _1), (plans, _2), (neither, _3) = (joined(hub, make_box, name) for name in ("Shuanghu", "Nyima", "Gerze"))
    hub.school("Coqen")  # has no box
    course = hub.course(takes.org, groups=(takes,))
    package = hub.lesson(course)
    with hub.here.database.write() as session:
        lesson = session.scalars(select(Lesson)).one()
        session.add(PlanRow(org_uid=plans.org, group_uid=plans.group, lesson_uid=lesson.uid, day=None, period=None))
    assert set(states(hub, package)) == {takes.org, plans.org}
    with hub.here.database.write() as session:
        session.get_one(Course, course).audience = "open"
    assert set(states(hub, package)) == {takes.org, plans.org, neither.org}
    with hub.here.database.write() as session:
        session.get_one(Course, course).audience = "own"
    assert set(states(hub, package)) == {takes.org}
    with hub.here.database.write() as session:
        session.scalars(select(GroupCourse)).one().ended_on = "2026-11-20"
    assert states(hub, package) == {}


def test_a_school_with_two_boxes_has_a_lesson_when_both_have_it_and_one_that_is_shut_out_counts_for_nothing(
    hub: Hub, make_box: MakeBox
) -> None:
    school, box = joined(hub, make_box, "Shuanghu")
    second = hub.join(make_box(), school, "shuanghu-4")
    package = hub.lesson(hub.course(school.org, groups=(school,)))
    number_packages(hub)
    hub.sync(box)
    hub.sync(box)
    assert states(hub, package) == {school.org: NOT_TOLD}
    with hub.here.database.write() as session:
        session.get_one(Node, second).revoked_on = "2026-11-25"
    assert states(hub, package) == {school.org: HERE}


def say(hub: Hub, school: School, course: str, word: str | None) -> None:
    with hub.here.database.write() as session:
        policies.set_course(session, session.get_one(Site, school.site), course, wanted=word)


def test_a_school_that_wants_nothing_of_a_course_is_not_counted_as_lacking_it(hub: Hub, make_box: MakeBox) -> None:
    (one, box), (other, _2) = joined(hub, make_box, "Shuanghu"), joined(hub, make_box, "Nyima")
    course = hub.course(hub.region, groups=(one, other))
    package = hub.lesson(course)
    say(hub, one, course, policies.NOTHING)
    hub.sync(box)
    hub.sync(box)
    with hub.here.database.read() as session:
        lesson, node = session.scalars(select(Lesson)).one(), session.scalars(select(Node).where(Node.org_uid == one.org)).one()
        assert set(states(hub, package)) == {other.org}
        assert arrivals.of_box(session, node.uid, [lesson])[lesson.uid].state == NOT_WANTED
    with box.database.read() as session:
        assert session.get(PackageRow, package) is None, "the box goes by the same"
    say(hub, one, course, None)
    assert set(states(hub, package)) == {one.org, other.org}


def test_what_a_school_wants_of_a_course_is_counted_as_its_box_decides(hub: Hub, make_box: MakeBox) -> None:
    (planned, box), (whole, other) = joined(hub, make_box, "Shuanghu"), joined(hub, make_box, "Nyima")
    course = hub.course(hub.region, groups=(planned,))
    packages = [hub.lesson(course, position=number) for number in range(3)]
    say(hub, planned, course, policies.PLANNED)
    say(hub, whole, course, policies.ALL)
    days = {packages[0]: "2026-11-26", packages[1]: "2025-03-01"}  # a day to come, and one that is long over
    with hub.here.database.write() as session:
        for package, day in days.items():
            lesson = session.get_one(PackageRow, package).lesson_uid
            session.add(PlanRow(org_uid=planned.org, group_uid=planned.group, lesson_uid=lesson, day=day, period=None))
    counted = {package: set(states(hub, package)) for package in packages}
    for machine in (box, other):
        hub.sync(machine)
    for school, machine in ((planned, box), (whole, other)):
        with machine.database.read() as session:
            fetched = {package for package in packages if session.get(PackageRow, package) is not None}
        assert {package for package in packages if school.org in counted[package]} == fetched
    assert [len(counted[package]) for package in packages] == [2, 1, 1]
