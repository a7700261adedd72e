"""Node: how fast lessons come to this box and when they may, for whoever tells when the rest will be here.

This module must not know what is to come.
"""

from sqlalchemy.orm import Session

from eduhub.installation import Installation
from eduhub.schools import calendars
from eduhub.sync import budgets, traffic
from eduhub.sync.budgets import Limits
from eduhub.sync.forecast import Pace


def of_box(session: Session, installation: Installation, org_uid: str | None) -> Pace:
    """As measured here, with the hours for lessons."""
    window = installation.settings.sync_window
    begins, ends = window.split("-")
    limits = Limits(budgets.parse_windows(window) if begins != ends else ())
    return Pace(traffic.rate(session), limits, calendars.zone_of(session, org_uid))


def is_open(here: Pace, at_ms: int | None) -> bool:
    """Whether lessons may be fetched at a schedule time."""
    verdict = budgets.judge(here.limits, here.class_hours, budgets.minute_of_day(here.zone, at_ms), here.used)
    return verdict.may_fetch and verdict.ceiling_kbit_s != 0
