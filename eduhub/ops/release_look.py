"""`eduhub release look`: does what serves on this machine work? The launcher asks it before and after a version takes over.

Looked at are the pages, the database, the worker's beat, and a part of a lesson that should be here.
This module must not know what is done about it (`launching`).
"""

from http import HTTPStatus

from sqlalchemy import select

from eduhub.delivery import passes
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.ops import serve

_LASTS_S = 600


def problem(installation: Installation, timeout_s: float = 15.0) -> str | None:
    """What does not work, in a word: health, page or part; None: all does."""
    settings = installation.settings
    if not serve.answers(settings, timeout_s):
        return "health"
    if not serve.speaks(settings, timeout_s):
        return "page"
    wanted = _some_part(installation)
    if wanted is not None and serve.status_of(settings, *wanted, timeout_s=timeout_s) not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return "part"
    return None


def _some_part(installation: Installation) -> tuple[str, dict[str, str]] | None:
    """The address of a part that can be shown here, and the headers to read its first byte; None: there is none."""
    with installation.database.read() as session:
        found = session.execute(
            select(PartRow.package_id, PartRow.sha256)
            .join(PackageRow, PackageRow.id == PartRow.package_id)
            .where(PartRow.held, PackageRow.floor_held, PackageRow.withdrawn.is_(False), PartRow.bytes > 0)
            .limit(1)
        ).first()
    if found is None or not installation.blobs.has(found.sha256):
        return None
    token = passes.mint(
        installation.keys.secret, package_id=found.package_id, audience="node", person_uid=None,
        expires_steady_s=installation.steady.now_s() + _LASTS_S,
    )  # fmt: skip
    return f"/p/{found.package_id}/{found.sha256}", {"Authorization": f"EduHub-Pass {token}", "Range": "bytes=0-0"}
