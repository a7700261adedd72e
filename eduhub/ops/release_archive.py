"""The file in which a release leaves the machine where it was built: its manifest, then its wheels, in the manifest's order.

Nothing of it is believed here but what its own manifest says; who signs it looks at that. See docs/formats/releases.md.
This module must not know keys or the store.
"""

import io
import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from eduhub.delivery.release import MAX_MANIFEST_BYTES, Release, id_of
from eduhub.errors import BadFormat, HashMismatch
from eduhub.ops.backup_files import sha256_of

_MANIFEST = re.compile(r"release-([0-9a-f]{64})\.json")


def write(out: Path, manifest_bytes: bytes, wheels: Mapping[str, Path]) -> None:
    """Write an archive that is the same bytes each time. `wheels` are by the manifest's names."""
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as archive:
        _add(archive, manifest_name(manifest_bytes), manifest_bytes)
        for wheel in Release.from_bytes(manifest_bytes).files:
            _add(archive, wheel.name, wheels[wheel.name].read_bytes())


def manifest_name(manifest_bytes: bytes) -> str:
    """Of the manifest in its archive: it bears its hash, for a stick that flips a bit may make another version of it."""
    return f"release-{id_of(manifest_bytes)}.json"


def _add(archive: tarfile.TarFile, name: str, payload: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(payload), 0o644
    archive.addfile(member, io.BytesIO(payload))


def read(path: Path, folder: Path) -> tuple[bytes, dict[str, Path]]:
    """Unpack an archive into `folder`: the manifest, and each wheel by its name, with the hash that the manifest says.

    Raises BadFormat for what no build has written (other names, links, folders, another order or size), HashMismatch.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            payload = _manifest(archive)
            found = Release.from_bytes(payload)
            wheels = {wheel.name: _unpack(archive, wheel.name, wheel.bytes, wheel.sha256, folder) for wheel in found.files}
            if archive.next() is not None:
                raise BadFormat("an archive holds more than its manifest says")
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise BadFormat("not the archive of a release") from error
    return payload, wheels


def _next(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    member = archive.next()
    if member is None or not member.isreg() or not re.fullmatch(name, member.name):
        raise BadFormat(f"an archive has {name} as a plain file in its place")
    return member


def _manifest(archive: tarfile.TarFile) -> bytes:
    member = _next(archive, _MANIFEST.pattern)
    file = archive.extractfile(member)
    if file is None or member.size > MAX_MANIFEST_BYTES:
        raise BadFormat("a manifest is a small file")
    payload = file.read()
    if member.name != manifest_name(payload):
        raise HashMismatch(member.name)
    return payload


def _unpack(archive: tarfile.TarFile, name: str, size: int, sha256: str, folder: Path) -> Path:
    member = _next(archive, re.escape(name))
    file = archive.extractfile(member)
    if file is None or member.size != size:
        raise BadFormat(f"{name} has another size than the manifest says")
    path = folder / name
    with path.open("xb") as target:
        shutil.copyfileobj(file, target)
    if sha256_of(path) != sha256:
        raise HashMismatch(name)
    return path
