"""One thing that is broken at the hub or on the box's disk does not keep the box from everything else."""

import shutil

import pytest
from sqlalchemy import select

from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.sync.fetching import partial
from tests.sync.world import Hub


def floors(box: Installation) -> set[str]:
    with box.database.read() as session:
        return set(session.scalars(select(PackageRow.id).where(PackageRow.floor_held)))


def part_of(hub: Hub, package_id: str, kind: str) -> str:
    with hub.here.database.read() as session:
        wanted = select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.kind == kind)
        return session.scalars(wanted).one()


@pytest.mark.parametrize("what", ["a part", "the manifest"])
def test_what_the_hub_lost_of_one_lesson_does_not_hold_up_the_others(hub: Hub, box: Installation, what: str) -> None:
    school = hub.school("Shuanghu")
    course = hub.course(hub.region, groups=(school,))
    broken, whole = hub.lesson(course, position=0), hub.lesson(course, position=1)
    lost = hub.here.packages_dir / broken / (broken if what == "the manifest" else part_of(hub, broken, "index"))
    kept = lost.read_bytes()
    lost.unlink()
    hub.join(box, school)
    hub.sync(box)
    assert floors(box) == {whole}
    lost.write_bytes(kept)
    hub.sync(box)
    assert floors(box) == {broken, whole}


def test_a_kept_page_of_the_catalog_that_a_power_cut_tore_is_asked_for_again(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    (box.settings.data_dir / "work" / "catalog-1-0.page").write_bytes(b"")
    hub.sync(box)
    assert floors(box) == {package}


def test_lessons_leave_room_on_the_disk_for_what_the_children_do(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = hub.school("Shuanghu")
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    hub.join(box, school)
    usage = shutil.disk_usage(box.settings.data_dir)
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda _path: usage._replace(free=partial.KEPT_FREE_BYTES + 100))
    for _round in range(3):
        assert hub.sync(box).fetched.disk_full
    assert floors(box) == set()
    with hub.here.database.read() as session:
        assert session.scalars(select(Event.kind)).all() == ["no_disk"]
    monkeypatch.undo()
    hub.sync(box)
    assert floors(box) == {package}
