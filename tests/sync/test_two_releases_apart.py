"""A hub and a box that are two versions apart work together: joining, streams, lessons, events and changes home.

The older ones are frozen builds (.ci/freeze.py), the programs real processes that talk over HTTP.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eduhub.config import Settings
from eduhub.installation import open_installation
from eduhub.sync.releases import fetching, offering
from tests.frozen.programs import TODAY, Machine
from tests.sync import releasing

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]

OLDER = ["0.1.0", "0.3.0"]


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str, str], Machine]:
    def make(version: str, role: str) -> Machine:
        return Machine(version, role, tmp_path / f"{role}-{version}")

    return make


def meet(hub: Machine, box: Machine) -> dict[str, Any]:
    """A box joins, gets a lesson, brings home what was done, and gets what came after; returns what the hub made."""
    made = hub.act("found")
    with hub.serving():
        box.eduhub("node", "join", hub.url, made["code"])
        box.eduhub("sync", "now")
        here = box.act("look")
        assert here["people"][made["child"]] == "Dolma"
        assert here["packages"][made["package"]] == hub.act("look")["packages"][made["package"]]
        done = box.act("watch", made["child"])
        following = hub.act("lesson", made["course"])["package"]
        box.eduhub("sync", "now")
        at_hub, here = hub.act("look"), box.act("look")
    assert at_hub["events"][done["event"]] is None
    assert at_hub["people"][done["newcomer"]] == f"Pema of {here['version']}"
    assert here["packages"][following] == at_hub["packages"][following]
    assert here["catalog"] == at_hub["catalog"]
    assert list(at_hub["contacts"].values()) == [here["version"]]
    return made


@pytest.mark.parametrize("version", OLDER)
def test_an_old_box_works_with_a_new_hub(machine: Callable[[str, str], Machine], version: str) -> None:
    meet(machine(TODAY, "hub"), machine(version, "node"))


@pytest.mark.parametrize("version", OLDER)
def test_a_new_box_works_with_an_old_hub(machine: Callable[[str, str], Machine], version: str) -> None:
    meet(machine(version, "hub"), machine(TODAY, "node"))


@pytest.mark.parametrize("version", OLDER)
def test_an_old_box_passes_a_release_by_and_knows_of_it_once_its_program_is_new(
    machine: Callable[[str, str], Machine], version: str, tmp_path: Path
) -> None:
    hub, box = machine(TODAY, "hub"), machine(version, "node")
    made = hub.act("found")
    here = open_installation(Settings(role="hub", data_dir=hub.data_dir))
    row = releasing.publish_at(here, "90.1.0", tmp_path / "wheels")
    with here.database.write() as session:
        offering.offer(session, release_id=row.id, org_uid=made["region"])
    here.database.close()
    with hub.serving():
        box.eduhub("node", "join", hub.url, made["code"])
        box.eduhub("sync", "now")
        assert box.act("look")["packages"].keys() == {made["package"]}
        assert "release_offer" in box.act("look")["changed_tables"]
        box.version = TODAY
        box.eduhub("sync", "now")
        assert row.id in box.act("look")["packages"]
    there = open_installation(Settings(role="node", data_dir=box.data_dir))
    with there.database.read() as session:
        found = fetching.offered(session, "0.4.0")
    there.database.close()
    assert found is not None
    assert found.version == "90.1.0"
