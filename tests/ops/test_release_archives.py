"""The file of a release is what was built, or is refused: no other name, kind, order, size or byte; nothing lands beside its folder."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eduhub.errors import BadFormat, HashMismatch
from eduhub.ops import release_archive
from tests.sync.releasing import manifest_of, wheels_of

pytestmark = pytest.mark.any_engine

FILES = wheels_of("90.1.0")
MANIFEST = manifest_of("90.1.0", FILES).to_bytes()
NAMES = sorted(FILES)
NAME = release_archive.manifest_name(MANIFEST)


def built(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, payload in FILES.items():
        (folder / name).write_bytes(payload)
    release_archive.write(folder / "out.tar", MANIFEST, {name: folder / name for name in FILES})
    return folder / "out.tar"


def member(name: str, payload: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(payload) if kind == tarfile.REGTYPE else 0, kind, link
    return info, payload


def packed(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, payload in members:
            archive.addfile(info, io.BytesIO(payload))
    return path


def as_built() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(NAME, MANIFEST), *(member(name, FILES[name]) for name in NAMES)]


def test_what_was_built_is_read_and_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = built(tmp_path / "a"), built(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    (tmp_path / "out").mkdir()
    manifest, wheels = release_archive.read(first, tmp_path / "out")
    assert manifest == MANIFEST
    assert {name: path.read_bytes() for name, path in wheels.items()} == FILES


CHANGES: dict[str, Callable[[list[tuple[tarfile.TarInfo, bytes]]], list[tuple[tarfile.TarInfo, bytes]]]] = {
    "empty": lambda _members: [],
    "no manifest": lambda members: members[1:],
    "another order": lambda members: [members[0], *members[:0:-1]],
    "one is missing": lambda members: members[:-1],
    "one too many": lambda members: [*members, member("more.whl", b"x")],
    "named upwards": lambda members: [members[0], member(f"../{NAMES[0]}", FILES[NAMES[0]]), members[2]],
    "a link": lambda members: [members[0], member(NAMES[0], b"", tarfile.SYMTYPE, "/etc/passwd"), members[2]],
    "a hard link": lambda members: [members[0], member(NAMES[0], b"", tarfile.LNKTYPE, NAME), members[2]],
    "a device": lambda members: [members[0], member(NAMES[0], b"", tarfile.CHRTYPE), members[2]],
    "shorter": lambda members: [members[0], member(NAMES[0], FILES[NAMES[0]][:-1]), members[2]],
    "a manifest without end": lambda members: [member(NAME, b" " * (1 << 20)), *members[1:]],
    "the manifest is a link": lambda members: [member(NAME, b"", tarfile.SYMTYPE, "/etc/passwd"), *members[1:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_anything_else_is_refused(tmp_path: Path, change: str) -> None:
    path = packed(tmp_path / "changed.tar", CHANGES[change](as_built()))
    (tmp_path / "out").mkdir()
    with pytest.raises(BadFormat):
        release_archive.read(path, tmp_path / "out")
    assert {found.name for found in tmp_path.iterdir()} == {"changed.tar", "out"}
    assert {found.name for found in (tmp_path / "out").iterdir()} <= set(NAMES)


def test_a_manifest_of_which_one_digit_changed_is_found(tmp_path: Path) -> None:
    path = packed(tmp_path / "changed.tar", [member(NAME, MANIFEST.replace(b"90.1.0", b"90.1.1")), *as_built()[1:]])
    (tmp_path / "out").mkdir()
    with pytest.raises(HashMismatch):
        release_archive.read(path, tmp_path / "out")


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = packed(tmp_path / "changed.tar", [as_built()[0], member(NAMES[0], FILES[NAMES[0]][:-1] + b"?"), as_built()[2]])
    (tmp_path / "out").mkdir()
    with pytest.raises(HashMismatch):
        release_archive.read(path, tmp_path / "out")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 6000), byte=st.integers(0, 255), cut=st.booleans())
def test_whatever_is_damaged_is_refused_or_did_not_matter(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: bool) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = built(folder / "a")
    payload = bytearray(path.read_bytes())
    payload[at] = byte
    path.write_bytes(payload[:at] if cut else payload)
    (folder / "out").mkdir()
    try:
        manifest, wheels = release_archive.read(path, folder / "out")
    except (BadFormat, HashMismatch):
        return
    assert manifest == MANIFEST
    assert {name: found.read_bytes() for name, found in wheels.items()} == FILES
