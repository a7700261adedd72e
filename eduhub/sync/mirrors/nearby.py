"""Node: what a round gets of mirrors: the catalog, and the parts that its hub granted. With the hub, before it, or without it.

One mirror after the other, as `choosing` orders them; each for a few minutes at the most, for the hub waits. What one is
known for afterwards (gave something, had nothing, is left alone) is written down at once. Nothing here fails a round.

This module must not know how mirrors are found, or what is wanted of them (`fetching`).
"""

from collections.abc import Callable, Iterator
from typing import Any

from eduhub import __version__, clock, logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import DiskFull, EduHubError
from eduhub.installation import Installation
from eduhub.sync import catalog_reading, greeting
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.allowance.traffic import LINK, NEIGHBOUR
from eduhub.sync.fetching import fetch
from eduhub.sync.fetching.fetch import Fetched
from eduhub.sync.mirrors import choosing, known
from eduhub.sync.mirrors.choosing import EMPTY, FOUND, LIED, Candidate
from eduhub.sync.mirrors.conversation import Conversation, Ways
from eduhub.sync.mirrors.wary import blame
from eduhub.sync.releases import fetching as releases

log = logs.logger(__name__)

AT_ONCE_S = 5 * 60  # with one mirror
MOST_UNPROVED_PAGES = 4  # of a catalog whose head is signed by a key that only its entries introduce


class Nearby:
    """The mirrors, for one round of the box `node_uid`."""

    def __init__(self, installation: Installation, ledger: Ledger, node_uid: str, ways: Ways | None = None) -> None:
        self._installation, self._ledger, self._node_uid, self._ways = installation, ledger, node_uid, ways or Ways()
        self._helped: set[str] = set()  # in this round: they are not called empty

    def read_catalog(self, on_turn: Callable[[], None]) -> int:
        """Bring the catalog as far as any mirror has it; returns how many entries were new. Raises what `on_turn` raises, DiskFull."""
        added = 0
        for talk in self._each():
            on_turn()
            said = talk.greet()
            try:
                new = self._read(talk, said) if said is not None else 0
            except DiskFull:
                raise
            except EduHubError as error:
                talk.why, new = blame(error), 0
                log.warning("a mirror's catalog was refused", mirror=talk.candidate.node_uid, error_code=error.code)
            if new:
                self._helped.add(talk.candidate.url)
            if talk.why is not None:
                self._leave_alone(talk.candidate, talk.why)
            added += new
        return added

    def fetch(
        self, org_uid: str, today: str | None, on_turn: Callable[[], None], may_go_on: Callable[[], bool],
        on_far_turn: Callable[[], None] | None = None, far_ceiling_kbit_s: Callable[[], float | None] = lambda: None,
    ) -> Fetched:  # fmt: skip
        """Get what is wanted and missing and what mirrors hold of it. Raises what the turns raise.

        `may_go_on` and `on_far_turn` are asked for mirrors that a person named, which may lie behind the school's link, and
        nothing comes from those faster than `far_ceiling_kbit_s()`; those on its own network may be used at any time.
        """
        done = Fetched()
        for talk in self._each():
            ends_s = clock.monotonic_s() + AT_ONCE_S
            is_near = talk.candidate.kind == FOUND

            turn = on_turn if is_near else on_far_turn or on_turn

            def in_time(ends_s: float = ends_s, is_near: bool = is_near) -> bool:
                return clock.monotonic_s() < ends_s and (is_near or may_go_on())

            if not in_time():
                continue
            if not is_near:
                talk.keep_below(far_ceiling_kbit_s)
            with self._ledger.by(NEIGHBOUR if is_near else LINK):
                found = fetch.run(
                    self._installation, talk, talk.carrier, self._ledger, org_uid, today,
                    lambda _share, turn=turn: turn(),  # type: ignore[misc]
                    in_time, talk.brings,
                )  # fmt: skip
                if not found.has_more and not found.disk_full:  # the program is last in line
                    releases.run(
                        self._installation, talk, talk.carrier, self._ledger, __version__,
                        lambda _share, turn=turn: turn(),  # type: ignore[misc]
                        in_time, talk.brings,
                    )  # fmt: skip
            done = done.and_then(found)
            if not talk.was_asked:
                break  # nothing is missing, or there is no grant to show
            self._remember(talk, found)
            if done.disk_full:
                break
        done.refused, done.has_more, done.missing = [], False, None  # the hub may have it
        return done

    def _each(self) -> Iterator[Conversation]:
        with self._installation.database.read() as session:
            found = known.candidates(session, self._node_uid)
        for candidate in choosing.order(found, self._installation.steady.now_s()):
            with Conversation(self._installation, candidate, self._node_uid, self._ways) as talk:
                if candidate.kind != FOUND:  # what crosses the school's link is booked there, headers and all
                    for meter in talk.meters:
                        self._ledger.watch(meter)
                yield talk

    def _read(self, talk: Conversation, said: dict[str, Any]) -> int:
        installation = self._installation
        with installation.database.write() as session:
            known.met(session, talk.candidate.url, said["mirror"], said["name"], _sequence(said))
            catalog_reading.begin_epoch(session, keyring(session), said)
        head = greeting.head_in(said)
        if head is None:
            return 0
        with installation.database.read() as session:
            ring, state = keyring(session), catalog.state(session)
        if (head.epoch, head.sequence) <= (state.epoch, state.sequence):
            return 0  # older than ours: that is no fault of a mirror
        if head.signature.key in ring.keys:
            catalog.check_head(ring, head)
        elif head.sequence - state.sequence > MOST_UNPROVED_PAGES * catalog.PAGE_ENTRIES:
            return 0  # the hub will say whether that is true
        return catalog_reading.read(installation, talk, head, keeps_pages=False)

    def _remember(self, talk: Conversation, found: Fetched) -> None:
        why, url = talk.judge(), talk.candidate.url
        if found.parts or (talk.came and why != LIED):
            self._helped.add(url)
            with self._installation.database.write() as session:
                known.gave(session, url, found.bytes, int(self._installation.steady.now_s()))
        if why is not None:
            self._leave_alone(talk.candidate, why)
        elif url not in self._helped:
            self._leave_alone(talk.candidate, EMPTY)

    def _leave_alone(self, candidate: Candidate, why: str) -> None:
        log.info("a mirror is left alone", mirror=candidate.node_uid, why=why)
        with self._installation.database.write() as session:
            known.left_alone(session, candidate.url, why, int(self._installation.steady.now_s()))


def _sequence(said: dict[str, Any]) -> int:
    """How far it says its catalog goes: for people to look at."""
    head = said.get("head")
    found = head.get("head", {}).get("sequence") if isinstance(head, dict) and isinstance(head.get("head"), dict) else None
    return found if type(found) is int and 0 <= found < 2**53 else 0
