"""A release of the program itself: a manifest that names wheels, its id, and its signature.

The manifest is canonical JSON, its id is the SHA-256 of those bytes, and a key with the scope `releases` signs them:
one that the root spoke for and that is kept away from the hub. Fields that this release does not know are kept, since
the bytes are. A wheel is a blob, so that an update brings only the wheels that changed.

This module must not know the database, how a release is fetched or how it is installed. See docs/formats/releases.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eduhub.delivery.blobs import checked_name
from eduhub.delivery.package import PIECE_BYTES, piece_count
from eduhub.delivery.trust import Keyring
from eduhub.errors import BadFormat
from eduhub.signing import Signature, SigningKey, canonical, parse_canonical, sha256_hex

FORMAT = "eduhub-release/1"
SCOPE = "releases"
MAX_MANIFEST_BYTES = 256 << 10
MAX_FILES = 1000
MAX_FILE_BYTES = 1 << 30

Version = tuple[int, ...]
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,3}")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+]{0,79}(-[A-Za-z0-9][A-Za-z0-9._+]{0,79}){3,5}\.whl")
_TARGET = re.compile(r"cp3[0-9]{1,2}-[a-z0-9]+_[a-z0-9_]{1,20}")


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One file of a release. `targets`: the machines it is for, as `cp311-linux_x86_64`; none: every one."""

    name: str
    sha256: str
    bytes: int
    pieces: str | None
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises BadFormat. The name becomes that of a file, so nothing but a wheel's name passes."""
        _require(isinstance(self.name, str) and _WHEEL.fullmatch(self.name) is not None, "a file of a release is a wheel")
        checked_name(self.sha256)
        _require(type(self.bytes) is int and 0 < self.bytes <= MAX_FILE_BYTES, "a wheel has a size")
        if self.pieces is not None:
            checked_name(self.pieces)
        _require(self.pieces is not None or self.bytes <= PIECE_BYTES, "a wheel above 128 KiB names its piece list")
        _require(all(isinstance(name, str) and _TARGET.fullmatch(name) for name in self.targets), "a target names a machine")

    @property
    def project(self) -> str:
        """The project it is of, as pip compares names."""
        return re.sub(r"[-_.]+", "-", self.name.split("-")[0]).lower()

    @property
    def version(self) -> str:
        """The version that its name says."""
        return self.name.split("-")[1]

    def fits(self, target: str) -> bool:
        """Whether it is for such a machine."""
        return not self.targets or target in self.targets


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a manifest says. `needs_at_least`: the oldest version that may go to this one directly."""

    version: str
    made_from: str  # the commit
    needs_at_least: str
    targets: tuple[str, ...]
    # Older programs, by their newest migration, that can run on the tables this one leaves: it can be taken back without a loss.
    goes_back_to: tuple[str, ...]
    files: tuple[Wheel, ...]

    def __post_init__(self) -> None:
        """Raises BadFormat."""
        read_version(self.version)
        read_version(self.needs_at_least)
        _require(isinstance(self.made_from, str) and len(self.made_from) <= 64, "a release says what it was made from")
        _require(0 < len(self.files) <= MAX_FILES, f"a release has 1 to {MAX_FILES} files")
        _require(0 < len(self.targets) <= 50, "a release names the machines it is for")
        _require(all(isinstance(name, str) and _TARGET.fullmatch(name) for name in self.targets), "a target names a machine")
        _require(all(isinstance(name, str) and 0 < len(name) <= 40 for name in self.goes_back_to), "a migration has a short name")
        _require(len({wheel.name.lower() for wheel in self.files}) == len(self.files), "a file is named twice")
        for target in self.targets:
            projects = [wheel.project for wheel in self.wheels(target)]
            _require(len(set(projects)) == len(projects), f"two wheels of one project for {target}")
            own = [wheel.version for wheel in self.wheels(target) if wheel.project == "eduhub"]
            _require(own == [self.version], f"no wheel of this version of EduHub for {target}")
        blobs = [wheel.sha256 for wheel in self.files]
        _require(not set(blobs) & {wheel.pieces for wheel in self.files}, "a piece list is not a wheel")

    def wheels(self, target: str) -> list[Wheel]:
        """What such a machine needs, EduHub itself last."""
        return sorted((wheel for wheel in self.files if wheel.fits(target)), key=lambda wheel: (wheel.project == "eduhub", wheel.name))

    def blobs(self) -> set[str]:
        """The names of every wheel and piece list."""
        return {name for wheel in self.files for name in (wheel.sha256, wheel.pieces) if name}

    def to_bytes(self) -> bytes:
        """The canonical bytes. Raises BadFormat when they are more than a manifest may have."""
        written = canonical({
            "format": FORMAT, "version": self.version, "made_from": self.made_from, "needs_at_least": self.needs_at_least,
            "targets": list(self.targets), "goes_back_to": list(self.goes_back_to),
            "files": [
                {"name": wheel.name, "sha256": wheel.sha256, "bytes": wheel.bytes, "pieces": wheel.pieces, "targets": list(wheel.targets)}
                for wheel in self.files
            ],
        })  # fmt: skip
        _require(len(written) <= MAX_MANIFEST_BYTES, f"a manifest of {len(written)} bytes")
        return written

    @classmethod
    def from_bytes(cls, payload: bytes) -> "Release":
        """Raises BadFormat for anything but the canonical bytes of a release's manifest within its bounds."""
        found = parse_canonical(payload, max_bytes=MAX_MANIFEST_BYTES)
        _require(is_release(found), f"not a manifest of {FORMAT}")
        files = found.get("files")
        _require(isinstance(files, list) and len(files) <= MAX_FILES, "a release lists files")
        return cls(
            version=found.get("version"), made_from=found.get("made_from"), needs_at_least=found.get("needs_at_least"),
            targets=_texts(found, "targets"), goes_back_to=_texts(found, "goes_back_to"), files=tuple(_wheel(file) for file in files),
        )  # fmt: skip


