"""A stick brings a box the grant that it shows to other boxes, believed by the same signatures as on the link."""

import json
from pathlib import Path
from typing import Any

import pytest

from eduhub import clock
from eduhub.installation import Installation
from eduhub.sync.mirrors import grants
from eduhub.sync.mirrors.models import HeldGrant
from eduhub.sync.models import Node
from tests.sync.sticks import bring, fill
from tests.sync.world import Hub, School


@pytest.fixture
def school(hub: Hub) -> School:
    return hub.school("Shuanghu", children=1)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def held(box: Installation) -> dict[str, Any] | None:
    with box.database.read() as session:
        return grants.shown(session)


def file_of(stick: Path, node_uid: str) -> Path:
    return stick / "eduhub-courier" / "grants" / f"{node_uid}.json"


def test_a_box_that_never_had_a_link_may_ask_its_neighbours(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    node_uid = hub.join(box, school)
    course = hub.course(hub.region, groups=(school,))
    assert held(box) is None
    fill(hub, stick, "shuanghu-3")
    taken = bring(box, stick)
    assert taken.refused == []
    found = held(box)
    assert found is not None
    assert found["grant"]["courses"] == [course]
    assert found["grant"]["node"] == node_uid


def test_an_older_stick_takes_no_newer_grant_away(hub: Hub, box: Installation, school: School, stick: Path) -> None:
    hub.join(box, school)
    fill(hub, stick, "shuanghu-3")
    hub.course(hub.region, groups=(school,))
    clock.freeze(clock.now_ms() + 1000)
    hub.sync(box)
    newer = held(box)
    taken = bring(box, stick)
    assert taken.refused == []
    assert held(box) == newer
    assert newer is not None


@pytest.mark.parametrize("spoil", ["another course", "another box", "torn", "a list", "without a signature", "deep"])
def test_a_grant_that_was_tampered_with_is_refused_and_costs_nothing_else(
    hub: Hub, box: Installation, school: School, stick: Path, spoil: str
) -> None:
    node_uid = hub.join(box, school)
    package = hub.lesson(hub.course(hub.region, groups=(school,)))
    fill(hub, stick, "shuanghu-3")
    path = file_of(stick, node_uid)
    found = json.loads(path.read_bytes())
    if spoil == "another course":
        found["grant"]["courses"].append(node_uid)
    if spoil == "another box":
        with hub.here.database.read() as session:
            other = Node(uid=node_uid, org_uid=school.org, site_uid="", name="", signing_public="0" * 64, sealing_public="", certificate={})
            found = grants.make(session, hub.here, other)
    if spoil == "without a signature":
        del found["signature"]
    payload = {"torn": path.read_bytes()[:-9], "a list": b"[1]", "deep": b"[" * 100_000}.get(spoil, json.dumps(found).encode())
    path.write_bytes(payload)
    taken = bring(box, stick)
    assert taken.refused == ["grant"]
    assert held(box) is None
    assert taken.missing == 0
    assert (box.packages_dir / package).is_dir()
    with box.database.read() as session:
        assert session.get(HeldGrant, 1) is None
