"""How much of which kind runs at once, and the time windows in which some work may begin.

A window has a name; a job that was enqueued with it begins only while it is open, and goes on
when it closes. It is told by the wall clock in the zone of the settings. A clock that is surely
wrong (a dead battery says 1970) closes nothing: work that waits for ever is worse than
work at noon. A clock that is wrong by hours opens the window at the wrong hour, but every day.

This module must not know what any kind of job does.
"""

from collections.abc import Mapping

from eduhub import clock
from eduhub.config import Settings

LANES = 3  # jobs that one worker does at the same time
# An encoding uses every core it is given, so one of each; the third lane keeps short work going. Over all workers.
LIMITS: Mapping[str, int] = {"media.prepare": 1, "media.encode": 1}
ENCODE_WINDOW = "encode"  # of the setting encode_window
WINDOWS = (ENCODE_WINDOW,)
_SURELY_WRONG_BEFORE_MS = 1_767_225_600_000  # 2026: this program did not exist


def closed_now(settings: Settings) -> frozenset[str]:
    """The windows in which nothing may begin at this moment."""
    return frozenset(name for name, wait_s in opens_in_s(settings).items() if wait_s > 0)


def opens_in_s(settings: Settings) -> dict[str, float]:
    """For each window, the seconds until work in it may begin; 0 while it is open."""
    now_ms = clock.now_ms()
    if now_ms < _SURELY_WRONG_BEFORE_MS:
        return dict.fromkeys(WINDOWS, 0.0)
    return {ENCODE_WINDOW: clock.until_window_s(settings.encode_window, settings.time_zone, now_ms)}
