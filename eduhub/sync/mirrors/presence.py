"""Node: this box on one set of networks, by zeroconf: known as <name>.local, and listening for boxes of its hub.

One object for one set of addresses; when those change, another takes its place (`neighbours`). Zeroconf has a thread of its
own. This module must not know the database.
"""

from contextlib import suppress

from zeroconf import Error, IPVersion, ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

from eduhub.sync.mirrors import announcing
from eduhub.sync.mirrors.announcing import SERVICE, WEB_SERVICE, Own
from eduhub.sync.mirrors.known import MOST_FOUND, Sighting
from eduhub.sync.mirrors.places import Places

_ANSWER_MS = 1500  # for one box whose name is known and whose address is not


class _Heard(ServiceListener):
    """The names of those who are there; somebody who makes up thousands is not listened to."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        if len(self.names) < 2 * MOST_FOUND:
            self.names[name] = None

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.names.pop(name, None)


class Presence:
    """Takes a second or two to open, in which others are asked whether the name is free."""

    def __init__(self, own: Own, places: Places) -> None:
        """Raises OSError, zeroconf.Error."""
        self.own, self.places = own, places
        self._heard = _Heard()
        self._zeroconf = Zeroconf(interfaces=list(places.addresses), ip_version=IPVersion.V4Only, use_asyncio=False)
        try:
            kinds = [WEB_SERVICE] + ([SERVICE] if own.is_mirror else [])
            self._said = [self._info(own, kind, f"{own.name}.{kind}") for kind in kinds]
            for info in self._said:
                self._zeroconf.register_service(info, allow_name_change=True)
            self._browser = ServiceBrowser(self._zeroconf, SERVICE, listener=self._heard)
        except BaseException:
            self.close()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs still."""
        loop = self._zeroconf.loop
        return self._zeroconf.started and loop is not None and loop.is_running()

    def say(self, own: Own) -> None:
        """Say how far the catalog is now. Raises zeroconf.Error."""
        if own == self.own:
            return
        self._said = [self._info(own, info.type, info.name) for info in self._said]
        for info in self._said:
            self._zeroconf.update_service(info)
        self.own = own

    def look(self) -> list[Sighting]:
        """The boxes of the same hub that are there now. Takes a second and a half for each that does not answer."""
        found = []
        for name in list(self._heard.names):
            info = None
            with suppress(Error):  # a name that is none
                info = self._zeroconf.get_service_info(SERVICE, name, timeout=_ANSWER_MS)
            if info is None:
                continue
            addresses = info.parsed_addresses(IPVersion.V4Only)
            sighting = announcing.read(
                self.own, info.properties, info.server or "", addresses, info.port or 0, self.places.neighbour
            )
            if sighting is not None:
                found.append(sighting)
        return found

    def close(self) -> None:
        """Take leave of the others."""
        with suppress(Error, OSError, RuntimeError):
            self._zeroconf.close()

    def _info(self, own: Own, kind: str, name: str) -> ServiceInfo:
        return ServiceInfo(
            kind, name, port=own.port, properties=dict(own.properties()), server=own.server,
            parsed_addresses=list(self.places.addresses),
        )  # fmt: skip
