"""When something will be here, as one says it: `about 21:40 today`, `during the night to Thu, Nov 26`, `not known yet`.

The finer the farther away it is the less is it worth: within an hour to ten minutes, today and tomorrow to the half hour,
then a day. This module must not know how it was reckoned.
"""

from datetime import datetime, timedelta

from flask_babel import format_time, gettext

from eduhub import clock
from eduhub.web import shown

_NIGHT_BEGINS, _NIGHT_ENDS = 22, 6
_SOON_S = 10 * 60


def word(in_s: float | None, at_ms: int | None, zone: str) -> str:
    """When something comes that is `in_s` seconds away from the schedule time `at_ms` (None: the box does not know it)."""
    if in_s is None:
        return str(gettext("not known yet when"))
    if in_s < _SOON_S:
        return str(gettext("comes within a few minutes"))
    if at_ms is None:
        return str(gettext("comes in about %(time)s", time=shown.since(round(in_s * 1000))))
    now = clock.local(at_ms, zone)
    then = now + timedelta(seconds=in_s)
    away = (then.date() - now.date()).days
    if away > 1 and (then.hour < _NIGHT_ENDS or then.hour >= _NIGHT_BEGINS):
        morning = then.date() + timedelta(days=1 if then.hour >= _NIGHT_BEGINS else 0)
        return str(gettext("comes during the night to %(day)s", day=shown.week_day(morning.isoformat())))
    if away > 1:
        return str(gettext("comes on %(day)s", day=shown.week_day(then.date().isoformat())))
    clock_time = format_time(_rounded(then, 10 if in_s < 3600 else 30), "short", rebase=False)
    if away == 0:
        return str(gettext("comes about %(time)s today", time=clock_time))
    return str(gettext("comes about %(time)s tomorrow", time=clock_time))


def _rounded(at: datetime, minutes: int) -> datetime:
    """Up to the next so many minutes, but not into another day."""
    later = at + timedelta(minutes=-at.minute % minutes, seconds=-at.second)
    return later if later.date() == at.date() else at
