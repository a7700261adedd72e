"""Box: take in what a stick brings, then give it what goes home. A straight list; each step may be killed and repeated.

epoch -> catalog -> time -> acknowledgements -> school stream -> grant -> parts -> (giving)

The steps are those of a round, and the same functions do them. Where a step cannot be done (a page that was torn, a
stick that is older than what the link has brought since), the others are done all the same. Nothing on a stick is
believed but what is signed under the pinned root; and nothing goes back because a stick is old.

This module must not know how bytes lie on the stick (`folder`, `stick`).
"""

import json
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import __version__, changes, logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import (
    BadFormat,
    BadSignature,
    BoxBusy,
    EduHubError,
    NoCourier,
    NodeRefused,
    OlderStick,
    StickFull,
    StickGone,
    StickReadOnly,
)
from eduhub.installation import Installation
from eduhub.schools import calendars
from eduhub.sync import auth, catalog_reading, rounds
from eduhub.sync.allowance import schedule_clock, traffic
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.courier import about, acks, giving, layout
from eduhub.sync.courier.folder import FolderCarrier, FolderLink
from eduhub.sync.courier.reports import TakenIn
from eduhub.sync.courier.stick import Stick
from eduhub.sync.fetching import fetch, finding, wanted
from eduhub.sync.homeward import outbox
from eduhub.sync.mirrors import grants
from eduhub.sync.models import Node, Upstream
from eduhub.sync.releases import fetching as releases
from eduhub.sync.school_stream import applying, stream_pages

log = logs.logger(__name__)


def take(installation: Installation, stick: Stick, on_progress: Callable[[float], None], *, gives: bool = True) -> TakenIn:
    """Take in, then give back, if it `gives`. A stick that no hub has filled yet is only given to.

    Raises NodeRefused (not joined), BoxBusy (a round is under way), AnotherHubsStick, OlderStick, NoCourier, StickGone.
    """
    with rounds.one_at_a_time(installation) as is_first:
        if not is_first:
            raise BoxBusy
        return _Taking(installation, stick, on_progress).run(gives)


