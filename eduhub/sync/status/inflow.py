"""Node: how fast lessons come to this box and when they may, for whoever tells when the rest will be here.

This module must not know what is to come.
"""

from sqlalchemy.orm import Session

from eduhub.schools import calendars
from eduhub.sync.allowance import allowing, budgets, traffic
from eduhub.sync.allowance.allowing import Standing
from eduhub.sync.status.forecast import Inflow


def of_box(session: Session, now: Standing) -> Inflow:
    """As measured here, with what the school allows and has used."""
    calendar = now.calendar
    return Inflow(
        traffic.rate(session), now.limits, now.time_zone, now.used, allowing.class_hours(calendar),
        lambda day: calendar is not None and calendars.is_school_day(calendar, day),
    )  # fmt: skip


def is_open(here: Inflow, at_ms: int | None, day: str | None) -> bool:
    """Whether lessons may be fetched at a schedule time, on an ISO day (None: unknown)."""
    hours = here.class_hours if day is not None and here.has_classes(day) else ()
    verdict = budgets.judge(here.limits, hours, budgets.minute_of_day(here.zone, at_ms), here.used)
    return verdict.may_fetch and verdict.ceiling_kbit_s != 0