def _wheel(found: Any) -> Wheel:
    _require(isinstance(found, dict), "a file of a release is an object")
    return Wheel(
        name=found.get("name"), sha256=found.get("sha256"), bytes=found.get("bytes"), pieces=found.get("pieces"),
        targets=_texts(found, "targets"),
    )  # fmt: skip


def _texts(found: dict[str, Any], name: str) -> tuple[Any, ...]:
    texts = found.get(name, [])
    _require(isinstance(texts, list) and len(texts) <= 1000, f"{name} is a list")
    return tuple(texts)


def is_release(found: Any) -> bool:
    """Whether a document that was read says to be a release's manifest."""
    return isinstance(found, dict) and found.get("format") == FORMAT


def read_version(text: Any) -> Version:
    """A version as numbers, which can be compared: '0.10.0' is newer than '0.9'. Raises BadFormat."""
    _require(isinstance(text, str) and _VERSION.fullmatch(text) is not None, "a version is numbers with dots between")
    numbers = [int(number) for number in str(text).split(".")]
    return (*numbers, *[0] * (4 - len(numbers)))


def id_of(manifest_bytes: bytes) -> str:
    """The release's id."""
    return sha256_hex(manifest_bytes)


def sign(manifest_bytes: bytes, key: SigningKey) -> Signature:
    """The release key's signature over a manifest."""
    return key.sign(FORMAT, manifest_bytes)


def verify(manifest_bytes: bytes, signature: Signature, ring: Keyring, *, sequence: int | None = None) -> None:
    """Return when a key that may sign releases at that catalog sequence signed the manifest; else BadSignature."""
    ring.verify(FORMAT, manifest_bytes, signature, scope=SCOPE, sequence=sequence)


def sizes(wheels: Iterable[Wheel]) -> dict[str, int]:
    """Bytes of each blob, piece lists included, each once."""
    found: dict[str, int] = {}
    for wheel in wheels:
        found[wheel.sha256] = wheel.bytes
        if wheel.pieces:
            found[wheel.pieces] = 32 * piece_count(wheel.bytes)
    return found


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadFormat(otherwise)
