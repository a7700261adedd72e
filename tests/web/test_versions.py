"""The operator offers a version to one box, then to all, holds it back and takes it back, and sees how it goes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts.models import AuditEntry
from eduhub.delivery import keys
from eduhub.delivery.models import ReleaseRow
from eduhub.installation import Installation
from eduhub.sync.models import BoxStatus, Node, NodeContact
from eduhub.sync.releases import state_word
from eduhub.sync.releases.models import ReleaseOffer
from eduhub.uids import new_uid
from tests.sync import releasing
from tests.web.world import Reader, World

NEW, PAGE = "90.1.0", "/operator/versions"


@pytest.fixture
def box(installation: Installation, world: World, tmp_path: Path) -> str:
    """A box of the school, and a version that is known."""
    with installation.database.write() as session:
        keys.make_hub_keys(session, installation.keys)
        node = Node(
            org_uid=world.school, site_uid=new_uid(), name="shuanghu-1", signing_public="00", sealing_public="00", certificate={},
            revoked_on=None,
        )  # fmt: skip
        session.add(node)
        session.add(NodeContact(
            node_uid=node.uid, last_ms=clock.now_ms(), version="0.3.0", stream_sequence=0, catalog_sequence=0, disk_full_ms=None
        ))  # fmt: skip
    releasing.publish_at(installation, NEW, tmp_path / "wheels")
    return node.uid


def offers(installation: Installation) -> list[ReleaseOffer]:
    with installation.database.read() as session:
        return list(session.scalars(select(ReleaseOffer).order_by(ReleaseOffer.uid)))


def say(installation: Installation, node_uid: str, release: str | None, version: str = "0.3.0") -> None:
    """What the box tells of itself."""
    with installation.database.write() as session:
        said = {"format": "eduhub-box-status/1", "made_steady_s": 1, "lamp": "green"} | ({"release": release} if release else {})
        session.merge(BoxStatus(node_uid=node_uid, said=said, told_ms=clock.now_ms()))
        session.get_one(NodeContact, node_uid).version = version


def release_of(installation: Installation) -> str:
    with installation.database.read() as session:
        return session.scalars(select(ReleaseRow.id)).one()


@pytest.fixture
def tenzin(browser: Callable[[], Reader], box: str) -> Reader:
    return browser().sign_in("tenzin")


def test_a_version_is_offered_to_a_box_and_the_page_says_how_it_goes(
    tenzin: Reader, installation: Installation, box: str
) -> None:
    asked = {"release_id": release_of(installation), "place": f"box:{box}"}
    assert tenzin.post(PAGE, asked, page=PAGE).status_code == 303
    assert [(row.node_uid, row.version, row.paused) for row in offers(installation)] == [(box, NEW, False)]
    assert "not heard of yet" in tenzin.get(PAGE).text
    for said, seen in (
        (f"coming {NEW} 43", "43 % are there"), (f"ready {NEW}", "is put in when school is over"),
        (f"failed {NEW} unwell", "did not work when it was tried"), (f"by_hand {NEW}", "no launcher runs"),
        (f"unfit {NEW} machine", "not made for a machine like this box"), (f"unfit {NEW} step", "another version has to be put in before it"),
        (f"unfit {NEW} refused", "cannot tell that it is genuine"),
        ("failed 80.0 unwell", "not heard of yet"), ("something a later release says", "not heard of yet"),
    ):  # fmt: skip
        say(installation, box, said)
        assert seen in tenzin.get(PAGE).text
    say(installation, box, None, NEW)
    assert "1 of 1 box runs it" in tenzin.get(PAGE).text
    with installation.database.read() as session:
        assert "sync.offer_version" in session.scalars(select(AuditEntry.action)).all()


def test_an_offer_is_held_back_goes_on_and_is_taken_back(tenzin: Reader, installation: Installation, world: World) -> None:
    tenzin.post(PAGE, {"release_id": release_of(installation), "place": f"org:{world.school}"}, page=PAGE)
    address = f"{PAGE}/{offers(installation)[0].uid}"
    for act, paused in (("pause", True), ("go_on", False)):
        assert tenzin.post(address, {"act": act}, page=PAGE).status_code == 303
        assert offers(installation)[0].paused == paused
    assert tenzin.post(address, {"act": "sell"}, page=PAGE).status_code == 400
    assert tenzin.post(address, {"act": "drop"}, page=PAGE).status_code == 303
    assert offers(installation)[0].dropped_on is not None
    assert "What is offered" not in tenzin.get(PAGE).text
    assert tenzin.post(address, {"act": "go_on"}, page=PAGE).status_code == 404


@pytest.mark.parametrize("place", ["box:01a21113-3080-70f1-86eb-555976e15259", "org:", "nobody", ""])
def test_a_place_that_is_none_is_refused(tenzin: Reader, installation: Installation, place: str) -> None:
    assert tenzin.post(PAGE, {"release_id": release_of(installation), "place": place}, page=PAGE).status_code == 400
    assert offers(installation) == []


def test_every_word_that_a_box_says_is_read_again() -> None:
    for stage in (state_word.COMING, state_word.READY, state_word.FAILED, state_word.BY_HAND):
        assert state_word.read(state_word.write(stage, NEW)) == state_word.Word(stage, NEW)
        assert state_word.read(state_word.write(stage, NEW, "unwell")) == state_word.Word(stage, NEW, "unwell")
    for other in (None, 7, "", "failed", "failed <b>", "in 0.4.0"):
        assert state_word.read(other) == state_word.Word()
