"""What every blob store must do. A new store joins STORES and passes all of it."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from eduhub.delivery.blobs import Blob, BlobStore
from eduhub.delivery.blobs_disk import DiskStore
from eduhub.errors import BadFormat, BlobMissing, HashMismatch

STORES: dict[str, Callable[[Path], BlobStore]] = {"disk": DiskStore}
PACKAGE = "a" * 64


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return STORES[request.param](tmp_path / "data")


def name_of(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


@pytest.mark.parametrize("payload", [b"", b"a", b"voice" * 400_000])
def test_bytes_that_were_put_are_read_back_under_their_hash(store: BlobStore, payload: bytes) -> None:
    blob = store.put_bytes(payload)
    assert blob == Blob(name_of(payload), len(payload))
    assert store.has(blob.sha256)
    with store.open(blob.sha256) as file:
        assert file.read() == payload
    assert store.path(blob.sha256).read_bytes() == payload


def test_putting_the_same_bytes_twice_keeps_one_blob(store: BlobStore) -> None:
    first = store.put_bytes(b"stills")
    inode = store.path(first.sha256).stat().st_ino
    assert store.put_bytes(b"stills") == first
    assert store.path(first.sha256).stat().st_ino == inode


def test_a_file_is_moved_in(store: BlobStore, tmp_path: Path) -> None:
    incoming = tmp_path / "v240.mp4"
    incoming.write_bytes(b"picture" * 1000)
    blob = store.put_file(incoming, expect=name_of(b"picture" * 1000))
    assert not incoming.exists()
    assert store.path(blob.sha256).read_bytes() == b"picture" * 1000


def test_a_file_that_is_held_already_leaves_its_place(store: BlobStore, tmp_path: Path) -> None:
    blob = store.put_bytes(b"again")
    incoming = tmp_path / "again"
    incoming.write_bytes(b"again")
    assert store.put_file(incoming) == blob
    assert not incoming.exists()


def test_a_file_with_other_bytes_than_promised_is_refused_and_left_alone(store: BlobStore, tmp_path: Path) -> None:
    incoming = tmp_path / "broken.part"
    incoming.write_bytes(b"not what was promised")
    with pytest.raises(HashMismatch):
        store.put_file(incoming, expect=name_of(b"promised"))
    assert incoming.read_bytes() == b"not what was promised"
    assert not store.has(name_of(b"promised"))
    assert not store.has(name_of(b"not what was promised"))


def test_a_file_with_a_second_name_is_copied_so_that_the_blob_cannot_be_changed(
    store: BlobStore, tmp_path: Path
) -> None:
    incoming, other = tmp_path / "one", tmp_path / "two"
    incoming.write_bytes(b"shared")
    os.link(incoming, other)
    blob = store.put_file(incoming)
    other.write_bytes(b"changed later")
    assert store.path(blob.sha256).read_bytes() == b"shared"
    assert not incoming.exists()


def test_a_symbolic_link_is_never_followed_in(store: BlobStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"keys")
    (tmp_path / "link").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        store.put_file(tmp_path / "link")
    assert secret.exists()


def test_a_stored_blob_is_not_writable(store: BlobStore, tmp_path: Path) -> None:
    incoming = tmp_path / "file"
    incoming.write_bytes(b"moved")
    for blob in (store.put_bytes(b"written"), store.put_file(incoming)):
        assert store.path(blob.sha256).stat().st_mode & 0o777 == 0o444


def test_what_is_not_here_is_missing(store: BlobStore) -> None:
    absent = name_of(b"never put")
    assert not store.has(absent)
    with pytest.raises(BlobMissing):
        store.open(absent)
    with pytest.raises(BlobMissing):
        store.path(absent)
    with pytest.raises(BlobMissing):
        store.link(PACKAGE, absent)
    store.remove(absent)
    store.unlink_package(PACKAGE)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "ä" * 64])
def test_a_name_that_is_not_a_hash_is_refused_everywhere(store: BlobStore, name: str) -> None:
    for use in (store.has, store.open, store.path, store.remove, store.unlink_package):
        with pytest.raises(BadFormat):
            use(name)
    with pytest.raises(BadFormat):
        store.link(PACKAGE, name)
    with pytest.raises(BadFormat):
        store.link(name, store.put_bytes(b"x").sha256)


def test_a_removed_blob_can_be_put_again(store: BlobStore) -> None:
    blob = store.put_bytes(b"back soon")
    store.remove(blob.sha256)
    assert not store.has(blob.sha256)
    assert store.put_bytes(b"back soon") == blob
    assert store.has(blob.sha256)


def test_a_package_that_is_unlinked_can_be_linked_again(store: BlobStore) -> None:
    blob = store.put_bytes(b"part")
    for _ in range(2):
        store.link(PACKAGE, blob.sha256)
        store.link(PACKAGE, blob.sha256)
        store.unlink_package(PACKAGE)
        store.unlink_package(PACKAGE)
    assert store.has(blob.sha256)


def test_every_blob_is_listed_once(store: BlobStore) -> None:
    put = [store.put_bytes(payload).sha256 for payload in (b"one", b"two", b"one")]
    assert sorted(store.names()) == sorted(set(put))
    assert sum(1 for _ in store.packages()) == 0
    store.link(PACKAGE, put[0])
    assert [package_id for package_id, _mark in store.packages()] == [PACKAGE]


@pytest.mark.parametrize("how", ["put_bytes", "put_file", "take", "link", "link again"])
def test_a_blob_that_somebody_takes_is_not_removed_by_who_looked_before(
    store: BlobStore, tmp_path: Path, how: str
) -> None:
    sha256 = store.put_bytes(b"nobody needs it").sha256
    if how == "link again":
        store.link(PACKAGE, sha256)
    before = store.mark(sha256)
    assert before is not None
    assert store.mark(sha256) == before
    if how == "put_bytes":
        store.put_bytes(b"nobody needs it")
    elif how == "put_file":
        (tmp_path / "again").write_bytes(b"nobody needs it")
        store.put_file(tmp_path / "again")
    elif how == "take":
        assert store.take(sha256)
    else:
        store.link(PACKAGE, sha256)
    assert store.remove_untouched(sha256, before, lambda: True) is False
    now = store.mark(sha256)
    assert now is not None
    assert store.remove_untouched(sha256, now, lambda: False) is False
    assert store.has(sha256)
    assert store.remove_untouched(sha256, now, lambda: True) is True
    assert not store.has(sha256)
    assert not store.take(sha256)


def test_a_package_that_somebody_links_into_is_not_taken_away_by_who_looked_before(store: BlobStore) -> None:
    first, second = store.put_bytes(b"first").sha256, store.put_bytes(b"second").sha256
    store.link(PACKAGE, first)
    before = dict(store.packages())[PACKAGE]
    store.link(PACKAGE, second)
    assert store.unlink_untouched(PACKAGE, before, lambda: True) is False
    now = dict(store.packages())[PACKAGE]
    assert store.unlink_untouched(PACKAGE, now, lambda: False) is False
    assert store.unlink_untouched(PACKAGE, now, lambda: True) is True
    assert store.unlink_untouched(PACKAGE, now, lambda: True) is False


def test_a_blob_in_quarantine_can_be_read_nowhere_and_put_again(store: BlobStore) -> None:
    sha256 = store.put_bytes(b"it was whole once").sha256
    store.link(PACKAGE, sha256)
    file_id = store.file_id(sha256)
    assert file_id is not None
    assert store.quarantine(sha256, file_id + 1) is False
    assert store.quarantine(sha256, file_id) is True
    assert not store.has(sha256)
    assert list(store.names()) == []
    assert store.file_id(sha256) is None
    assert store.quarantine(sha256, None) is True
    store.put_bytes(b"it was whole once")
    store.link(PACKAGE, sha256)
    store.drop_quarantined(sha256)
    store.drop_quarantined(sha256)
    with store.open(sha256) as file:
        assert file.read() == b"it was whole once"


@pytest.mark.parametrize("how", ["put_bytes", "put_file"])
def test_good_bytes_take_the_place_of_damaged_ones_in_every_package(store: BlobStore, tmp_path: Path, how: str) -> None:
    good = b"what Tashi recorded"
    sha256 = store.put_bytes(good).sha256
    for package_id in (PACKAGE, "b" * 64):
        store.link(package_id, sha256)
    path = store.path(sha256)
    path.chmod(0o600)
    path.write_bytes(b"WHAT TASHI RECORDED")
    if how == "put_bytes":
        store.put_bytes(good)
    else:
        (tmp_path / "again").write_bytes(good)
        store.put_file(tmp_path / "again")
    assert store.path(sha256).read_bytes() == good
    for package_id in (PACKAGE, "b" * 64):
        linked = tmp_path / "data" / "packages" / package_id / sha256
        assert linked.read_bytes() == good
        assert linked.samefile(store.path(sha256))
