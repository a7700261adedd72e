"""A round takes from a neighbour what it may, before the hub and without it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub.delivery import catalog
from eduhub.delivery.models import PackageRow, PartRow, ReleaseRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.errors import LinkDown
from eduhub.installation import Installation
from eduhub.sync.allowance import traffic
from eduhub.sync.mirrors.models import HeldGrant
from eduhub.sync.models import FetchState
from eduhub.sync.releases import holding, machine, offering
from eduhub.sync.round_report import RoundReport
from tests.sync import releasing
from tests.sync.mirrors.village import Village, held_parts
from tests.sync.world import Wire, app_of, noise


def test_without_a_hub_a_box_gets_its_lesson_from_its_neighbour(village: Village) -> None:
    village.sight()
    village.round_without_hub()
    assert held_parts(village.far, village.package) == held_parts(village.near, village.package)
    with village.far.database.read() as session:
        assert session.get_one(PackageRow, village.package).floor_held
    assert village.mirror().bytes_got > 100_000
    assert (village.mirror().name, village.mirror().node_uid) == ("shuanghu-1", village.near_uid)


def test_with_a_hub_no_byte_of_a_part_crosses_the_link_that_a_neighbour_has(village: Village) -> None:
    village.sight()
    before = len(village.hub.wire.requests)
    report = village.round()
    assert report.fetched.parts == 5
    asked = [path for _method, path, _range in village.hub.wire.requests[before:]]
    assert not any(path.startswith("/p/") or path == "/sync/v1/passes" for path in asked)
    with village.far.database.read() as session:
        now_ms = traffic.now_ms(session, village.far.steady)
        moved = traffic.by_hour(session, now_ms - traffic.HOUR_MS)
    by_way = {found.via: found.moved.down for found in moved}
    assert by_way[traffic.NEIGHBOUR] > 100_000
    assert by_way.get(traffic.LINK, 0) < 30_000


def test_what_a_neighbour_lacks_comes_from_the_hub(village: Village) -> None:
    later = village.hub.lesson(village.course, position=1)
    village.sight()
    before = len(village.hub.wire.requests)
    village.round()
    assert held_parts(village.far, later)
    assert held_parts(village.far, village.package) == held_parts(village.near, village.package)
    from_hub = {path.split("/")[2] for _method, path, _range in village.hub.wire.requests[before:] if path.startswith("/p/")}
    assert from_hub == {later}


def test_part_of_a_lesson_at_a_neighbour_is_taken_and_the_rest_not_asked_for_there(village: Village) -> None:
    with village.near.database.write() as session:
        gone = session.scalars(select(PartRow).where(PartRow.package_id == village.package).order_by(PartRow.bytes.desc())).first()
        assert gone is not None
        gone.held = False
    village.sight()
    village.round_without_hub()
    assert held_parts(village.far, village.package) == held_parts(village.near, village.package)
    assert not any(gone.sha256 in path for _method, path, _range in village.wire.requests)


def test_the_catalog_comes_from_a_neighbour_that_is_ahead(village: Village) -> None:
    village.hub.lesson(village.course, position=1)
    village.hub.sync(village.near)
    village.sight()
    village.round_without_hub()
    with village.far.database.read() as far, village.near.database.read() as near:
        assert catalog.sequence(far) == catalog.sequence(near)
        assert catalog.head(far) == catalog.head(near)


def test_with_a_hub_only_what_no_neighbour_has_of_the_catalog_is_read_there(village: Village) -> None:
    village.hub.lesson(village.course, position=1)
    village.hub.sync(village.near)
    village.sight()
    before = len(village.hub.wire.requests)
    village.round()
    assert not any("/catalog/" in path for _method, path, _range in village.hub.wire.requests[before:])


def test_an_older_catalog_is_only_old(village: Village) -> None:
    village.hub.lesson(village.course, position=1)
    village.meet(village.far)  # ahead of its neighbour
    village.sight()
    village.round_without_hub()
    assert village.mirror().why is None
    assert held_parts(village.far, village.package)


def test_a_neighbour_that_has_nothing_is_left_alone_for_a_while_without_blame(village: Village) -> None:
    village.sight()
    village.round()
    asked = len(village.ways.asked)
    later = village.hub.lesson(village.course, position=1)
    village.round()
    assert held_parts(village.far, later)
    assert (village.mirror().why, village.mirror().failures) == ("empty", 0)
    assert len(village.ways.asked) > asked
    asked = len(village.ways.asked)
    village.hub.lesson(village.course, position=2)
    village.round()
    assert len(village.ways.asked) == asked


def test_whom_nobody_knows_is_not_asked_and_an_idle_box_asks_nobody(village: Village) -> None:
    village.round_without_hub()
    assert village.ways.asked == []
    village.hub.wire.cut_after = None
    village.round()
    village.sight()
    village.round()
    assert village.wire.requests == []  # all is here: there is nothing to ask


def test_large_parts_come_in_pieces_from_two_neighbours_and_the_hub(
    village: Village, make_box: Callable[[], Installation]
) -> None:
    big = village.hub.lesson(village.course, position=1, parts={"aac": noise("a", 3 * PIECE_BYTES), "v240": noise("v", 9 * PIECE_BYTES + 7)})
    village.hub.sync(village.near)
    other = make_box()
    other_uid = village.hub.join(other, village.hub.school("Baingoin"), "baingoin-1")
    village.hub.sync(other)
    assert not held_parts(other, big)  # no class of it takes the course, and so it has nothing to give
    village.meet(village.far)
    village.ways.wires["http://other.test"] = Wire(app_of(other))
    village.sight()
    village.sight("http://other.test", other_uid)
    village.wire.cut_after = 4 * PIECE_BYTES
    village.round()
    assert held_parts(village.far, big) == held_parts(village.near, big)
    assert village.mirror().bytes_got > 3 * PIECE_BYTES
    with village.far.database.read() as session:
        assert session.scalars(select(FetchState)).all() == []


def test_a_named_mirror_serves_as_well_and_is_booked_to_the_link(village: Village) -> None:
    village.name()
    village.round_without_hub()
    assert held_parts(village.far, village.package)
    with village.far.database.read() as session:
        now_ms = traffic.now_ms(session, village.far.steady)
        assert {found.via for found in traffic.by_hour(session, now_ms - traffic.HOUR_MS)} == {traffic.LINK}


def test_a_box_without_a_grant_asks_no_mirror_for_parts(village: Village) -> None:
    village.sight()
    with village.far.database.write() as session:
        session.delete(session.get_one(HeldGrant, 1))
    village.round_without_hub()
    assert not held_parts(village.far, village.package)
    assert not any("mirror/passes" in path for _method, path, _range in village.wire.requests)


def test_a_round_that_loses_the_hub_says_what_its_neighbours_gave(village: Village) -> None:
    village.hub.lesson(village.course, position=1)  # of which the far box's school stream says nothing yet
    village.hub.sync(village.near)
    village.sight()
    village.lose_the_hub()
    told: list[RoundReport] = []
    for _ in range(2):
        with pytest.raises(LinkDown):
            village.round(on_lost=told.append)
    first, second = told
    assert first.fetched.parts == 5
    assert first.catalog_entries == 1
    assert "parts 5" in first.without_hub()
    assert "no other box gave anything" in second.without_hub()


def test_the_program_comes_from_a_neighbour_that_has_it(village: Village, tmp_path: Path) -> None:
    row = releasing.publish(village.hub, "90.1.0", tmp_path / "wheels")
    with village.hub.here.database.write() as session:
        offering.offer(session, release_id=row.id, org_uid=village.hub.region)
    village.hub.sync(village.near)
    village.hub.wire.instead |= {f"/p/{row.id}/{row.id}": (404, b'{"code": "asked.not_found"}')}
    village.sight()
    before = len(village.hub.wire.requests)
    village.round()
    village.round()
    with village.far.database.read() as session:
        manifest = holding.read(session.get_one(ReleaseRow, row.id))
    assert manifest is not None
    assert holding.missing(village.far.blobs, manifest, machine.target()) == []
    assert not any(path.startswith(f"/p/{row.id}/") for _method, path, _range in village.hub.wire.requests[before:])
    assert village.mirror().why is None


def test_a_neighbour_with_a_part_of_the_program_gives_that_and_the_hub_the_rest(village: Village, tmp_path: Path) -> None:
    row = releasing.publish(village.hub, "90.1.0", tmp_path / "wheels")
    with village.hub.here.database.write() as session:
        offering.offer(session, release_id=row.id, org_uid=village.hub.region)
    village.hub.sync(village.near)
    with village.near.database.read() as session:
        manifest = holding.read(session.get_one(ReleaseRow, row.id))
    assert manifest is not None
    own = next(wheel for wheel in manifest.files if wheel.project == "eduhub")
    village.near.blobs.path(own.sha256).unlink()
    village.sight()
    before = len(village.hub.wire.requests)
    village.round()
    village.round()
    assert holding.missing(village.far.blobs, manifest, machine.target()) == []
    from_hub = {path.split("/")[3] for _method, path, _range in village.hub.wire.requests[before:] if path.startswith(f"/p/{row.id}/")}
    assert from_hub == {own.sha256}
