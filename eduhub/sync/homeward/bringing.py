"""Node: brings home what waits in the outbox, and takes the hub's signed word for what it holds.

Where more than one batch waits, the next ones are posted before the first is acknowledged: a narrow line is not left idle for a
round trip and the hub's commit after each. They arrive in order, and the hub passes over what has a gap before it, so that
one that is lost costs bytes and nothing else. Whatever goes wrong so is tried again one by one.

This module must not know what the rows say, nor what comes before or after in a round.
"""

from collections import deque
from typing import Any

from sqlalchemy.orm import Session

from eduhub import changes, logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, BadSignature, NodeRefused
from eduhub.installation import Installation
from eduhub.signing import Signature, canonical, sha256_hex
from eduhub.sync.homeward import inbox, outbox
from eduhub.sync.homeward.ahead import Broken
from eduhub.sync.homeward.outbox import Batch
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.models import Upstream

log = logs.logger(__name__)

MOST_AHEAD = 3  # batches under way at once
TARGET, TYPE = f"{PREFIX}/outbox", "application/gzip"


class Bringing:
    """Of one round with one hub. What is raised is what `Link` raises, and BadSignature, BadFormat for a hub's false word."""

    def __init__(self, installation: Installation, link: Link, url: str) -> None:
        self._installation, self._link, self._url = installation, link, url
        self._may_post_ahead = True
        self.home = 0  # rows that came home until now

    def ask_for_all_again(self) -> None:
        """After the hub was put back to an earlier state: nothing that it said before counts, until it has said how far it is now.

        Where a copied disk has meanwhile filled up this box's numbers at the hub, the box finds out that it has to number anew:
        what the hub held once and lost would otherwise count as home.
        """
        with self._installation.database.write() as session:
            outbox.send_all_again(session)
        self.say_what_waits()

    def say_what_waits(self) -> None:
        """Ask of each incarnation how far the hub is, which tells it how far this box is."""
        for incarnation in self._incarnations():
            self._ask(incarnation)

    def run(self) -> None:
        """Post all that waits."""
        with changes.writing(self._installation.database) as session:
            outbox.queue_changes(session, self._installation.steady)
        asked = set[str]()
        # A name that is taken on the way, because another machine bears the old one, has its turn in this round too: what comes down next
        # is judged by whether anything still waits.
        while new := [incarnation for incarnation in self._incarnations() if incarnation not in asked]:
            for incarnation in new:
                self._all_of(incarnation)
            asked.update(new)

    def _all_of(self, incarnation: str) -> None:
        while batch := self._next(incarnation):
            before = self._waiting()
            behind = self._next(incarnation, after=batch.last) if self._may_post_ahead else None
            if behind is None:
                self._take(batch, self._link.post(TARGET, batch.body, TYPE))
                has_failed = False
            else:
                has_failed = not self._post_ahead(incarnation, deque([batch, behind]))
            after = self._waiting()
            self.home += max(0, before - after)
            if after >= before and not has_failed:
                return  # the hub took nothing: asking again at once would go on for ever

    def _post_ahead(self, incarnation: str, packed: deque[Batch]) -> bool:
        """These and those behind them, until the hub has all or says something else than that. False: the connection broke."""
        under_way: deque[Batch] = deque()
        try:
            with self._link.ahead() as line:
                while packed or under_way:
                    while packed and len(under_way) < MOST_AHEAD:
                        under_way.append(packed.popleft())
                        line.post(TARGET, under_way[-1].body, TYPE)
                        if not packed and (behind := self._next(incarnation, after=under_way[-1].last)):
                            packed.append(behind)
                    batch = under_way.popleft()
                    if self._take(batch, line.answer()) < batch.last:
                        return True
        except (Broken, NodeRefused) as error:
            log.info("what was posted ahead is posted one by one", why=str(error)[:100], under_way=len(under_way))
            self._may_post_ahead = False
            self._ask(incarnation)
            return False
        return True

    def _ask(self, incarnation: str) -> None:
        with self._installation.database.read() as session:
            question = outbox.question(session, incarnation)
        self._take(question, self._link.post(TARGET, question.body, TYPE))

    def _next(self, incarnation: str, *, after: int = 0) -> Batch | None:
        with changes.writing(self._installation.database) as session:
            return outbox.next_batch(session, incarnation, after=after)

    def _incarnations(self) -> list[str]:
        with self._installation.database.read() as session:
            return outbox.incarnations(session)

    def _waiting(self) -> int:
        with self._installation.database.read() as session:
            return outbox.waiting(session)

    def _take(self, batch: Batch, answer: dict[str, Any]) -> int:
        """Believe the acknowledgement of this very batch; returns up to where the hub says it has all."""
        document = answer.get("acknowledgement")
        if not isinstance(document, dict) or type(document.get("contiguous")) is not int:
            raise BadFormat("not an acknowledgement")
        with self._installation.database.write() as session:
            ring, upstream = keyring(session), session.get_one(Upstream, self._url)
            signature = Signature.from_json(answer.get("signature"))
            ring.verify(inbox.ACK_FORMAT, canonical(document), signature, scope="stream")
            expected = {
                "format": inbox.ACK_FORMAT, "node": upstream.node_uid, "incarnation": batch.incarnation,
                "batch": sha256_hex(batch.body), "epoch": catalog.state(session).epoch,
            }  # fmt: skip
            if any(document.get(name) != value for name, value in expected.items()):
                raise BadSignature("an acknowledgement of something else")
            self._acknowledged(session, batch.incarnation, document)
        return int(document["contiguous"])

    def _acknowledged(self, session: Session, incarnation: str, document: dict[str, Any]) -> None:
        steady = self._installation.steady
        if outbox.is_of_another(session, incarnation, document["contiguous"], document.get("digest")):
            parted = outbox.part_ways(session, steady, incarnation)
            log.warning("another machine counts under the name of this one: it has a new one", rows=parted)
            return
        again = outbox.acknowledged(session, steady, incarnation, document["contiguous"])
        if again:
            log.info("rows are sent again", rows=again)
