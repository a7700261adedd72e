"""Two boxes that can reach each other, and a hub that one of them may have lost."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from eduhub.delivery.models import PackageRow, PartRow
from eduhub.installation import Installation
from eduhub.sync import auth
from eduhub.sync.link import Link
from eduhub.sync.mirrors import grants
from eduhub.sync.models import Upstream
from tests.sync.world import Hub, School, Wire, app_of

MIRROR_URL = "http://mirror.test"


class Village:
    """`near` holds what its school takes; `far` has only met the hub. Both schools take the same course."""

    def __init__(self, hub: Hub, make_box: Callable[[], Installation]) -> None:
        self.hub = hub
        self.one, self.two = hub.school("Shuanghu", children=1), hub.school("Nyima", children=1)
        self.course = hub.course(hub.region, groups=(self.one, self.two))
        self.package = hub.lesson(self.course)
        self.near, self.far = make_box(), make_box()
        self.near_uid = hub.join(self.near, self.one, "shuanghu-1")
        self.far_uid = hub.join(self.far, self.two, "nyima-1")
        hub.sync(self.near)
        self.meet(self.far)
        self.wire = Wire(app_of(self.near))

    def meet(self, box: Installation) -> None:
        """A round in which no lesson comes: the hub answers nobody who asks for one."""
        wire = self.hub.wire
        with box.database.read() as session:
            before = session.scalars(select(PackageRow.id)).all()
        wire.instead |= {f"/p/{name}/{name}": (404, b'{"code": "asked.not_found"}') for name in self.packages()}
        try:
            self.hub.sync(box)
        finally:
            wire.instead.clear()
        with box.database.read() as session:
            assert session.scalars(select(PackageRow.id)).all() == before

    def packages(self) -> list[str]:
        """All that the hub has published."""
        with self.hub.here.database.read() as session:
            return list(session.scalars(select(PackageRow.id)))

    def ask(self, packages: list[str], *, grant: Any = None, box: Installation | None = None) -> dict[str, Any]:
        """What the mirror answers a box (the far one); `grant` instead of its own."""
        box = box or self.far
        with box.database.read() as session:
            shown = grant or grants.shown(session)
            node_uid = session.scalars(select(Upstream.node_uid)).one()
        with Link(MIRROR_URL, node_uid=node_uid, key=box.keys.node_signing, transport=self.wire) as link:
            return link.post_json("/sync/v1/mirror/passes", {"packages": packages, "grant": shown})


def held_parts(box: Installation, package_id: str) -> set[str]:
    """The parts of a package that a box holds."""
    with box.database.read() as session:
        return set(session.scalars(select(PartRow.sha256).where(PartRow.package_id == package_id, PartRow.held.is_(True))))


__all__ = ["MIRROR_URL", "School", "Village", "auth", "held_parts"]
