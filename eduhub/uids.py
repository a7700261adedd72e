"""Names that are unique everywhere: UUIDv7, made where a thing is born.

Format: RFC 9562, section 5.7 (48 bits of Unix milliseconds, version, variant, 74 random
bits), written as 36 lower-case characters. The time in it is that machine's and may be
wrong: nothing may be decided by it. See docs/formats/uids.md.

This module must not know databases or any domain.
"""

import re
import secrets
from typing import NewType

from eduhub import clock
from eduhub.errors import BadInput

Uid = NewType("Uid", str)

_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_uid() -> Uid:
    """A fresh uid."""
    return make_uid(clock.now_ms(), secrets.randbits(74))


def make_uid(unix_ms: int, random_74_bits: int) -> Uid:
    """The uid for a time in milliseconds and 74 random bits (the pure half of `new_uid`)."""
    high_12, low_62 = random_74_bits >> 62 & 0xFFF, random_74_bits & (1 << 62) - 1
    value = (unix_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | high_12 << 64 | 0b10 << 62 | low_62
    digits = f"{value:032x}"
    return Uid("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))


def parse_uid(text: str) -> Uid:
    """`text` as a uid; raises BadInput when it is not a UUIDv7 in its one written form."""
    if not _PATTERN.fullmatch(text):
        raise BadInput(f"not a uid: {text[:60]!r}")
    return Uid(text)
