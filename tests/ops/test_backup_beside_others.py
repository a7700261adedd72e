"""A backup beside a machine that goes on, other users of the machine, and another backup."""

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts.models import Person
from eduhub.installation import Installation, open_installation
from eduhub.ops import backup, restore
from eduhub.sync.homeward import inbox, outbox
from eduhub.sync.models import Node, OutboxRow
from eduhub.uids import new_uid
from tests.sync.world import WEDNESDAY_MS, Hub, watched


@pytest.fixture
def hub(make_installation: Callable[..., Any]) -> Hub:
    clock.freeze(WEDNESDAY_MS)
    return Hub(make_installation(role="hub"))


def test_other_users_of_the_machine_cannot_read_names_and_verifiers_in_a_backup(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir(mode=0o755)
    backup.backup(hub.here, tmp_path / "stick")
    (tables,) = (tmp_path / "stick").glob("tables-*")
    assert tables.stat().st_mode & 0o077 == 0


def test_a_second_backup_into_a_folder_waits_for_the_first(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    second = threading.Thread(target=backup.backup, args=(hub.here, folder))
    second.start()
    second.join(0.3)
    assert list(folder.iterdir()) == []
    os.close(handle)
    second.join(60)
    assert (folder / "manifest.json").exists()


def test_an_edit_of_before_the_backup_of_a_box_is_not_taken_for_what_the_box_sent_after_it(
    hub: Hub, make_installation: Callable[..., Installation], make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    box = make_installation(role="node")
    school = hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    with box.database.write() as session:
        session.get_one(Person, school.children[0]).name = "Dolma"
    backup.backup(box, tmp_path / "backup")
    with box.database.write() as session:
        outbox.add_events(session, box.steady, [watched(school.org, school.children[0]) | {"uid": new_uid()}])
        incarnation = outbox.incarnations(session)[0]
        # One row goes home, then the box is lost.
        first = session.scalars(select(OutboxRow).order_by(OutboxRow.sequence)).all()[0]
        row = {"sequence": first.sequence, "kind": first.kind, "version": 1, "body": first.body}
    with hub.here.database.write() as session:
        node = session.scalars(select(Node)).one()
        inbox.receive(session, node, {"incarnation": incarnation, "oldest": 1, "rows": [row]})
    settings = make_settings(role="node", empty_database=True)
    restore.restore(tmp_path / "backup", settings, None)
    restored = open_installation(settings)
    try:
        hub.sync(restored)
    finally:
        restored.database.close()
    with hub.here.database.read() as session:
        assert session.get_one(Person, school.children[0]).name == "Dolma"
