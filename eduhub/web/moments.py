"""Moments of a recording as people write them: `3:20`, `1:02:05`, `0:07.5`.

This module must not know lessons or pages.
"""

import re

_WRITTEN = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2})(?:[.,](\d{1,3}))?|(\d{1,6})(?:[.,](\d{1,3}))?")
# Digits and the colon as a Chinese keyboard gives them.
_NARROW = str.maketrans("０１２３４５６７８９：．，", "0123456789:.,")


def written(milliseconds: int) -> str:
    """`3:20` or `1:02:05`; tenths only where there are any."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{text}.{rest:03}".rstrip("0") if rest else text


def read(text: str) -> int:
    """Milliseconds of `text`; a number alone is seconds. Raises ValueError."""
    found = _WRITTEN.fullmatch(text.strip().translate(_NARROW))
    if found is None:
        raise ValueError(f"not a time: {text[:40]!r}")
    hours, minutes, seconds, part, alone, part_alone = found.groups()
    if alone is not None:
        return int(alone) * 1000 + int((part_alone or "").ljust(3, "0"))
    if int(seconds) > 59:
        raise ValueError(f"not a time: {text[:40]!r}")
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int((part or "").ljust(3, "0"))