class _Taking:
    def __init__(self, installation: Installation, stick: Stick, on_progress: Callable[[float], None]) -> None:
        self._installation, self._stick, self._on_progress = installation, stick, on_progress
        self._report = TakenIn()
        with installation.database.read() as session:
            url = session.scalars(select(Upstream.url).order_by(Upstream.priority).limit(1)).first()
        if url is None:
            raise NodeRefused("this box has not joined a hub")
        self._url: str = url

    def run(self, gives: bool) -> TakenIn:
        found = about.read(self._stick)
        if found is not None:
            self._begin(found)
            self._step("catalog", lambda: self._read_catalog(found))
            self._step("time", lambda: self._read_time(found))
            self._step("acknowledgements", self._read_acknowledgements)
            self._on_progress(0.05)
            self._step("stream", self._read_stream)
            self._step("grant", self._read_grant)
            self._on_progress(0.1)
            self._step("parts", self._fetch)
            rounds.tidy(self._installation)
        elif self._stick.size(layout.ABOUT) is not None:
            self._note_refused("about", BadFormat("about.json cannot be read"))
        self._count_missing()
        if gives:
            self._give()
        self._on_progress(1.0)
        return self._report

    def _step(self, name: str, act: Callable[[], None]) -> None:
        """What is wrong with one step is its own matter; a stick that is gone, and a full disk of the box, end all of it."""
        try:
            act()
        except (BadFormat, BadSignature) as error:
            self._note_refused(name, error)
        except EduHubError as error:
            if error.code not in ("catalog.rolled_back", "catalog.cut_short"):
                raise
            self._note_refused(name, error)

    def _note_refused(self, name: str, error: EduHubError) -> None:
        log.warning("something on the stick was refused", step=name, error_code=error.code, detail=error.detail[:200])
        if name not in self._report.refused:
            self._report.refused.append(name)

    def _upstream(self, session: Session) -> Upstream:
        return session.get_one(Upstream, self._url)

    def _begin(self, found: about.About) -> None:
        with self._installation.database.write() as session:
            ring = keyring(session)
            found.require_of(ring)
            if catalog_reading.begin_epoch(session, ring, found.greeting):
                self._report.new_epoch = True
                outbox.send_all_again(session)
            if found.epoch < catalog.state(session).epoch:
                raise OlderStick(f"epoch {found.epoch}")

    def _read_catalog(self, found: about.About) -> None:
        head = found.head
        if head is None:
            raise BadFormat("no head of a catalog")
        with self._installation.database.read() as session:
            state = catalog.state(session)
            is_news = (head.epoch, head.sequence) > (state.epoch, state.sequence)
        if is_news:  # else the link was quicker
            link = FolderLink(self._stick, head)
            self._report.catalog_entries = catalog_reading.read(self._installation, link, head, keeps_pages=False)

    def _read_time(self, found: about.About) -> None:
        """A moment that has passed: it moves the schedule clock forward and never back."""
        installation = self._installation
        with installation.database.write() as session:
            time_ms = auth.check_time(keyring(session), found.greeting.get("time"), about.NO_NONCE)
            upstream, now_ms = self._upstream(session), schedule_clock.now_ms(session, installation.steady)
            if now_ms is None or now_ms < time_ms:
                upstream.hub_time_ms, upstream.hub_time_steady_s = time_ms, int(installation.steady.now_s())

    def _read_acknowledgements(self) -> None:
        with self._installation.database.read() as session:
            node_uid = self._upstream(session).node_uid
        payload = self._stick.read(layout.acks(node_uid), max_bytes=layout.MAX_ACKS_BYTES)
        if payload is None:
            return
        with self._installation.database.write() as session:
            word = acks.read(payload, keyring(session), node_uid, catalog.state(session).epoch)
            for incarnation, contiguous in word.contiguous.items():
                if outbox.is_of_another(session, incarnation, contiguous, word.digests.get(incarnation)):
                    outbox.part_ways(session, self._installation.steady, incarnation)
                    continue
                self._report.acknowledged += outbox.acknowledged_by_stick(
                    session, self._installation.steady, incarnation, contiguous
                )
            upstream, epoch = self._upstream(session), catalog.state(session).epoch
            if upstream.stream_epoch != epoch and word.given_back:
                log.info("the restored hub has what this box gave back", epoch=epoch)
                upstream.stream_epoch, upstream.stream_sequence = epoch, 0

    def _read_stream(self) -> None:
        """Every page that goes on from here. Pages of several hands may overlap: each row says its place."""
        with self._installation.database.read() as session:
            upstream = self._upstream(session)
            node_uid, epoch = upstream.node_uid, upstream.stream_epoch
        pattern = layout.STREAM_FILE
        names = self._stick.names((layout.STREAM, node_uid), pattern, limit=layout.MAX_STREAM_FILES)
        found = sorted(place for name in names if (place := layout.read_stream_name(name)) and place[0] == epoch)
        for _epoch, after, upto in found:
            with self._installation.database.read() as session:
                at = self._upstream(session).stream_sequence
            if after <= at < upto:
                self._step("stream", lambda place=(epoch, after, upto): self._take_page(node_uid, *place))  # type: ignore[misc]

    def _read_grant(self) -> None:
        """What this box may have of other boxes, until the hub says so anew; an older one than the one here changes nothing."""
        with self._installation.database.read() as session:
            node_uid = self._upstream(session).node_uid
        payload = self._stick.read(layout.grant(node_uid), max_bytes=layout.MAX_GRANT_BYTES)
        if payload is None:
            return
        try:
            found = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise BadFormat("a grant is JSON") from error
        with self._installation.database.write() as session:
            grants.take(session, self._installation, found)

    def _take_page(self, node_uid: str, epoch: int, after: int, upto: int) -> None:
        installation = self._installation
        sealed = self._stick.read(layout.stream_page(node_uid, epoch, after, upto), max_bytes=layout.MAX_STREAM_BYTES)
        if sealed is None:
            raise BadFormat("a page of the stream cannot be read")
        with changes.writing(installation.database) as session:
            upstream = self._upstream(session)
            page = stream_pages.open_page(sealed, installation.keys.node_sealing, keyring(session))
            at = upstream.stream_sequence
            if page.after <= at < page.upto:
                # What lies before is known here, perhaps newer; what of the rest has moved since comes again, further on.
                rest = [entry for entry in page.entries if entry["sequence"] > at]
                page = replace(page, after=at, entries=rest)
                self._report.stream_entries += applying.take_in(session, installation, upstream, page)

    def _fetch(self) -> None:
        installation, stick = self._installation, self._stick
        with installation.database.read() as session:
            org_uid = session.get_one(Node, self._upstream(session).node_uid).org_uid
            today = schedule_clock.day(
                calendars.zone_of(session, org_uid), schedule_clock.now_ms(session, installation.steady)
            )
            state = catalog.state(session)
            head = catalog.head(session) if state.head else None
        if head is None:
            return
        carrier = FolderCarrier(stick, installation.blobs.has)
        try:
            with Ledger(installation) as ledger, ledger.by(traffic.STICK):
                done = fetch.run(
                    installation, FolderLink(stick, head), carrier, ledger, org_uid, today,
                    lambda share: self._on_progress(0.1 + 0.85 * share), lambda: True, carrier.brings,
                )  # fmt: skip
                if not done.disk_full:  # the program is last in line
                    releases.run(
                        installation, FolderLink(stick, head), carrier, ledger, __version__,
                        lambda share: self._on_progress(0.95 + 0.04 * share), lambda: True, carrier.brings,
                    )  # fmt: skip
            self._report.parts, self._report.disk_full = done.parts, done.disk_full
        finally:
            self._report.bytes, self._report.damaged = carrier.bytes, len(carrier.damaged)

    def _count_missing(self) -> None:
        with self._installation.database.read() as session:
            org_uid = session.get_one(Node, self._upstream(session).node_uid).org_uid
            today = schedule_clock.day(
                calendars.zone_of(session, org_uid), schedule_clock.now_ms(session, self._installation.steady)
            )
            packages = finding.find(session, org_uid, today).courses
            self._report.missing = len(packages.keys() - wanted.complete(session, packages))

    def _give(self) -> None:
        with self._installation.database.read() as session:
            upstream = self._upstream(session)
        try:
            self._report.given_rows = giving.give(self._installation, self._stick, upstream)
            self._report.gave = True
        except (StickFull, StickReadOnly, NoCourier, StickGone) as error:
            # What was taken in is here all the same.
            log.warning("nothing could be given to the stick", error_code=error.code)
            self._report.why_not_given = error.code
