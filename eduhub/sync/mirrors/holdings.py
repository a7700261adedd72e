"""Which files of a package somebody holds, in a bit for each: the answer to one question about hundreds of packages.

The files are those of its manifest in their order: of each part the part, then its piece list; each once. This module must
not know who asks.
"""

from collections.abc import Collection

from eduhub.delivery.package import MAX_PARTS, Manifest
from eduhub.delivery.release import MAX_FILES, Release
from eduhub.errors import BadFormat

_MOST_DIGITS = max(MAX_PARTS, MAX_FILES) // 2  # two files a part or wheel at most, four files a digit


def files_of(manifest: Manifest) -> list[str]:
    """The hashes of a package's files, in the order of the bits."""
    named = (sha256 for part in manifest.parts for sha256 in (part.sha256, part.pieces) if sha256)
    return list(dict.fromkeys(named))


def files_of_release(manifest: Release) -> list[str]:
    """The same for a release: of each wheel the wheel, then its piece list, for whatever machine."""
    named = (sha256 for wheel in manifest.files for sha256 in (wheel.sha256, wheel.pieces) if sha256)
    return list(dict.fromkeys(named))


def write(files: list[str], held: Collection[str]) -> str:
    """The bits as hex digits: the first file is the highest bit of the first digit."""
    bits = "".join("1" if sha256 in held else "0" for sha256 in files)
    bits += "0" * (-len(bits) % 4)
    return "".join(f"{int(bits[at : at + 4], 2):x}" for at in range(0, len(bits), 4))


def read(files: list[str], digits: str) -> set[str]:
    """Those of the files that somebody says to hold; bits that are missing are 0. Raises BadFormat."""
    if len(digits) > _MOST_DIGITS or any(digit not in "0123456789abcdef" for digit in digits):
        raise BadFormat("holdings are hex digits")
    bits = "".join(f"{int(digit, 16):04b}" for digit in digits)
    return {sha256 for sha256, bit in zip(files, bits, strict=False) if bit == "1"}
