"""The state of an update in one word of at most 60 characters, as a box tells it to its hub: 'coming 0.4.0 43', 'failed 0.4.0 unwell'.

This module must not know how a box finds it out (`state`).
"""

import re
from dataclasses import dataclass

COMING, READY, FAILED, BY_HAND, UNFIT = STAGES = ("coming", "ready", "failed", "by_hand", "unfit")
_FORM = re.compile(rf"({'|'.join(STAGES)}) ([0-9.]{{1,20}})(?: ([a-z_0-9]{{1,20}}))?")


@dataclass(frozen=True)
class Word:
    """`more`: the share that has come in per cent, or why it failed or is not for the box. No stage: nothing is known."""

    stage: str | None = None
    version: str | None = None
    more: str | None = None


def write(stage: str, version: str, more: str | None = None) -> str:
    """The word of a state."""
    return f"{stage} {version}{f' {more}' if more else ''}"[:60]


def read(text: object) -> Word:
    """What a box said; what a later release may say is not understood and is as good as nothing."""
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    return Word(*found.groups()) if found else Word()
