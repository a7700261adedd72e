"""A stick is filled at the hub, read at a box, and comes home: the whole way without a link."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from eduhub.accounts.models import Person
from eduhub.delivery import catalog
from eduhub.delivery.models import PackageRow
from eduhub.errors import AnotherHubsStick, BadInput, NoCourier, OlderStick
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.sync.allowance import traffic
from eduhub.sync.courier import trips
from eduhub.sync.models import Arrival, CourierWant, InboxState, Node, NodeContact, Upstream
from eduhub.sync.status import overview, told
from tests.sync.sticks import blobs_on, bring, copy_of, events_at, fill, lessons_shown, waiting, watch
from tests.sync.world import Hub, School

MakeBox = Callable[[], Installation]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """An empty stick."""
    (tmp_path / "usb").mkdir()
    return tmp_path / "usb"


@pytest.fixture
def school(hub: Hub) -> School:
    """A school with two children."""
    return hub.school("Shuanghu", children=2)


def test_lessons_go_out_and_what_was_watched_comes_home(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    packages = {hub.lesson(hub.course(school.org, groups=(school,)), position=number) for number in range(2)}
    filled = fill(hub, stick, "shuanghu-3")
    assert (filled.is_whole, filled.files) == (True, len(blobs_on(stick)))
    taken = bring(box, stick)
    assert lessons_shown(box) == packages
    assert (taken.missing, taken.gave, taken.refused, taken.damaged) == (0, True, [], 0)
    with box.database.read() as session:
        assert set(session.scalars(select(Person.uid))) >= set(school.children)
    watched = set(watch(box, school, 3))
    bring(box, stick)
    assert events_at(hub.here) == set()
    home = bring(hub.here, stick)
    assert events_at(hub.here) == watched
    assert home.boxes == ["shuanghu-3"]
    assert home.refused == 0
    assert home.rows >= 5
    with hub.here.database.read() as session:
        assert set(session.scalars(select(Arrival.package_id))) == packages
    assert waiting(box) > 0  # the word of the hub has yet to come
    bring(box, stick)
    assert waiting(box) == 0


def test_a_stick_that_went_round_once_brings_only_what_is_new(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    course = hub.course(school.org, groups=(school,))
    hub.lesson(course)
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    bring(hub.here, stick)
    assert fill(hub, stick).files == 0
    new = hub.lesson(course, position=1)
    filled = fill(hub, stick)
    assert filled.files == 6  # its manifest and five parts
    bring(box, stick)
    assert new in lessons_shown(box)


def test_the_same_stick_twice_changes_nothing_more(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    hub.lesson(hub.course(school.org, groups=(school,)))
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    watched = set(watch(box, school, 2))
    bring(box, stick)
    twin = copy_of(stick, "twin")
    assert bring(hub.here, stick).rows > 0
    again = bring(hub.here, twin)
    assert (again.rows, again.refused) == (0, 0)
    assert events_at(hub.here) == watched
    assert (bring(box, twin).catalog_entries, bring(box, stick).stream_entries) == (0, 0)


def test_link_and_stick_may_overtake_each_other(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    course = hub.course(school.org, groups=(school,))
    first = hub.lesson(course)
    fill(hub, stick, "shuanghu-3")
    older = copy_of(stick, "older")
    second = hub.lesson(course, position=1)
    hub.sync(box)
    taken = bring(box, older)  # all of it is known
    assert (taken.catalog_entries, taken.stream_entries, taken.refused) == (0, 0, [])
    assert lessons_shown(box) == {first, second}
    watched = set(watch(box, school, 2))
    bring(box, older)
    hub.sync(box)  # the link brings the same rows home before the stick does
    assert waiting(box) == 0
    assert events_at(hub.here) == watched
    assert bring(hub.here, older).rows == 0
    later = set(watch(box, school, 1))
    bring(box, stick)
    assert bring(hub.here, stick).rows == 1
    assert events_at(hub.here) == watched | later
    assert waiting(box) == 1  # until the link asks
    hub.sync(box)
    assert waiting(box) == 0


def test_an_old_word_of_the_hub_makes_nothing_wait_again(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    fill(hub, stick, "shuanghu-3")
    watch(box, school, 1)
    bring(box, stick)
    bring(hub.here, stick)
    old = copy_of(stick, "old")
    watch(box, school, 4)
    hub.sync(box)
    assert waiting(box) == 0
    bring(box, old)
    assert waiting(box) == 0


def test_pages_of_two_sticks_overlap(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    fill(hub, stick, "shuanghu-3")
    early = copy_of(stick, "early")
    new = hub.child(school, "Pema")
    fill(hub, stick, "shuanghu-3")  # the hub has not heard that anything arrived: from the beginning again
    bring(box, early)
    taken = bring(box, stick)
    assert 0 < taken.stream_entries < 5
    with box.database.read() as session:
        assert session.get(Person, new) is not None


def test_one_stick_for_two_schools_holds_each_blob_once(hub: Hub, make_box: MakeBox, school: School, stick: Path) -> None:
    other = hub.school("Nyima", children=1)
    near, far = make_box(), make_box()
    hub.join(near, school)
    hub.join(far, other, "nyima-1")
    package = hub.lesson(hub.course(school.org, groups=(school, other)))
    own = hub.lesson(hub.course(other.org, audience="own", groups=(other,)), position=1)
    filled = fill(hub, stick, "shuanghu-3", "nyima-1")
    assert filled.files == len(blobs_on(stick)) == 12
    bring(near, stick)
    bring(far, stick)
    assert lessons_shown(near) == {package}
    assert lessons_shown(far) == {package, own}
    with near.database.read() as session:
        assert session.get(Person, other.children[0]) is None
    watch(near, school)
    watch(far, other)
    bring(near, stick)
    bring(far, stick)
    home = bring(hub.here, stick)
    assert sorted(home.boxes) == ["nyima-1", "shuanghu-3"]
    assert len(events_at(hub.here)) == 2


def test_a_lesson_of_another_school_is_not_put_on_the_stick(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    other = hub.school("Nyima")
    hub.join(box, school)
    hub.lesson(hub.course(other.org, audience="own", groups=(school,)))
    fill(hub, stick, "shuanghu-3")
    assert blobs_on(stick) == set()


def test_a_stick_of_another_county_is_refused(
    hub: Hub, box: Installation, school: School, stick: Path, make_installation: Callable[..., Installation]
) -> None:
    stranger = Hub(make_installation(role="hub"))
    theirs = stranger.school("Nyima")
    stranger_box = make_installation(role="node")
    stranger.join(stranger_box, theirs, "nyima-1")
    fill(stranger, stick, "nyima-1")
    hub.join(box, school)
    for machine in (box, hub.here):
        with pytest.raises(AnotherHubsStick):
            bring(machine, stick)
    with pytest.raises(AnotherHubsStick):
        fill(hub, stick, "shuanghu-3")


def test_a_stick_of_another_school_brings_the_lessons_and_nobodys_names(
    hub: Hub, make_box: MakeBox, school: School, stick: Path
) -> None:
    other = hub.school("Nyima", children=1)
    near, far = make_box(), make_box()
    hub.join(near, school)
    hub.join(far, other, "nyima-1")
    hub.lesson(hub.course(school.org, groups=(school, other)))
    fill(hub, stick, "nyima-1")
    taken = bring(near, stick)
    assert taken.stream_entries == 0
    assert taken.catalog_entries > 0
    assert lessons_shown(near) == set()  # it does not know yet that its class takes the course


def test_an_empty_stick_is_none_of_ours(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    for machine in (box, hub.here):
        with pytest.raises(NoCourier):
            bring(machine, stick)
    with pytest.raises(BadInput):
        fill(hub, stick)


def test_a_box_can_ask_on_an_empty_stick(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    package = hub.lesson(hub.course(school.org, groups=(school,)))
    hub.sync(box)
    trips.export(box, stick, nodes=(), on_progress=lambda _share: None)
    later = hub.lesson(hub.course(school.org, groups=(school,)), position=1)
    filled = fill(hub, stick)
    assert filled.boxes == ["shuanghu-3"]
    assert filled.files == 6
    bring(box, stick)
    assert lessons_shown(box) == {package, later}


def test_the_want_list_of_a_long_catalog_is_a_few_kilobytes(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    hub.lesson(hub.course(school.org, groups=(school,)))
    with hub.here.database.write() as session:
        for number in range(800):
            catalog.append(session, hub.here.keys, "note", {"number": number})
    hub.lesson(hub.course(school.org, groups=(school,)), position=1)
    fill(hub, stick, "shuanghu-3")
    taken = bring(box, stick)
    assert taken.missing == 0
    (want,) = (stick / "eduhub-courier" / "want").iterdir()
    assert want.stat().st_size < 1_500


def test_a_stick_moves_the_schedule_clock_forward_and_never_back(
    hub: Hub, box: Installation, school: School, stick: Path
) -> None:
    hub.join(box, school)
    fill(hub, stick, "shuanghu-3")
    for known, moved in ((None, True), (1_000, True), (4_000_000_000_000, False)):
        with box.database.write() as session:
            upstream = session.scalars(select(Upstream)).one()
            upstream.hub_time_ms, upstream.hub_time_steady_s = known, None if known is None else int(box.steady.now_s())
        bring(box, stick)
        with box.database.read() as session:
            after = session.scalars(select(Upstream)).one().hub_time_ms
        assert (after != known) == moved
        assert after is not None


def test_the_hub_hears_from_a_box_by_its_stick(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    hub.lesson(hub.course(school.org, groups=(school,)))
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    bring(hub.here, stick)
    with hub.here.database.read() as session:
        contact = session.scalars(select(NodeContact)).one()
        assert contact.catalog_sequence == catalog.sequence(session)
        assert contact.stream_sequence > 0


def test_a_stick_finds_nobody_s_name(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    hub.lesson(hub.course(school.org, groups=(school,)))
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    watch(box, school, 2)
    bring(box, stick)
    for path in stick.rglob("*"):
        found = path.read_bytes() if path.is_file() else b""
        for secret in ("Shuanghu child", *school.children):
            assert secret.encode() not in found
            assert secret not in path.name


def test_what_a_box_says_of_itself_comes_by_stick(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    bring(hub.here, stick)
    with hub.here.database.read() as session:
        node = session.scalars(select(Node)).one()
        said = told.of_document(overview.documents(session, [node.uid])[node.uid])
    assert said.disk_total


def test_a_page_that_lies_twice_on_a_stick_does_not_stand_for_one_that_was_taken_off_it(
    hub: Hub, box: Installation, school: School, stick: Path
) -> None:
    hub.join(box, school)
    hub.sync(box)
    hub.child(school, "Pema")
    hub.sync(box)
    with hub.here.database.write() as session:
        catalog.begin_epoch(session, hub.here.keys, hub.here.keys.root)
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    first, second = sorted((stick / "eduhub-courier" / "home").rglob("page-*.sealed"))
    kept = second.read_bytes()
    second.write_bytes(first.read_bytes())
    bring(hub.here, stick)
    with hub.here.database.read() as session:
        assert session.scalars(select(CourierWant.given_back_epoch)).one() != 2
    second.write_bytes(kept)
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    bring(hub.here, stick)
    with hub.here.database.read() as session:
        assert session.scalars(select(CourierWant.given_back_epoch)).one() == 2


def test_what_came_by_stick_is_booked_as_such(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    package = hub.lesson(hub.course(school.org, groups=(school,)))
    fill(hub, stick, "shuanghu-3")
    bring(box, stick)
    with box.database.read() as session:
        lesson = session.get_one(PackageRow, package).lesson_uid
        booked = {row.lesson_uid: row.moved.down for row in traffic.by_lesson(session, 0) if row.via == traffic.STICK}
    assert booked[lesson] >= 101_400


@pytest.mark.parametrize("is_old_key_revoked", [False, True])
def test_after_a_restore_of_the_hub_a_box_without_a_link_catches_up(
    hub: Hub, box: Installation, school: School, stick: Path, is_old_key_revoked: bool
) -> None:
    hub.join(box, school)
    fill(hub, stick, "shuanghu-3")
    watched = set(watch(box, school, 2))
    bring(box, stick)
    bring(hub.here, stick)
    bring(box, stick)
    assert waiting(box) == 0
    before = copy_of(stick, "before")
    with hub.here.database.write() as session:
        catalog.begin_epoch(session, hub.here.keys, hub.here.keys.root)
        session.execute(delete(InboxState))  # the backup was made before any of it came home
        session.execute(delete(Event))
        session.execute(delete(CourierWant))
    if is_old_key_revoked:
        hub.rotate_and_revoke()  # so the pages that the box kept are believed no more
    new = hub.child(school, "Pema")
    fill(hub, stick, "shuanghu-3")
    taken = bring(box, stick)
    assert taken.new_epoch
    assert waiting(box) > 0
    with pytest.raises(OlderStick):
        bring(box, before)
    came = bring(hub.here, stick)
    assert (came.refused > 0) is is_old_key_revoked
    assert events_at(hub.here) == watched
    for _trip in range(2):  # the word that all was given back; then the stream from its beginning
        fill(hub, stick)
        bring(box, stick)
        bring(hub.here, stick)
    with box.database.read() as session:
        assert session.get(Person, new) is not None
        assert session.scalars(select(Upstream.stream_epoch)).one() == 2
    bring(box, stick)
    assert waiting(box) == 0
