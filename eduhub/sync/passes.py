"""Hub: which packages a box may fetch: those whose course reaches its school, and every release of the program.

This module must not know HTTP, nor which of them the box wants.
"""

import re
from typing import Any

from sqlalchemy.orm import Session

from eduhub.courses import audience
from eduhub.courses.models import Course
from eduhub.delivery import passes
from eduhub.delivery.models import PackageRow, ReleaseRow
from eduhub.errors import BadFormat
from eduhub.installation import Installation
from eduhub.sync.mirrors import grants
from eduhub.sync.models import Node

LASTS_S = 12 * 3600  # one night of fetching; a new one costs a round trip
MAX_ASKED = 200
_ID = re.compile(r"[0-9a-f]{64}")


def for_node(session: Session, installation: Installation, node: Node, asked: Any) -> dict[str, Any]:
    """{"passes": {package: pass}, "refused": [package]}: a refused one may be granted later."""
    if not isinstance(asked, list) or len(asked) > MAX_ASKED or not all(isinstance(name, str) and _ID.fullmatch(name) for name in asked):
        raise BadFormat(f"passes are asked for at most {MAX_ASKED} packages")
    around = grants.organisations_around(session, node.org_uid)
    expires_steady_s = installation.steady.now_s() + LASTS_S
    granted, refused = {}, []
    for package_id in dict.fromkeys(asked):
        if session.get(ReleaseRow, package_id) is not None:  # the program is for every box
            granted[package_id] = _pass(installation, node, package_id, expires_steady_s)
            continue
        package = session.get(PackageRow, package_id)
        course = session.get(Course, package.course_uid) if package and package.course_uid else None
        if package is None or package.withdrawn or course is None or not audience.reaches(course, around):
            refused.append(package_id)
            continue
        granted[package_id] = _pass(installation, node, package_id, expires_steady_s)
    return {"passes": granted, "refused": refused, "lasts_s": LASTS_S}


def _pass(installation: Installation, node: Node, package_id: str, expires_steady_s: float) -> str:
    return passes.mint(
        installation.keys.secret, package_id=package_id, audience="node", person_uid=node.uid,
        expires_steady_s=expires_steady_s,
    )  # fmt: skip
