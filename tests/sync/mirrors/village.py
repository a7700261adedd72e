"""Two boxes that can reach each other, and a hub that one of them may have lost."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from eduhub.delivery.models import PackageRow, PartRow
from eduhub.errors import LinkDown
from eduhub.installation import Installation
from eduhub.sync import rounds
from eduhub.sync.link import Link
from eduhub.sync.mirrors import grants, known
from eduhub.sync.mirrors.choosing import Candidate
from eduhub.sync.mirrors.conversation import Ways
from eduhub.sync.mirrors.models import Mirror
from eduhub.sync.models import Upstream
from eduhub.sync.round_report import RoundReport
from tests.sync.world import Hub, Wire, WireCarrier, app_of

MIRROR_URL = "http://mirror.test"


class WireWays(Ways):
    """Mirrors over wires, by their address."""

    def __init__(self, wires: dict[str, Wire]) -> None:
        self.wires = wires
        self.asked: list[str] = []  # the mirrors that were asked, in turn

    def transport(self, candidate: Candidate) -> Wire:
        self.asked.append(candidate.url)
        return self.wires[candidate.url]

    def transfer(self, candidate: Candidate) -> Any:
        return OpenCarrier(WireCarrier(self.wires[candidate.url]))


class OpenCarrier:
    """A carrier over a wire, which needs no opening."""

    def __init__(self, carrier: WireCarrier) -> None:
        self._carrier = carrier

    def __enter__(self) -> "OpenCarrier":
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def run(self, receiver: Any) -> None:
        self._carrier.run(receiver)


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
        self.ways = WireWays({MIRROR_URL: self.wire})

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

    def sight(self, url: str = MIRROR_URL, node_uid: str | None = None) -> None:
        """The far box finds a mirror on its network."""
        with self.far.database.write() as session:
            known.sighted(session, [known.Sighting(url, node_uid or self.near_uid, "shuanghu-1", 1)], self.now_s())

    def name(self, url: str = MIRROR_URL) -> None:
        """A person names a mirror at the far box."""
        with self.far.database.write() as session:
            known.name(session, url, self.now_s())

    def now_s(self) -> int:
        """The far box's steady clock."""
        return int(self.far.steady.now_s())

    def round(self, on_lost: Callable[[RoundReport], None] | None = None) -> RoundReport:
        """A round of the far box, with its hub and whoever it knows."""
        wire = self.hub.wire
        return rounds.run(
            self.far, on_progress=lambda _share: None, transport=wire, carrier=WireCarrier(wire), ways=self.ways, on_lost=on_lost
        )

    def lose_the_hub(self) -> None:
        """From here on nobody answers there."""
        self.hub.wire.cut_after = 0

    def round_without_hub(self) -> None:
        """A round of the far box that ends as one does without a hub."""
        self.lose_the_hub()
        with pytest.raises(LinkDown):
            self.round()

    def mirror(self, url: str = MIRROR_URL) -> Mirror:
        """What the far box remembers of a mirror."""
        with self.far.database.read() as session:
            return session.get_one(Mirror, url)

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
