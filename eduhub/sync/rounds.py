"""Node: one round of sync, from hello to the last part. A straight list; each step may be killed and repeated.

hello -> (new epoch: what the hub lost goes back) -> outbox -> school stream -> catalog -> parts

One round at a time on a box: a second one finds the lock taken and returns at once. Where parts take long, the
list begins again after some minutes: what the children did must not wait for a night of fetching.

This module must not know addresses or formats; the steps do.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import __version__, clock, logs
from eduhub.delivery import catalog, holding
from eduhub.delivery.catalog import SignedHead
from eduhub.delivery.trust import keyring
from eduhub.errors import BadSignature, EduHubError, LinkDown, NodeRefused, NodeReplaced
from eduhub.installation import Installation
from eduhub.schools import calendars
from eduhub.sync import auth, catalog_reading, greeting
from eduhub.sync.allowance import evicting, schedule_clock, traffic
from eduhub.sync.allowance.allowing import Budget, MustStop
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.boxes import joining, replacing, restoring
from eduhub.sync.fetching import fetch
from eduhub.sync.fetching.address import trust
from eduhub.sync.fetching.carrier import Carrier
from eduhub.sync.fetching.meter import NOTHING, Passed
from eduhub.sync.fetching.pace import Pace
from eduhub.sync.fetching.transfer import Transfer
from eduhub.sync.homeward import outbox
from eduhub.sync.homeward.bringing import Bringing
from eduhub.sync.link import Link, Transport
from eduhub.sync.mirrors import renewing
from eduhub.sync.mirrors.conversation import Ways
from eduhub.sync.mirrors.nearby import Nearby
from eduhub.sync.models import Node, Upstream
from eduhub.sync.releases import fetching as releases
from eduhub.sync.round_report import RoundReport
from eduhub.sync.school_stream import applying, reading
from eduhub.sync.status import saying

log = logs.logger(__name__)

FETCH_AT_ONCE_S = 10 * 60  # then what waits goes home, and what the county has planned since comes first


@dataclass
class Kept:
    """What may stay from one round to the next: the connection to one hub, and how much of what it carried is booked."""

    url: str
    node_uid: str
    link: Link
    booked: Passed = NOTHING


def run(
    installation: Installation, *, on_progress: Callable[[float], None], transport: Transport | None = None,
    carrier: Carrier | None = None, ways: Ways | None = None, kept: Kept | None = None,
    on_bytes: Callable[[int], None] | None = None, on_lost: Callable[[RoundReport], None] | None = None,
) -> RoundReport:
    """One round with the hub, and with mirrors before it or without it. Raises NodeRefused (not joined, shut out), LinkDown, BadSignature, ...

    `kept` is used and stays open; without it the round has a connection of its own. `on_bytes` is told how many bytes of
    lessons came, each time some do; `on_lost` what came nevertheless, before LinkDown is raised.
    """
    with one_at_a_time(installation) as is_first:
        if not is_first:
            return RoundReport(ran=False)
        own = kept or keep(installation, transport)
        try:
            with Transfer(own.url, tls=trust(own.url)) as transfer, Ledger(installation) as ledger:
                ledger.watch(own.link.meter, own.booked)
                ledger.watch(transfer.meter)
                ledger.on_came = on_bytes or ledger.on_came

                def turn(share: float) -> None:
                    ledger.turn()
                    on_progress(share)

                nearby = Nearby(installation, ledger, own.node_uid, ways)
                going = _Round(installation, own.link, carrier or transfer, ledger, own.url, transfer.open_ahead, nearby)
                try:
                    return going.run(turn)
                except LinkDown:
                    if on_lost is not None:
                        on_lost(going.report)
                    raise
        except EduHubError as error:
            with installation.database.write() as session:
                session.get_one(Upstream, own.url).last_error = error.code
            raise
        finally:
            own.booked = own.link.meter.total()
            if kept is None:
                own.link.close()


def keep(installation: Installation, transport: Transport | None = None) -> Kept:
    """A connection to the first upstream, that opens when it is used. Raises NodeRefused where this box has not joined."""
    with installation.database.read() as session:
        found = select(Upstream.url, Upstream.node_uid).order_by(Upstream.priority)
        upstream = session.execute(found.limit(1)).first()
    if upstream is None:
        raise NodeRefused("this box has not joined a hub")
    url, node_uid = upstream
    link = Link(url, node_uid=node_uid, key=installation.keys.node_signing, transport=transport, tls=trust(url))
    return Kept(url, node_uid, link)


@contextmanager
def one_at_a_time(installation: Installation) -> Iterator[bool]:
    """Whether this is the only round; the lock ends with the process, however that ends."""
    path = installation.settings.data_dir / "run" / "sync.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


class _Round:
    def __init__(
        self, installation: Installation, link: Link, carrier: Carrier, ledger: Ledger, url: str, open_ahead: Callable[[], None],
        nearby: Nearby,
    ) -> None:  # fmt: skip
        self._installation, self._link, self._carrier, self._url = installation, link, carrier, url
        self._ledger, self._open_ahead = ledger, open_ahead
        self._nearby, self._has_asked_nearby = nearby, False
        self._bringing = Bringing(installation, link, url)
        self.report = RoundReport()

    def run(self, on_progress: Callable[[float], None]) -> RoundReport:
        try:
            self._meet(on_progress)
            while self.report.fetched.has_more:
                self._meet(on_progress)
        except NodeReplaced:
            # So that the new box can be told that nothing is missing: what waits here is said, also when it is nothing.
            self._bringing.say_what_waits()
            raise
        except LinkDown:
            if not self._has_asked_nearby:  # the hub is out of reach; who stands beside us may not be
                self.report.catalog_entries += self._nearby.read_catalog(lambda: on_progress(0.0))
                self._fetch(lambda _share: on_progress(0.0), has_hub=False)
            raise
        replacing.ask_again(self._installation, self._link)
        tidy(self._installation)
        on_progress(1.0)
        return self.report

    def _meet(self, on_progress: Callable[[float], None]) -> None:
        said = self._hello()
        if self._key_is_new(said):
            # After a rotation everything is signed by a key that only the catalog introduces.
            self._read_catalog(greeting.head_in(said))
        self._catch_up_with_epoch()
        self._bring_home()
        on_progress(0.05)
        self._read_stream()
        on_progress(0.1)
        head = greeting.head_in(said)
        if head is not None and self._is_behind(head):
            self.report.catalog_entries += self._nearby.read_catalog(lambda: on_progress(0.1))
        self._read_catalog(head)
        renewing.renew(self._installation, self._link)
        on_progress(0.15)
        self._fetch(lambda share: on_progress(0.15 + 0.8 * share))
        self._bring_home()  # what the fetching reported
        saying.say(self._installation, self._link)

    def _upstream(self, session: Session) -> Upstream:
        return session.get_one(Upstream, self._url)

    def _hello(self) -> dict[str, Any]:
        said, own_nonce = self._link.hello()
        with self._installation.database.write() as session:
            ring, upstream = keyring(session), self._upstream(session)
            if not greeting.is_of(said, ring):
                raise BadSignature("this is another hub than the one joined")
            if catalog_reading.begin_epoch(session, ring, said):
                self.report.new_epoch = True
            try:
                upstream.hub_time_ms = auth.check_time(ring, said.get("time"), own_nonce)
                upstream.hub_time_steady_s = int(self._installation.steady.now_s())
            except BadSignature:
                # Its key may be one that the catalog has yet to introduce; the clock waits for a round.
                log.info("the time of the hub is signed by a key that is not known here yet")
            upstream.last_contact_ms, upstream.last_error = clock.now_ms(), None
        return said

    def _key_is_new(self, said: dict[str, Any]) -> bool:
        with self._installation.database.read() as session:
            return not greeting.keys_in(said) <= keyring(session).keys.keys()

    def _catch_up_with_epoch(self) -> None:
        """Give a restored hub back what it lost, then begin reading its stream anew."""
        with self._installation.database.read() as session:
            upstream, epoch = self._upstream(session), catalog.state(session).epoch
            has_caught_up, read_so_far = upstream.stream_epoch == epoch, upstream.stream_sequence
        if has_caught_up:
            return
        log.info("the hub began a new epoch", epoch=epoch, stream_sequence=read_so_far)
        self.report.pages_given_back = restoring.give_back(self._installation, self._link)
        self._bringing.ask_for_all_again()
        with self._installation.database.write() as session:
            upstream = self._upstream(session)
            upstream.stream_epoch, upstream.stream_sequence = epoch, 0

    def _bring_home(self) -> None:
        try:
            self._bringing.run()
        finally:
            self.report.outbox_rows = self._bringing.home

    def _read_stream(self) -> None:
        for entries in reading.read(self._installation, self._link, self._url):
            self.report.stream_entries += entries

    def _read_catalog(self, head: SignedHead | None) -> None:
        if head is not None:
            self.report.catalog_entries += catalog_reading.read(self._installation, self._link, head)

    def _is_behind(self, head: SignedHead) -> bool:
        with self._installation.database.read() as session:
            return head.sequence > catalog.sequence(session)

    def _fetch(self, on_progress: Callable[[float], None], *, has_hub: bool = True) -> None:
        installation, report = self._installation, self.report
        with installation.database.read() as session:
            org_uid = session.get_one(Node, self._upstream(session).node_uid).org_uid
            today = schedule_clock.day(calendars.zone_of(session, org_uid), schedule_clock.now_ms(session, installation.steady))
        budget, began_s = Budget(installation, self._ledger), clock.monotonic_s()
        if isinstance(self._carrier, Transfer):
            self._carrier.pace = Pace(budget.ceiling_kbit_s)

        def may_go_on() -> bool:
            report.waits_for = budget.verdict().waits_for
            return not report.waits_for and clock.monotonic_s() - began_s < FETCH_AT_ONCE_S and not budget.order_has_changed

        def turn(share: float) -> None:
            budget.turn()
            on_progress(share)

        self._has_asked_nearby = True
        fetched = fetch.Fetched()
        with suppress(MustStop):  # what came is kept
            fetched = self._nearby.fetch(org_uid, today, lambda: on_progress(0.0), may_go_on, lambda: turn(0.0), budget.ceiling_kbit_s)
            began_s = clock.monotonic_s()
            if has_hub and may_go_on():
                from_hub = fetch.run(
                    installation, self._link, self._carrier, self._ledger, org_uid, today, turn, may_go_on, open_ahead=self._open_ahead
                )
                fetched = fetched.and_then(from_hub)
                if not fetched.has_more and not fetched.disk_full:  # the program is last in line
                    fetched.has_more = releases.run(
                        installation, self._link, self._carrier, self._ledger, __version__, turn, may_go_on
                    )
        report.waits_for = budget.verdict().waits_for
        fetched.has_more = fetched.has_more and not report.waits_for
        report.fetched = report.fetched.and_then(fetched)


def tidy(installation: Installation) -> None:
    """Drop what has been kept for long enough: rows that are home, pages of the stream, packages that were taken back."""
    with installation.database.write() as session:
        outbox.prune(session, installation.steady)
        applying.prune(session, installation)
        node = joining.own_node(session)
        traffic.tidy(session, installation.steady, calendars.zone_of(session, node.org_uid if node else None))
    evicting.clear_away(installation)
    holding.clear_away(
        installation.database, installation.blobs, now_steady_s=installation.steady.now_s(),
        pass_hours=installation.settings.pass_hours,
    )  # fmt: skip
