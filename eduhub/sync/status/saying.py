"""Node: tells the hub what this box has to say of itself, in a round or between two, when it changed or a quarter of an hour is over.

It never holds anything up: what the hub does not take (one of an older release has no such address) is said again later.
This module must not know what is said (`box_status`).
"""

from collections.abc import Mapping
from typing import Any

from eduhub import logs
from eduhub.errors import EduHubError
from eduhub.installation import Installation
from eduhub.sync.boxes import joining
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.models import StatusSaid
from eduhub.sync.status import box_status

log = logs.logger(__name__)

AT_LATEST_S, AT_SOONEST_S = 15 * 60, 2 * 60  # what changes all the time is not said all the time
_TWENTIETHS, _FIFTHS = 20, 5


def say(installation: Installation, link: Link) -> bool:
    """Whether it was said just now. Raises LinkDown where the hub asks for a pause: that is obeyed, whoever hears of it."""
    with installation.database.read() as session:
        node = joining.own_node(session)
        before = session.get(StatusSaid, 1)
        now_s = int(installation.steady.now_s())
        since_s = AT_LATEST_S if before is None else now_s - before.said_steady_s
        if node is None or since_s < AT_SOONEST_S:
            return False
        document = box_status.of_box(session, installation)
    said = {} if before is None else before.said
    if since_s < AT_LATEST_S and material(document) == material(said):
        return False
    try:
        link.post(f"{PREFIX}/status", box_status.packed(document), "application/octet-stream")
        is_said = True
    except EduHubError as error:
        if "retry_after_s" in error.facts:
            raise
        log.info("the hub did not take what this box says of itself", error_code=error.code)
        is_said = False
    with installation.database.write() as session:
        session.merge(StatusSaid(id=1, said=document if is_said else said, said_steady_s=now_s))
    return is_said


def material(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a document is worth a message of its own when it changes; sizes roughly."""
    disk, charge = document.get("disk") or {}, document.get("battery") or {}
    rough = {
        "disk": _TWENTIETHS * disk.get("free", 0) // max(1, disk.get("total", 1)), "battery": charge.get("percent", 0) * _FIFTHS // 100,
        "charging": charge.get("charging"), "waits": bool((document.get("backlog") or {}).get("rows")),
        "left": bool((document.get("left") or {}).get("lessons")), "clock": document.get("clock_ms") is not None,
    }  # fmt: skip
    return rough | {name: document.get(name) for name in ("version", "lamp", "days", "open", "release", "policy", "dropped")}
