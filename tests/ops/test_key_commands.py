"""`eduhub keys`: an operator changes the key that the hub signs with, and shuts out one that others may have seen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub.config import Settings
from eduhub.delivery import catalog, keys
from eduhub.delivery.trust import keyring, revoke_statement
from eduhub.installation import Installation
from tests.ops.commanding import eduhub
from tests.sync.world import Hub

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]


def test_a_key_is_changed_and_the_old_one_shut_out_and_boxes_follow(
    hub: Hub, make_installation: Callable[..., Installation], tmp_path: Path
) -> None:
    box, school = make_installation(role="node"), hub.school("Shuanghu", children=1)
    hub.join(box, school)
    hub.sync(box)
    hub.here.keys.take_root_away(tmp_path / "root.key")
    old = hub.here.keys.publishing.id
    done = eduhub(hub.here.settings, "keys", "rotate", "--revoke", "--root-key", str(tmp_path / "root.key"))
    new = hub.here.keys.publishing.id
    assert (done.returncode, new != old) == (0, True), done.stderr
    assert f"with the key {new} now" in done.stdout
    assert f"--revoked {old}" in done.stdout
    lines = eduhub(hub.here.settings, "keys", "list").stdout.splitlines()
    assert ["signs now" in line for line in lines if line.startswith(new)] == [True]
    assert ["shut out from entry" in line for line in lines if line.startswith(old)] == [True]
    hub.sync(box)
    with box.database.read() as session:
        ring = keyring(session)
        assert (ring.keys[old].revoked_at_sequence, ring.keys[new].revoked_at_sequence) == (catalog.sequence(session), None)


def test_a_key_that_only_boxes_know_can_be_shut_out_and_the_present_one_only_after_it_was_changed(hub: Hub) -> None:
    assert "No key 00112233445566aa is known here" in eduhub(hub.here.settings, "keys", "revoke", "00112233445566aa").stdout
    present = eduhub(hub.here.settings, "keys", "revoke", hub.here.keys.publishing.id)
    no_key = eduhub(hub.here.settings, "keys", "revoke", "the old one")
    for refused in (present, no_key):
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
    assert "rotate" in present.stderr
    with hub.here.database.read() as session:
        revoked = [key for key, facts in keyring(session).keys.items() if facts.revoked_at_sequence is not None]
    assert revoked == ["00112233445566aa"]


def test_what_a_rotation_that_was_cut_has_left_is_neither_used_nor_believed(hub: Hub) -> None:
    seen, root = hub.here.keys.publishing.id, hub.here.keys.root
    with hub.here.database.write() as session:
        left = keys.rotate(session, hub.here.keys, root).id  # and the power went before it was adopted
    refused = eduhub(hub.here.settings, "keys", "revoke", left)
    assert (refused.returncode, "or next" in refused.stderr) == (1, True)
    done = eduhub(hub.here.settings, "keys", "rotate", "--revoke")
    assert all(f"The key {key} is shut out" in done.stdout for key in (seen, left)), done.stderr
    assert hub.here.keys.publishing.id not in (seen, left)
    again = eduhub(hub.here.settings, "keys", "rotate", "--revoke")
    assert again.stdout.count("is shut out") == 1  # the one before: all others were already


def test_without_its_root_key_a_hub_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.here.keys.take_root_away(tmp_path / "root.key")

    def state() -> tuple[str, int, list[str]]:
        with hub.here.database.read() as session:
            return hub.here.keys.publishing.id, catalog.sequence(session), sorted(path.name for path in hub.here.keys.folder.iterdir())

    before = state()
    done = eduhub(hub.here.settings, "keys", "rotate")
    assert (done.returncode, state()) == (1, before)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("list",), ("rotate",), ("revoke", "00112233445566aa")])
def test_a_box_has_no_keys_to_change(make_settings: Callable[..., Settings], arguments: tuple[str, ...]) -> None:
    done = eduhub(make_settings(role="node"), "keys", *arguments)
    assert done.returncode == 1
    assert "at the hub" in done.stderr


def test_the_root_key_is_put_away(hub: Hub, tmp_path: Path) -> None:
    root = hub.here.keys.root
    done = eduhub(hub.here.settings, "keys", "put-away", str(tmp_path / "root.key"))
    assert (done.returncode, hub.here.keys.has_root) == (0, False), done.stderr
    assert keys.read_key(tmp_path / "root.key").id == root.id
    again = eduhub(hub.here.settings, "keys", "put-away", str(tmp_path / "second.key"))
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)


def test_a_key_that_was_shut_out_before_it_was_used_is_not_taken_up(hub: Hub) -> None:
    root = hub.here.keys.root
    with hub.here.database.write() as session:
        left = keys.rotate(session, hub.here.keys, root).id
        catalog.append(session, hub.here.keys, "revoke", revoke_statement(root, keyring(session).hub_uid, left))  # as releases before 0.5 could
    with hub.here.database.write() as session:
        assert keys.rotate(session, hub.here.keys, root).id != left
    hub.here.keys.adopt_next_publishing()
    with hub.here.database.write() as session:
        catalog.sign_head(session, hub.here.keys)
