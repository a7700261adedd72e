"""A package: the manifest of one published revision of a lesson, its parts, pieces and signature.

The manifest is canonical JSON, its id is the SHA-256 of those bytes, and a publishing key with the
scope `packages` signs them. Fields, kinds, roles and audiences that this release does not know are
kept as they are: `Manifest.from_bytes(payload).to_bytes() == payload` for everything that is accepted.

This module must not know the database, files of a store or lessons. See docs/formats/packages.md.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from eduhub.delivery.blobs import checked_name
from eduhub.delivery.trust import Keyring
from eduhub.errors import BadFormat, BadInput
from eduhub.signing import Signature, SigningKey, canonical, parse_canonical, sha256_hex
from eduhub.uids import parse_uid

FORMAT = "eduhub-package/1"
MAX_MANIFEST_BYTES = 512 << 10
MAX_PARTS = 2000
PIECE_BYTES = 128 << 10
MAX_NUMBER = 2**53 - 1

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,19}")
_PART_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LANGUAGE = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
# It becomes a header: visible ASCII and spaces only.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*(;[ -~]*)?")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One entry of a manifest. Numbers that do not apply to its kind are None and not written."""

    name: str
    kind: str  # video, audio, stills, poster, index, playlist, download, captions, attachment, ...
    role: str
    language: str | None
    audience: str  # learner, teacher, open
    licence: str | None
    type: str
    codec: str | None
    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    fps_milli: int | None = None
    bandwidth_bps: int | None = None
    channels: int | None = None
    sample_rate: int | None = None
    bytes: int
    sha256: str
    pieces: str | None
    floor: bool
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises BadFormat, so that no half-right part exists."""
        _require(_matches(_PART_NAME, self.name), "a part has a short plain name")
        for word in (self.kind, self.role, self.audience):
            _require(_matches(_WORD, word), "kind, role and audience are short words")
        _require(self.language is None or _is_language(self.language), "a part's language is a tag or null")
        for text in (self.licence, self.codec):
            _require(text is None or (isinstance(text, str) and len(text) <= 200), "licence and codec are short texts")
        _require(_matches(_MEDIA_TYPE, self.type) and len(self.type) <= 100, "a part has a media type")
        for number in (getattr(self, name) for name in _NUMBERS):
            _require(number is None or _is_number(number), "a part's measures are whole numbers")
        _require(_is_number(self.bytes), "a part has a size")
        checked_name(self.sha256)
        if self.pieces is not None:
            checked_name(self.pieces)
        _require(self.pieces is not None or self.bytes <= PIECE_BYTES, "a part above 128 KiB names its piece list")
        _require(isinstance(self.floor, bool), "floor is true or false")
        _require(not _PART_FIELDS & set(self.extra), "a known field is not an extra one")

    @property
    def piece_list_bytes(self) -> int:
        """The size of its piece list."""
        return 32 * piece_count(self.bytes)

    def as_json(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        known = {name: getattr(self, name) for name in _PART_FIELDS}
        applying = {name: value for name, value in known.items() if value is not None or name not in _NUMBERS}
        return {**applying, **self.extra}

    @classmethod
    def from_json(cls, found: Any) -> "Part":
        """Raises BadFormat."""
        _require(isinstance(found, dict), "a part is an object")
        _require(_PART_FIELDS - _NUMBERS <= set(found), "a part lacks a field")
        _require(all(found[name] is not None for name in _NUMBERS & set(found)), "a measure is a number or absent")
        known = {name: value for name, value in found.items() if name in _PART_FIELDS}
        return cls(**known, extra={name: value for name, value in found.items() if name not in _PART_FIELDS})


_NUMBERS = frozenset(
    {"duration_ms", "width", "height", "fps_milli", "bandwidth_bps", "channels", "sample_rate"}
)  # fmt: skip
_PART_FIELDS = frozenset(row.name for row in fields(Part)) - {"extra"}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What one revision of a lesson consists of."""

    hub: str
    lesson: str
    course: str
    org: str
    revision: int
    timeline: str
    supersedes: str | None
    language: str
    titles: Mapping[str, str]
    texts: Mapping[str, str]
    audience: str  # own, listed, all, open
    duration_ms: int
    parts: tuple[Part, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises BadFormat, so that no half-right manifest exists."""
        for uid in (self.hub, self.lesson, self.course, self.org, self.timeline):
            _require_uid(uid)
        _require(_is_number(self.revision) and self.revision > 0, "revisions count from 1")
        if self.supersedes is not None:
            checked_name(self.supersedes)
        _require(_is_language(self.language), "a lesson's language is a tag")
        for texts in (self.titles, self.texts):
            _require(isinstance(texts, Mapping) and all(_is_language(tag) for tag in texts), "texts go by language")
            _require(all(isinstance(text, str) for text in texts.values()), "a title or text is text")
        _require(_matches(_WORD, self.audience), "an audience is a short word")
        _require(_is_number(self.duration_ms), "a lesson has a duration")
        _require(len(self.parts) <= MAX_PARTS, f"more than {MAX_PARTS} parts")
        names = {part.name for part in self.parts}
        _require(len(names) == len(self.parts), "two parts have one name")
        _require(not (_MANIFEST_FIELDS | {"format"}) & set(self.extra), "a known field is not an extra one")
        self._require_one_story_a_blob()

    @property
    def floor_parts(self) -> tuple[Part, ...]:
        """The parts that are enough to be useful; all of them if none is marked."""
        return tuple(part for part in self.parts if part.floor) or self.parts

    def total_bytes(self, *, floor: bool = False) -> int:
        """Bytes of its blobs (of the floor alone), piece lists included, each blob once."""
        sizes: dict[str, int] = {}
        for part in self.floor_parts if floor else self.parts:
            sizes[part.sha256] = part.bytes
            if part.pieces:
                sizes[part.pieces] = part.piece_list_bytes
        return sum(sizes.values())

    def to_bytes(self) -> bytes:
        """The canonical bytes. Raises BadFormat when they are more than a manifest may have."""
        known = {name: getattr(self, name) for name in _MANIFEST_FIELDS - {"parts"}}
        written = canonical(
            {**known, "format": FORMAT, "parts": [part.as_json() for part in self.parts], **self.extra}
        )
        _require(len(written) <= MAX_MANIFEST_BYTES, f"a manifest of {len(written)} bytes")
        return written

    @classmethod
    def from_bytes(cls, payload: bytes) -> "Manifest":
        """Raises BadFormat for anything but the canonical bytes of a manifest within its bounds."""
        found = parse_canonical(payload, max_bytes=MAX_MANIFEST_BYTES)
        _require(isinstance(found, dict) and found.get("format") == FORMAT, f"not a manifest of {FORMAT}")
        _require(_MANIFEST_FIELDS <= set(found) and isinstance(found["parts"], list), "a manifest lacks a field")
        _require(len(found["parts"]) <= MAX_PARTS, f"more than {MAX_PARTS} parts")
        known = {name: found.pop(name) for name in _MANIFEST_FIELDS - {"parts"}}
        parts = tuple(Part.from_json(part) for part in found.pop("parts"))
        del found["format"]
        return cls(**known, parts=parts, extra=found)

    def _require_one_story_a_blob(self) -> None:
        """A blob named twice has one size, and is not a part here and a piece list there."""
        sizes: dict[str, int] = {}
        piece_lists: set[str] = set()
        for part in self.parts:
            _require(sizes.setdefault(part.sha256, part.bytes) == part.bytes, "a blob has two sizes")
            if part.pieces:
                piece_lists.add(part.pieces)
                size = part.piece_list_bytes
                _require(sizes.setdefault(part.pieces, size) == size, "a blob has two sizes")
        _require(piece_lists.isdisjoint(part.sha256 for part in self.parts), "a piece list is not a part")


_MANIFEST_FIELDS = frozenset(row.name for row in fields(Manifest)) - {"extra"}


def id_of(manifest_bytes: bytes) -> str:
    """The package's id."""
    return sha256_hex(manifest_bytes)


def sign(manifest_bytes: bytes, key: SigningKey) -> Signature:
    """The publishing key's signature over a manifest."""
    return key.sign(FORMAT, manifest_bytes)


def verify(manifest_bytes: bytes, signature: Signature, ring: Keyring, *, sequence: int | None = None) -> None:
    """Return when a key that may sign packages at that catalog sequence signed the manifest; else BadSignature.

    `sequence` is that of the publish entry; without it a key that is revoked by now is refused.
    """
    ring.verify(FORMAT, manifest_bytes, signature, scope="packages", sequence=sequence)


def piece_count(size: int) -> int:
    """How many pieces of 128 KiB a blob of `size` bytes has; the last may be shorter."""
    return -(-size // PIECE_BYTES)


def piece_list(path: Path) -> bytes:
    """32 bytes of SHA-256 for each 128 KiB piece of a file, back to back."""
    hashes = []
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            hashes.append(hashlib.sha256(piece).digest())
    return b"".join(hashes)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadFormat(otherwise)


def _matches(pattern: re.Pattern[str], text: Any) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _is_language(text: Any) -> bool:
    return _matches(_LANGUAGE, text) and len(text) <= 35


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_NUMBER


def _require_uid(text: Any) -> None:
    try:
        parse_uid(text)
    except (BadInput, TypeError) as error:
        raise BadFormat("hub, lesson, course, org and timeline are uids") from error
