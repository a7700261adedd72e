"""A hub and a box that are two versions apart work together: joining, streams, lessons, events and changes home.

The older ones are frozen builds (.ci/freeze.py), the programs real processes that talk over HTTP.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.accounts.models import Credential, Person, RoleGrant
from eduhub.config import Settings
from eduhub.installation import Installation, open_installation
from eduhub.schools.models import Site
from eduhub.sync.courier import sealing
from eduhub.sync.mirrors import shutting_out
from eduhub.sync.mirrors.models import ShutOutNode
from eduhub.sync.models import CoursePolicy, Node, SitePolicy
from eduhub.sync.releases import fetching, offering
from eduhub.uids import new_uid
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


def every_later_kind(session: Session, here: Installation, made: dict[str, Any]) -> str:
    """At today's hub: rows and entries of every kind that came after the older versions; returns a box that was replaced."""
    site = session.scalars(select(Site.uid).where(Site.org_uid == made["org"])).one()
    lost = Node(
        org_uid=made["org"], site_uid=site, name="shuanghu-2", signing_public="1" * 64, sealing_public="2" * 64, certificate={},
        revoked_on="2026-11-25", ended_on="2026-11-25",
    )  # fmt: skip
    teacher = Person(org_uid=made["org"], name="Tashi")
    session.add_all([
        lost, teacher, SitePolicy(uid=site, org_uid=made["org"], day_mb=500),
        CoursePolicy(org_uid=made["org"], site_uid=site, course_uid=made["course"], wanted="all"),
        RoleGrant(org_uid=made["org"], person_uid=teacher.uid, role="teacher", scope_kind="organisation", scope_uid=made["org"], starts_on="2026-09-01"),
        Credential(org_uid=made["org"], person_uid=teacher.uid, kind="box_word", verifier="until=2027-01-01 $argon2id$v=19$", machine_uid=new_uid()),
    ])  # fmt: skip
    session.flush()
    sealing.state_key(session, here)
    shutting_out.tell(session, here, lost.uid)
    return lost.uid


@pytest.mark.parametrize("version", OLDER)
def test_an_old_box_works_with_a_new_hub(machine: Callable[[str, str], Machine], version: str) -> None:
    meet(machine(TODAY, "hub"), machine(version, "node"))


@pytest.mark.parametrize("version", OLDER)
def test_a_new_box_works_with_an_old_hub(machine: Callable[[str, str], Machine], version: str) -> None:
    meet(machine(version, "hub"), machine(TODAY, "node"))


@pytest.mark.parametrize("version", OLDER)
def test_an_old_box_passes_by_what_it_does_not_know_and_knows_of_it_once_its_program_is_new(
    machine: Callable[[str, str], Machine], version: str, tmp_path: Path
) -> None:
    hub, box = machine(TODAY, "hub"), machine(version, "node")
    made = hub.act("found")
    here = open_installation(Settings(role="hub", data_dir=hub.data_dir))
    row = releasing.publish_at(here, "90.1.0", tmp_path / "wheels")
    with here.database.write() as session:
        offering.offer(session, release_id=row.id, org_uid=made["region"])
        lost = every_later_kind(session, here, made)
    here.database.close()
    with hub.serving():
        box.eduhub("node", "join", hub.url, made["code"])
        box.eduhub("sync", "now")
        assert box.act("look")["packages"].keys() == {made["package"]}
        assert set(box.act("look")["changed_tables"]) >= {"release_offer", "site_policy", "course_policy", "node", "credential"}
        box.version = TODAY
        box.eduhub("sync", "now")
        assert row.id in box.act("look")["packages"]
    there = open_installation(Settings(role="node", data_dir=box.data_dir))
    with there.database.read() as session:
        found = fetching.offered(session, "0.4.0")
        assert session.scalars(select(SitePolicy.day_mb)).all() == [500]
        assert session.scalars(select(CoursePolicy.wanted)).all() == ["all"]
        assert session.get_one(Node, lost).ended_on == "2026-11-25"
        assert session.get(ShutOutNode, lost) is not None
        assert sealing.stated_key(session) is not None
    there.database.close()
    assert found is not None
    assert found.version == "90.1.0"
