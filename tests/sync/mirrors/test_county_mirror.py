"""A county mirror: a box whose organisation is the region. It keeps every lesson of its schools, and knows nobody."""

from collections.abc import Callable

from sqlalchemy import select

from eduhub.accounts.models import Person
from eduhub.installation import Installation
from eduhub.learning.models import Progress
from eduhub.schools.models import Enrolment, Site
from tests.sync.mirrors.village import Village, WireWays, held_parts
from tests.sync.world import School, Wire, app_of

COUNTY = "http://county.test"


def county(village: Village, make_box: Callable[[], Installation]) -> Installation:
    hub = village.hub
    with hub.here.database.write() as session:
        site = Site(org_uid=hub.region, name="county room")
        session.add(site)
    box = make_box()
    hub.join(box, School(hub.region, site.uid, ""), "nagchu")
    return box


def test_it_keeps_what_any_of_its_schools_may_have_and_gives_each_its_own(
    village: Village, make_box: Callable[[], Installation]
) -> None:
    hub = village.hub
    own = hub.lesson(hub.course(village.two.org, audience="own", groups=(village.two,)), position=1)
    others = hub.lesson(hub.course(village.one.org, audience="own", groups=(village.one,)), position=2)
    mirror = county(village, make_box)
    hub.sync(mirror)
    assert all(held_parts(mirror, package) for package in (village.package, own, others))
    village.meet(village.far)
    wire = Wire(app_of(mirror))
    village.ways = WireWays({COUNTY: wire})
    village.name(COUNTY)
    village.round_without_hub()
    assert held_parts(village.far, village.package) == held_parts(mirror, village.package)
    assert held_parts(village.far, own) == held_parts(mirror, own)
    assert not held_parts(village.far, others)
    village.wire = wire
    assert set(village.ask([own, others])["passes"]) == {own}


def test_nobodys_name_comes_to_it(village: Village, make_box: Callable[[], Installation]) -> None:
    village.hub.adult(village.hub.region, "Pema", "school_admin")
    mirror = county(village, make_box)
    village.hub.sync(mirror)
    with mirror.database.read() as session:
        for model in (Person, Enrolment, Progress):
            assert session.scalars(select(model)).first() is None
