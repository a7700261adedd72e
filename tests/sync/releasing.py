"""Releases for tests: wheels that pip installs, of a few kilobytes, and the key that signs them."""

import base64
import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from eduhub.delivery import release
from eduhub.delivery.models import ReleaseRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.delivery.release import Release, Wheel
from eduhub.installation import Installation
from eduhub.signing import SigningKey, sha256_hex
from eduhub.sync.releases import machine, publishing
from tests.sync.world import Hub, noise, piece_hashes

KEY = SigningKey.from_seed(bytes(range(32)))


def wheel_bytes(project: str, version: str, files: dict[str, bytes], *, scripts: str = "") -> bytes:
    """A wheel of one project."""
    info = f"{project}-{version}.dist-info"
    whole = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if scripts:
        whole[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n".encode()
    record = "".join(f"{name},sha256={_urlsafe(payload)},{len(payload)}\n" for name, payload in whole.items())
    whole[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, payload in whole.items():
            archive.writestr(zipfile.ZipInfo(name), payload)
    return packed.getvalue()


def _urlsafe(payload: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(payload).digest()).rstrip(b"=").decode()


def wheels_of(version: str) -> dict[str, bytes]:
    """Stand-ins: a small EduHub of that version, and a library of several pieces that is the same in each."""
    return {
        f"eduhub-{version}-py3-none-any.whl": wheel_bytes("eduhub", version, {"eduhub/__init__.py": f"__version__ = {version!r}\n".encode()}),
        "library-1.0-py3-none-any.whl": wheel_bytes("library", "1.0", {"library.py": b"# \xff", "noise": noise("library", 2 * PIECE_BYTES + 9)}),
    }


def manifest_of(version: str, files: dict[str, bytes], **values: Any) -> Release:
    """The manifest of some wheels, for this machine."""
    listed = tuple(
        Wheel(
            name=name, sha256=sha256_hex(payload), bytes=len(payload),
            pieces=sha256_hex(piece_hashes(payload)) if len(payload) > PIECE_BYTES else None,
        )
        for name, payload in sorted(files.items())
    )  # fmt: skip
    usual = Release(
        version=version, made_from="0" * 40, needs_at_least="0.1.0", targets=(machine.target(),), goes_back_to=(), files=listed
    )
    return replace(usual, **values)


def publish(hub: Hub, version: str, folder: Path, *, files: dict[str, bytes] | None = None, key: SigningKey = KEY, **values: Any) -> ReleaseRow:
    """A release at the hub, signed by a key that the root has stated."""
    return publish_at(hub.here, version, folder, files=files, key=key, **values)


def publish_at(
    here: Installation, version: str, folder: Path, *, files: dict[str, bytes] | None = None, key: SigningKey = KEY, **values: Any
) -> ReleaseRow:
    """The same for any installation of a hub."""
    wheels = files or wheels_of(version)
    written = manifest_of(version, wheels, **values).to_bytes()
    folder.mkdir(exist_ok=True)
    for name, payload in wheels.items():
        (folder / name).write_bytes(payload)
    with here.database.write() as session:
        publishing.state_key(session, here, here.keys.root, KEY.public)
        row = publishing.publish(session, here, written, {name: folder / name for name in wheels}, key)
        assert release.id_of(written) == row.id
        session.flush()
        session.expunge(row)
    return row
