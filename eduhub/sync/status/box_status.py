"""Node: what a box says of itself: one small document, the same by link and by stick. See docs/formats/box-status.md.

Counts and sizes only, nobody's name. This module must not know how it travels (`saying`), nor what the hub makes of it
(`told`).
"""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eduhub import __version__
from eduhub.installation import Installation
from eduhub.sync.allowance import allowing, evicting, rules_word, traffic
from eduhub.sync.homeward import outbox
from eduhub.sync.models import OutboxRow
from eduhub.sync.releases import state as release_state
from eduhub.sync.status import battery, inflow, readiness
from eduhub.sync.status.readiness import NEXT, Readiness

FORMAT = "eduhub-box-status/1"
HOURS = 24


def of_box(session: Session, installation: Installation, *, supplies: Path = battery.FOLDER) -> dict[str, Any]:
    """What this box has to say now."""
    now = allowing.standing(session, installation)
    here = inflow.of_box(session, now)
    ready = readiness.at_box(session, now, here)
    left = ready.queue
    disk, charge = shutil.disk_usage(installation.settings.data_dir), battery.read(supplies)
    found: dict[str, Any] = {
        "format": FORMAT, "made_steady_s": int(installation.steady.now_s()), "clock_ms": now.at_ms, "version": __version__,
        "lamp": ready.lamp, "days": days_of(ready), "disk": {"free": disk.free, "total": disk.total},
        "backlog": _backlog(session, installation), "rate": None if here.bytes_s is None else round(here.bytes_s),
        "left": {"lessons": len(left), "bytes": sum(row.floor_left + row.rest for row in left)},
        "open": inflow.is_open(here, now.at_ms, ready.today),
    }  # fmt: skip
    release = release_state.word_here(session, installation)
    if release is not None:
        found["release"] = release
    if policy := rules_word.write(now.rules):
        found["policy"] = policy
    if dropped := evicting.dropped_in_all(session):
        found["dropped"] = {"lessons": dropped[0], "bytes": dropped[1]}
    hours = _hours(session, installation)
    if any(hours):
        found["hours"] = hours
    if charge is not None:
        found["battery"] = {"percent": charge.percent, "charging": charge.is_charging}
    return found


def days_of(ready: Readiness) -> dict[str, list[int]]:
    """How many lessons of each day are in each of `readiness.STATES`; '' are those that come next, without a day."""
    return {day.day: list(day.counts) for day in ready.days if day.lessons or day.day != NEXT}


def _backlog(session: Session, installation: Installation) -> dict[str, int]:
    oldest = select(func.min(OutboxRow.made_steady_s)).where(OutboxRow.acknowledged_steady_s.is_(None))
    made_s = session.scalar(oldest)
    age_s = 0 if made_s is None else max(0, int(installation.steady.now_s()) - made_s)
    return {"rows": outbox.waiting(session), "oldest_s": age_s}


def _hours(session: Session, installation: Installation) -> list[int]:
    """Kilobytes that the link carried in each of the last hours, the oldest first."""
    now_ms = traffic.now_ms(session, installation.steady)
    first_ms = now_ms - now_ms % traffic.HOUR_MS - (HOURS - 1) * traffic.HOUR_MS
    kilobytes = [0] * HOURS
    for row in traffic.by_hour(session, max(0, first_ms), traffic.LINK):
        at = (row.hour_ms - first_ms) // traffic.HOUR_MS
        if 0 <= at < HOURS:
            kilobytes[at] = (row.moved.down + row.moved.up) // 1000
    return kilobytes


def packed(document: dict[str, Any]) -> bytes:
    """As it is sent: JSON, or gzip of it where that is smaller."""
    plain = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    small = gzip.compress(plain, 9, mtime=0)
    return small if len(small) < len(plain) else plain
