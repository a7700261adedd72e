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
