"""Node: how fast lessons come to this box and when they may, for whoever tells when the rest will be here.

This module must not know what is to come.
"""

from sqlalchemy.orm import Session

from eduhub.installation import Installation
from eduhub.schools import calendars
from eduhub.sync import traffic
from eduhub.sync.forecast import Pace


def of_box(session: Session, installation: Installation, org_uid: str | None, at_ms: int | None) -> Pace:
    """As measured here, at a schedule time (None: unknown)."""
    return Pace(traffic.rate(session), window=installation.settings.sync_window, zone=calendars.zone_of(session, org_uid))
