"""Node: opening connections to one upstream, over links that are down for a while and hosts of which one address is dead.

This module must not know when a connection is needed (`transfer`), nor what it will carry.
"""

import ssl
from contextlib import suppress

from eduhub.sync.fetching.address import Address, Place
from eduhub.sync.fetching.connection import Broken, Connection
from eduhub.sync.fetching.meter import Meter
from eduhub.sync.fetching.patience import opening_s

_TURN_S = 1.0  # after so long without an answer it is another address's turn
_AT_ONCE = 10


class Door:
    """The connections to one upstream that are not open yet."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, meter: Meter) -> None:
        self._address, self._tls, self._meter = address, tls, meter
        self.buffer: int | None = None  # of each new connection
        self._places: list[Place] = []  # of the host, looked up once: without a link that takes many seconds
        self._turn = 0
        self.knocks: list[Connection] = []

    def look_up(self) -> None:
        """Find the host's addresses, unless they are known; this may block for long. Raises Broken."""
        if not self._places:
            try:
                self._places = self._address.places()
            except (OSError, UnicodeError) as error:
                raise Broken(f"{self._address.host} is not found: {error}") from error

    def knock(self, now_s: float) -> bool:
        """Begin one more connection, unless many are begun already; returns whether. Raises Broken."""
        if len(self.knocks) >= _AT_ONCE:
            return False
        if any(knock.place == self._place and not knock.round_trip_s and now_s - knock.begun_s >= _TURN_S for knock in self.knocks):
            self._turn += 1  # nobody answers there, as yet
        try:
            self.knocks.append(Connection(self._address, self._place, self._tls, now_s, self._meter, self.buffer))
        except Broken:
            self._turn += 1
            raise
        return True

    def let_in(self, knock: Connection) -> None:
        """It is open, and somebody else's from here on; the next ones go where it went."""
        self.knocks.remove(knock)
        self._turn = self._places.index(knock.place)

    def failed(self, knock: Connection) -> None:
        """It will not open: the next goes to another address."""
        self.drop(knock)
        if knock.place == self._place:
            self._turn += 1

    def drop(self, knock: Connection) -> None:
        """It is not needed any more."""
        knock.close()
        with suppress(ValueError):
            self.knocks.remove(knock)

    def keep(self, count: int) -> None:
        """Let those go that are more than so many: first whom the kernel will ask for again the latest."""
        while len(self.knocks) > max(0, count):
            self.drop(min(self.knocks, key=lambda knock: (knock.round_trip_s is not None, knock.begun_s)))

    def give_up_old(self, now_s: float, round_trip_s: float) -> None:
        """Let those go that take too long, also in the middle of a handshake."""
        for knock in [knock for knock in self.knocks if now_s - knock.begun_s > opening_s(round_trip_s)]:
            self.failed(knock)

    @property
    def _place(self) -> Place:
        return self._places[self._turn % len(self._places)]
