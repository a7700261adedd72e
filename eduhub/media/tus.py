"""The words of tus 1.0: how its headers are read and written. Strict and bounded; pure.

This module must not know files, requests or the database. See docs/formats/uploads.md.
"""

import base64
import binascii
import re
import unicodedata
from dataclasses import dataclass

from eduhub.errors import BadInput

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,expiration"
BODY = "application/offset+octet-stream"
MOST_METADATA = 4096  # bytes of the header
_MOST_PAIRS = 16
_MOST_SAMPLE = 128
_KEY = re.compile(r"[!-+\--~]{1,64}")  # visible ASCII without the comma
_NUMBER = re.compile(r"[0-9]{1,15}")
_RANGE = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True)
class Metadata:
    """What a sender says of its file. `raw` is the header itself, which is echoed."""

    raw: str = ""
    file_name: str = "-"
    modified_ms: int | None = None
    sample: str | None = None

    def names_same_file(self, other: "Metadata") -> bool:
        """Whether both speak of one file, as far as words can tell."""
        return (self.file_name, self.modified_ms, self.sample) == (other.file_name, other.modified_ms, other.sample)


def parse_metadata(header: str) -> Metadata:
    """The header Upload-Metadata; raises BadInput when it is too long or not what tus says."""
    if len(header) > MOST_METADATA:
        raise BadInput("Upload-Metadata is too long")
    found = _pairs(header)
    modified = found.get("modified", b"").decode("ascii", "replace")
    if modified and not _NUMBER.fullmatch(modified):
        raise BadInput("modified is not a number of milliseconds")
    sample = _text("sample", found.get("sample", b""))
    if len(sample) > _MOST_SAMPLE:
        raise BadInput("sample is too long")
    return Metadata(
        raw=header, file_name=shown_name(_text("filename", found.get("filename", b""))),
        modified_ms=int(modified) if modified else None, sample=sample or None,
    )


def _pairs(header: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    if not header.strip(" "):
        return found
    for pair in header.split(","):
        key, _, encoded = pair.strip(" ").partition(" ")
        if not _KEY.fullmatch(key) or key in found or len(found) == _MOST_PAIRS:
            raise BadInput("Upload-Metadata has a key that is none, is there twice, or is one too many")
        try:
            found[key] = base64.b64decode(encoded.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise BadInput(f"the value of {key} is not base64") from error
    return found


def _text(key: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{key} is not UTF-8") from error


def shown_name(file_name: str) -> str:
    """The file's name as it is shown to people; it never becomes a path."""
    last = re.split(r"[/\\]", file_name)[-1]
    return _UNSEEN.sub("", unicodedata.normalize("NFC", last)).strip()[:200] or "-"


def parse_number(name: str, text: str | None) -> int | None:
    """A header that holds a number of bytes, None when it is not there; raises BadInput when it holds anything else."""
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadInput(f"{name} is not a number of bytes")
    return int(text)


def parse_length(length: str | None, deferred: str | None) -> int | None:
    """The announced length, None when it will be told later; raises BadInput when it is neither or both."""
    if (length is None) == (deferred is None) or deferred not in {None, "1"}:
        raise BadInput("Upload-Length, or Upload-Defer-Length: 1")
    return parse_number("Upload-Length", length)


def parse_ranges(header: str, length: int, *, most: int, most_bytes: int) -> list[tuple[int, int]]:
    """`0-99,300-399` as (start, end behind) pairs; raises BadInput unless they ascend inside a file of `length`."""
    found: list[tuple[int, int]] = []
    for part in header.split(",", most):
        match = _RANGE.fullmatch(part.strip(" "))
        if match is None:
            raise BadInput("ranges look like 0-99,300-399")
        start, end = int(match[1]), int(match[2]) + 1
        if not (found[-1][1] if found else 0) <= start < end <= length:
            raise BadInput("ranges ascend inside the file")
        found.append((start, end))
    if sum(end - start for start, end in found) > most_bytes:
        raise BadInput("the ranges are too long")
    return found
