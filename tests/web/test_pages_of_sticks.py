"""Sticks on the pages: at the hub they are filled and read, at a box their lessons are taken; no path of a form is opened."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub.accounts.models import AuditEntry
from eduhub.app import create_app
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.ops.handlers import HANDLERS
from eduhub.schools import organisations
from eduhub.signing import SigningKey, new_sealing_seed, sealing_public
from eduhub.sync.courier import jobs, plugged
from eduhub.sync.models import Node
from eduhub.uids import new_uid
from tests.web.world import Reader, World, add_adult, as_box

LINE = "36 25 8:1 / {place} {options},relatime shared:1 - {kind} /dev/sdb1 rw"


class Sockets:
    """Where sticks are plugged in: folders, and a list of mounts that names them as the kernel does."""

    def __init__(self, root: Path, mounts: Path) -> None:
        self._root, self._mounts = root, mounts
        self._mounts.write_text("")

    def plug(self, name: str, *, options: str = "rw", kind: str = "vfat") -> Path:
        """Plug a stick in."""
        place = self._root / name
        place.mkdir(parents=True)
        escaped = str(place).replace(" ", "\\040")
        with self._mounts.open("a") as file:
            file.write(LINE.format(place=escaped, options=options, kind=kind) + "\n")
        return place


@pytest.fixture
def hub(installation: Installation, tmp_path: Path) -> Installation:
    """The hub, whose sticks are mounted below a folder of this test."""
    return replace(installation, settings=replace(installation.settings, sticks=f"{tmp_path / 'media'}:/nowhere"))


@pytest.fixture
def sockets(hub: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    monkeypatch.setattr(plugged, "MOUNTS", tmp_path / "mountinfo")
    return Sockets(tmp_path / "media", tmp_path / "mountinfo")


def box_of(hub: Installation, org_uid: str, name: str) -> str:
    """A box that has joined."""
    with hub.database.write() as session:
        node = Node(
            org_uid=org_uid, site_uid=new_uid(), name=name, signing_public=SigningKey.generate().public.hex(),
            sealing_public=sealing_public(new_sealing_seed()).hex(), certificate={},
        )
        session.add(node)
        session.flush()
        return node.uid


def work(here: Installation) -> None:
    """Do what waits, as a worker would."""
    with Worker(here.settings.data_dir / "run") as worker:
        while (claim := queue.claim(here.database, worker, [jobs.EXPORT, jobs.IMPORT], 30.0)) is not None:
            HANDLERS[claim.kind](JobContext(here, claim.uid, lambda _share: None, claim.attempt), **claim.args)
            with here.database.write() as session:
                queue.finish(session, claim)


def reader(here: Installation, name: str) -> Reader:
    return Reader(create_app(installation=here).test_client()).sign_in(name)


def test_the_operator_fills_a_stick_and_reads_in_words_what_came_of_it(hub: Installation, world: World, sockets: Sockets) -> None:
    node = box_of(hub, world.school, "shuanghu-1")
    place = sockets.plug("RED STICK")
    tenzin = reader(hub, "tenzin")
    (stick,) = plugged.sticks(hub.settings)
    page = tenzin.get("/operator/sticks").text
    assert "RED STICK" in page
    assert "shuanghu-1" in page
    assert str(place) not in page
    answer = tenzin.post("/operator/sticks/fill", {"stick": stick.key, "box": node}, page="/operator/sticks")
    assert answer.status_code == 303
    assert "data-fresh" in tenzin.get("/operator/sticks").text
    work(hub)
    page = tenzin.get("/operator/sticks").text
    assert "Filled for: shuanghu-1" in page
    assert "You may pull the stick out now." in page
    assert "data-fresh" not in page
    assert (place / "eduhub-courier" / "about.json").exists()
    tenzin.post("/operator/sticks/read", {"stick": stick.key}, page="/operator/sticks")
    work(hub)
    assert "There was nothing on it that is not here already." in tenzin.get("/operator/sticks").text


def test_no_path_and_no_other_mount_is_ever_a_stick(hub: Installation, world: World, sockets: Sockets, tmp_path: Path) -> None:
    node = box_of(hub, world.school, "shuanghu-1")
    sockets.plug("proc", kind="proc")
    (tmp_path / "elsewhere").mkdir()
    tenzin = reader(hub, "tenzin")
    assert plugged.sticks(hub.settings) == []
    for stick in (str(tmp_path / "elsewhere"), "../elsewhere", "", "0" * 16):
        answer = tenzin.post("/operator/sticks/fill", {"stick": stick, "box": node}, page="/operator/boxes")
        assert answer.status_code == 303
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with hub.database.read() as session:
        assert session.scalars(select(JobRow).where(JobRow.kind == jobs.EXPORT)).all() == []


def test_the_disk_of_the_hub_itself_is_no_stick(hub: Installation, sockets: Sockets, tmp_path: Path) -> None:
    own = replace(hub.settings, data_dir=tmp_path / "media" / "disk" / "data")
    sockets.plug("disk", kind="ext4")
    sockets.plug("a stick")
    assert [stick.name for stick in plugged.sticks(own)] == ["a stick"]


def test_a_box_that_the_reader_does_not_look_after_is_not_there(hub: Installation, world: World, sockets: Sockets) -> None:
    sockets.plug("stick")
    (stick,) = plugged.sticks(hub.settings)
    tenzin = reader(hub, "tenzin")
    answer = tenzin.post("/operator/sticks/fill", {"stick": stick.key, "box": new_uid()}, page="/operator/sticks")
    assert answer.status_code == 404
    tenzin.post("/operator/sticks/fill", {"stick": stick.key}, page="/operator/sticks")
    assert "Choose the schools" in tenzin.get("/operator/sticks").text


def test_a_region_reads_of_its_own_boxes_and_of_no_others(hub: Installation, world: World, sockets: Sockets) -> None:
    own = box_of(hub, world.school, "shuanghu-1")
    with hub.database.write() as session:
        far = organisations.add(session, kind="region", names={"en": "Ngari"})
        school = organisations.add(session, kind="school", names={"en": "Gertse school"}, parent_uid=far.uid)
        add_adult(session, "Sonam", far.uid, "region_operator", "organisation", far.uid)
        uid = school.uid
    far_box = box_of(hub, uid, "far-1")
    sockets.plug("stick")
    (stick,) = plugged.sticks(hub.settings)
    tenzin, sonam = reader(hub, "tenzin"), reader(hub, "sonam")
    for chosen in ([own], [own, far_box]):
        tenzin.post("/operator/sticks/fill", {"stick": stick.key, "box": chosen}, page="/operator/sticks")
        page = sonam.get("/operator/sticks").text
        assert "shuanghu-1" not in page
        assert ("data-fresh" in page) is (len(chosen) > 1)
        work(hub)
    page = sonam.get("/operator/sticks").text
    assert "shuanghu-1" not in page
    assert page.count("Filled for: far-1") == 1
    page = tenzin.get("/operator/sticks").text
    assert page.count("Filled for: ") == 2
    assert "far-1, shuanghu-1" in page or "shuanghu-1, far-1" in page


def test_what_could_not_begin_is_not_written_down_as_done(hub: Installation, world: World, sockets: Sockets) -> None:
    node = box_of(hub, world.school, "shuanghu-1")
    tenzin = reader(hub, "tenzin")
    for path, more in (("fill", {"box": node}), ("read", {})):
        tenzin.post(f"/operator/sticks/{path}", {"stick": "0" * 16, **more}, page="/operator/boxes")
    with hub.database.read() as session:
        assert not [action for action in session.scalars(select(AuditEntry.action)) if action.startswith("courier.")]


def test_a_stick_whose_name_is_no_text_stops_no_page(hub: Installation, world: World, sockets: Sockets, tmp_path: Path) -> None:
    node = box_of(hub, world.school, "shuanghu-1")
    place = os.fsencode(tmp_path / "media") + b"/a\xffb"
    os.makedirs(place)
    (tmp_path / "mountinfo").write_bytes(b"36 25 8:1 / " + place + b" rw,relatime shared:1 - vfat /dev/sdb1 rw\n")
    tenzin = reader(hub, "tenzin")
    assert "a\ufffdb" in tenzin.get("/operator/sticks").text
    (stick,) = plugged.sticks(hub.settings)
    tenzin.post("/operator/sticks/fill", {"stick": stick.key, "box": node}, page="/operator/sticks")
    work(hub)
    assert "Filled for: shuanghu-1" in tenzin.get("/operator/sticks").text


def test_a_stick_that_was_pulled_out_before_its_turn_is_said_to_be_gone(
    hub: Installation, world: World, sockets: Sockets, tmp_path: Path
) -> None:
    node = box_of(hub, world.school, "shuanghu-1")
    sockets.plug("stick")
    (stick,) = plugged.sticks(hub.settings)
    tenzin = reader(hub, "tenzin")
    tenzin.post("/operator/sticks/fill", {"stick": stick.key, "box": node}, page="/operator/sticks")
    (tmp_path / "mountinfo").write_text("")
    with Worker(hub.settings.data_dir / "run") as worker:
        claim = queue.claim(hub.database, worker, [jobs.EXPORT], 30.0)
        assert claim is not None
        with pytest.raises(plugged.StickGone):
            HANDLERS[claim.kind](JobContext(hub, claim.uid, lambda _share: None, claim.attempt), **claim.args)
    assert "No stick is plugged" in tenzin.get("/operator/sticks").text


def test_at_a_box_the_lessons_are_taken_with_one_button(hub: Installation, world: World, sockets: Sockets) -> None:
    box = as_box(hub, world)
    box.keys.make_node_keys()
    place = sockets.plug("stick")
    pema = reader(box, "pema")
    assert "Write to it what goes home" in pema.get("/box/sticks").text
    (stick,) = plugged.sticks(box.settings)
    pema.post("/box/sticks", {"stick": stick.key}, page="/box/sticks")
    work(box)
    assert list((place / "eduhub-courier" / "want").iterdir()) != []
    page = pema.get("/box/sticks").text
    assert "What goes home is on the stick." in page
    assert "Take the lessons from it" in page
    pema.post("/box/sticks", {"stick": stick.key}, page="/box/sticks")
    work(box)
    page = pema.get("/box/sticks").text
    assert "of lessons were taken from the stick." in page
    assert "You may pull the stick out now." in page
