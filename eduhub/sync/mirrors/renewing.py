"""Node: ask the hub for a grant in time: weeks before the old one ends, and when a course is here that is not in it.

This module must not know what a grant says (`grants`).
"""

from pathlib import Path

from sqlalchemy import select

from eduhub import logs
from eduhub.courses.models import Course
from eduhub.errors import BadFormat, BadSignature
from eduhub.installation import Installation
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.mirrors import grants

log = logs.logger(__name__)

AGAIN_S = 3600  # a hub of an older release never answers with a grant

_asked: dict[Path, tuple[float, frozenset[str]]] = {}  # by data folder, in this process: when, and with which courses


def renew(installation: Installation, link: Link) -> bool:
    """Ask for a grant where one is due, and keep it; returns whether there is a new one. Raises LinkDown, NodeRefused."""
    now_s = installation.steady.now_s()
    with installation.database.read() as session:
        courses = frozenset(session.scalars(select(Course.uid)))
        held = grants.summary(session)
        if not grants.is_due(session, schedule_clock.now_ms(session, installation.steady), courses):
            return False
    asked_s, asked_for = _asked.get(installation.settings.data_dir, (now_s - AGAIN_S, frozenset()))
    if now_s - asked_s < AGAIN_S and asked_for == courses:
        return False
    _asked[installation.settings.data_dir] = (now_s, courses)
    found = link.post_json(f"{PREFIX}/passes", {"packages": [], "grant": held}).get("grant")
    if found is None:
        return False
    try:
        with installation.database.write() as session:
            return grants.take(session, installation, found, answered=True)
    except (BadFormat, BadSignature) as error:  # nothing else of the round hangs on it
        log.warning("a grant was not taken", error_code=error.code)
        return False
