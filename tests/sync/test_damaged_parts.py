"""What the disk of a box has damaged is fetched again in the next round, and only that."""

import pytest
from sqlalchemy import select

from eduhub.delivery.models import DamagedBlob, PackageRow, PartRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.installation import Installation
from tests.delivery.damage import rot, scrubbed
from tests.sync.world import Hub, noise


@pytest.mark.parametrize("kind", ["audio", "video", "pieces", "manifest"])
def test_a_damaged_part_of_a_lesson_comes_back(hub: Hub, box: Installation, kind: str) -> None:
    school = hub.school("Shuanghu")
    parts = {"index": noise("index", 700), "aac": noise("aac", PIECE_BYTES + 77), "v240": noise("v", 2 * PIECE_BYTES + 1)}
    package_id = hub.lesson(hub.course(hub.region, groups=(school,)), parts=parts)
    hub.join(box, school)
    hub.sync(box)
    with box.database.read() as session:
        of_kind = select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.kind == kind)
        name = package_id if kind == "manifest" else session.scalars(of_kind.order_by(PartRow.bytes)).first()
    assert name is not None
    good = box.blobs.path(name).read_bytes()
    rot(box, name)
    scrubbed(box)
    linked = box.packages_dir / package_id / name
    if kind in {"pieces", "manifest"}:
        assert linked.read_bytes() == good  # made again here, without the link
    else:
        assert not linked.exists()
    report = hub.sync(box)
    assert report.fetched.parts == (0 if kind in {"pieces", "manifest"} else 1)
    assert linked.read_bytes() == good
    with box.database.read() as session:
        assert session.get_one(PackageRow, package_id).floor_held
        assert session.get_one(DamagedBlob, name).mended_ms is not None
        assert {row.held for row in session.scalars(select(PartRow).where(PartRow.package_id == package_id))} == {True}
