"""Key files: who may read them, and that the root can be taken away."""

import os
import threading
from pathlib import Path

import pytest

from eduhub.delivery.chest import KeyChest, read_key, write_key
from eduhub.errors import BadFormat, KeyMissing
from eduhub.signing import SigningKey


@pytest.fixture
def chest(tmp_path: Path) -> KeyChest:
    return KeyChest(tmp_path / "keys")


def test_nothing_makes_a_key_by_itself(chest: KeyChest) -> None:
    for name in ("root", "publishing", "node_signing", "node_sealing", "secret"):
        with pytest.raises(KeyMissing):
            getattr(chest, name)
    assert not chest.folder.exists()


def test_only_the_owner_may_read_key_files(chest: KeyChest) -> None:
    chest.make_root(), chest.make_publishing(), chest.make_node_keys(), chest.make_secret()
    assert chest.folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in chest.folder.iterdir()} == {0o600}
    assert {file.name for file in chest.folder.iterdir()} == {
        "root.key", "publishing.key", "node-signing.key", "node-sealing.key", "secret.key"
    }  # fmt: skip


def test_a_key_is_made_once(chest: KeyChest) -> None:
    assert chest.make_root().id == chest.make_root().id == chest.root.id
    chest.make_node_keys()
    signing, sealing = chest.node_signing.id, chest.node_sealing
    chest.make_node_keys()
    assert (chest.node_signing.id, chest.node_sealing) == (signing, sealing)


def test_processes_that_start_together_share_one_secret(chest: KeyChest) -> None:
    start, found = threading.Barrier(8), []

    def make() -> None:
        start.wait()
        found.append(KeyChest(chest.folder).make_secret())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {chest.secret}
    assert [file.name for file in chest.folder.iterdir()] == ["secret.key"]


def test_the_root_key_is_taken_away_to_a_stick(chest: KeyChest, tmp_path: Path) -> None:
    root = chest.make_root()
    chest.take_root_away(tmp_path / "stick.key")
    assert not chest.has_root
    assert read_key(tmp_path / "stick.key").id == root.id
    assert (tmp_path / "stick.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyMissing):
        chest.take_root_away(tmp_path / "other.key")


def test_the_root_key_never_overwrites_a_file(chest: KeyChest, tmp_path: Path) -> None:
    chest.make_root()
    (tmp_path / "stick.key").write_text("another hub's root")
    with pytest.raises(FileExistsError):
        chest.take_root_away(tmp_path / "stick.key")
    assert chest.has_root
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys", "stick.key"]


@pytest.mark.parametrize("content", [b"", b"abc", b"0" * 63, b"0" * 66, b"zz" * 32, b"\xff" * 64])
def test_a_file_that_is_not_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "root.key").write_bytes(content)
    with pytest.raises(BadFormat):
        read_key(tmp_path / "root.key")


def test_a_written_key_reads_back(tmp_path: Path) -> None:
    key = SigningKey.generate()
    write_key(tmp_path / "a.key", key.seed)
    assert read_key(tmp_path / "a.key").public == key.public


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a file from its owner")
def test_a_key_that_root_makes_belongs_to_whom_the_hub_runs_as(tmp_path: Path) -> None:
    chest = KeyChest(tmp_path / "keys")
    chest.make_publishing()
    os.chown(chest.folder, 12345, 12345)
    chest.make_next_publishing()
    chest.adopt_next_publishing()
    facts = (chest.folder / "publishing.key").stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (12345, 12345, 0o600)
