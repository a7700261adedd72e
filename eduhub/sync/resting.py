"""Node: until when no process of this machine asks the hub, because one of them was told to wait or got no answer.

Each worker process meets the hub in turn and hears only its own answers; what one hears must hold for all. The file
lies in `run/` and holds a second of the steady clock. What cannot be read, or lies further ahead than any pause, is none: a box
that asks too early does less harm than one that never asks.

This module must not know why there is a pause (`polling`).
"""

import os
import threading
from contextlib import suppress
from pathlib import Path

from eduhub.installation import Installation
from eduhub.sync.polling import DAY_S

LONGEST_S = 2 * DAY_S  # of any pause: a day that a hub may ask for, and the box's own moment after it


def rest(installation: Installation, seconds: float) -> None:
    """Nobody asks for so many seconds. A longer pause that somebody else was asked for stays. A full disk keeps nothing."""
    now_s = installation.steady.now_s()
    until_s = now_s + min(LONGEST_S, max(0.0, seconds))
    if until_s <= (_until_s(installation) or 0.0):
        return
    path = _path(installation)
    new = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.new")
    with suppress(OSError):
        new.write_text(f"{until_s:.1f}", encoding="ascii")
        new.replace(path)  # not synced: after a power cut the box asks anew


def over(installation: Installation) -> None:
    """The hub answered: whoever is due may ask."""
    with suppress(OSError):
        _path(installation).unlink(missing_ok=True)


def is_resting(installation: Installation) -> bool:
    """Whether no process shall ask now."""
    return _until_s(installation) is not None


def _until_s(installation: Installation) -> float | None:
    try:
        until_s = float(_path(installation).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return until_s if 0.0 < until_s - installation.steady.now_s() <= LONGEST_S else None


def _path(installation: Installation) -> Path:
    return installation.settings.data_dir / "run" / "sync-rests"
