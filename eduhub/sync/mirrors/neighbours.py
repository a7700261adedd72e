"""Node: the thread that keeps this box present on the school's network, and writes down who else is there.

Networks come and go: a cable is pulled, an address is given anew, there is none for a day. Every few seconds the thread
looks where the box is and begins again where that has changed; whatever fails is tried again. A timer of the worker starts
the thread, and starts another where it has died (`keep`).

This module must not know what is said (`announcing`), nor how (`presence`).
"""

import atexit
import threading
from dataclasses import replace
from pathlib import Path

from eduhub import clock, logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import EduHubError
from eduhub.installation import Installation
from eduhub.sync.boxes import joining
from eduhub.sync.mirrors import known, places
from eduhub.sync.mirrors.announcing import Own
from eduhub.sync.mirrors.known import Sighting
from eduhub.sync.mirrors.presence import Presence

log = logs.logger(__name__)

EVERY_S = 10.0
AFTER_FAILURE_S = 60.0
WRITTEN_EVERY_S = 300.0  # also when nothing moved: who was not seen for long is not asked

_keepers: dict[Path, "Keeper"] = {}


def keep(installation: Installation) -> None:
    """Have the thread run, from now on until the process ends. Cheap; a timer calls it."""
    if not installation.settings.neighbours:
        return
    keeper = _keepers.get(installation.settings.data_dir)
    if keeper is None or not keeper.is_alive():
        _keepers[installation.settings.data_dir] = keeper = Keeper(installation)
        keeper.start()
        atexit.register(keeper.stop)


class Keeper(threading.Thread):
    """Runs until `stop`."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(name="neighbours", daemon=True)
        self._installation = installation
        self._stop_now = threading.Event()
        self._presence: Presence | None = None
        self._written: list[Sighting] = []
        self._written_s = 0.0

    def run(self) -> None:
        pause_s = 0.0
        while not self._stop_now.wait(pause_s):
            pause_s = EVERY_S
            try:
                self._turn()
            except Exception:  # whatever a network does: the next turn begins anew
                log.exception("the network of the school could not be used")
                self._leave()
                pause_s = AFTER_FAILURE_S
        self._leave()

    def stop(self, within_s: float = 5.0) -> None:
        """Take leave of the network."""
        self._stop_now.set()
        self.join(within_s)
        atexit.unregister(self.stop)

    def _turn(self) -> None:
        own, here = self._own(), places.here(self._installation.settings.bind)
        if own is None or not here.interfaces:
            self._leave()
            return
        held = self._presence
        if held is not None and (held.places != here or not held.is_alive or _lasting(held.own) != _lasting(own)):
            self._leave()
        if self._presence is None:
            self._presence = Presence(own, here)
            log.info("known on the network", name=own.server.rstrip("."), networks=len(here.interfaces))
        self._presence.say(own)
        self._write(self._presence.look())

    def _write(self, seen: list[Sighting]) -> None:
        seen = sorted(seen, key=lambda sighting: sighting.url)
        now_s = clock.monotonic_s()
        if seen and (seen != self._written or now_s - self._written_s >= WRITTEN_EVERY_S):
            with self._installation.database.write() as session:
                known.sighted(session, seen, int(self._installation.steady.now_s()))
            self._written, self._written_s = seen, now_s

    def _own(self) -> Own | None:
        settings = self._installation.settings
        try:
            with self._installation.database.read() as session:
                node = joining.own_node(session)
                if node is None:
                    return None
                hub_uid, sequence = keyring(session).hub_uid, catalog.sequence(session)
                return Own(
                    node.uid, node.name, hub_uid, sequence, settings.port, bool(settings.tls_certificate), settings.mirror
                )
        except EduHubError:  # it is being joined, or restored, at this moment
            return None

    def _leave(self) -> None:
        if self._presence is not None:
            self._presence.close()
            self._presence = None


def _lasting(own: Own) -> Own:
    """What cannot be changed without leaving."""
    return replace(own, catalog_sequence=0)
