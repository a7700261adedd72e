"""Node: what a worker keeps between two rounds of sync, and whether a poll is enough this time.

A round is full when something waits here, when the hub says that something moved, when the last one left something to be
fetched, and once an hour: only its answers are signed, and only they tell the time. All others are one poll on the warm
connection, and over the same one, every quarter of an hour or when it changed, what the box says of itself (`saying`). Nothing is kept on the disk; after a start the first round is a full one.

This module must not know what a round does.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import select

from eduhub import clock
from eduhub.delivery import catalog
from eduhub.errors import EduHubError, LinkDown
from eduhub.installation import Installation
from eduhub.sync import polling, resting, rounds
from eduhub.sync.fetching.carrier import Carrier
from eduhub.sync.homeward import outbox
from eduhub.sync.link import Transport
from eduhub.sync.models import Upstream
from eduhub.sync.polling import Rhythm
from eduhub.sync.round_report import RoundReport
from eduhub.sync.rounds import Kept
from eduhub.sync.status import saying

FULL_EVERY_S = 3600.0
# Something is left that may not be fetched now: the hours, a budget or the disk are looked at again so often.
LEFT_AGAIN_S = 300.0
SAID_EVERY_S = 120.0  # an idle box looks so often whether it has something to say of itself
NOTED_EVERY_MS = 5 * 60_000  # "last contact" of an idle box, so that its disk is not written each minute


@dataclass
class Meeting:
    """One box and its hub, in one process."""

    installation: Installation
    transport: Transport | None = None
    carrier: Carrier | None = None
    now_s: Callable[[], float] = clock.monotonic_s
    chance: Callable[[], float] = random.random
    kept: Kept | None = None
    full_due_s: float = 0.0
    say_due_s: float = 0.0
    polls: int = 0  # that were enough

    def turn(self, on_progress: Callable[[float], None]) -> RoundReport:
        """One poll or one round, whatever is due. Raises what a round raises."""
        try:
            if self._is_idle():
                self.polls += 1
                return RoundReport(polled=True)
            return self._round(on_progress)
        except EduHubError:
            self.close()
            raise

    def close(self) -> None:
        """Give up the connection; the next turn is a full round over a new one."""
        if self.kept is not None:
            self.kept.link.close()
        self.kept = None

    def _is_idle(self) -> bool:
        if self.kept is None or self.now_s() >= self.full_due_s:
            return False
        with self.installation.database.read() as session:
            upstream = session.get(Upstream, self.kept.url)
            if upstream is None or upstream.node_uid != self.kept.node_uid or upstream.last_error or outbox.has_any(session):
                return False
            now = catalog.state(session)
            at = now.epoch, now.sequence, upstream.stream_sequence
            is_stale = upstream.stream_epoch != now.epoch
            noted_ms = upstream.last_contact_ms or 0
        with rounds.one_at_a_time(self.installation) as is_first:
            if not is_first or is_stale:
                return False
            try:
                if self.kept.link.has_moved(*at) is not False:
                    return False
            except LinkDown as error:
                if "retry_after_s" in error.facts:
                    raise
                self.close()  # a round finds out what is wrong, and asks those who stand beside us
                return False
        if not 0 <= clock.now_ms() - noted_ms < NOTED_EVERY_MS:
            with self.installation.database.write() as session:
                session.get_one(Upstream, self.kept.url).last_contact_ms = clock.now_ms()
        if self.now_s() >= self.say_due_s:
            self.say_due_s = self.now_s() + SAID_EVERY_S
            saying.say(self.installation, self.kept.link)
        return True

    def _round(self, on_progress: Callable[[float], None]) -> RoundReport:
        if self.kept is None:
            self.kept = rounds.keep(self.installation, self.transport)
        report = rounds.run(
            self.installation, on_progress=on_progress, transport=self.transport, carrier=self.carrier, kept=self.kept
        )  # fmt: skip
        if report.ran:
            wait_s = FULL_EVERY_S if report.has_all else LEFT_AGAIN_S if report.was_held_back else 0.0
            self.full_due_s = self.now_s() + wait_s * (0.9 + 0.2 * self.chance())
            self.say_due_s = self.now_s() + SAID_EVERY_S
        return report


class Turns:
    """The turns of the one meeting of this process, and when the next is due. Safe to use from several threads.

    A pause holds for all processes of the machine (`resting`).
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._meeting: Meeting | None = None
        self._rhythm: Rhythm | None = None

    def close(self) -> None:
        """Keep nothing open any more."""
        if self._meeting is not None:
            self._meeting.close()
            self._meeting = None

    def is_due(self, installation: Installation) -> bool:
        """Whether this box is to ask now; then the next time is its next moment, whatever becomes of this one.

        One that has not joined asks nobody.
        """
        with self._lock:
            rhythm, now_s = self._rhythm_of(installation), clock.monotonic_s()
            if rhythm is None or not rhythm.is_due(now_s) or resting.is_resting(installation):
                return False
            rhythm.asks(now_s)
            return True

    def take(self, installation: Installation, on_progress: Callable[[float], None]) -> RoundReport:
        """Take a turn, and note when the next is due. Raises what a round raises."""
        if self._meeting is None or self._meeting.installation is not installation:
            self.close()
            self._meeting = Meeting(installation)
        meeting = self._meeting
        try:
            report = meeting.turn(on_progress)
        except EduHubError as error:
            asked_for_s = error.facts.get("retry_after_s")
            with self._lock:
                if (rhythm := self._rhythm_of(installation)) is not None:
                    now_s = clock.monotonic_s()
                    rhythm.failed(now_s, float(asked_for_s) if asked_for_s is not None else None)
                    resting.rest(installation, rhythm.due_s - now_s)
            raise
        with self._lock:
            if (rhythm := self._rhythm_of(installation)) is not None:
                rhythm.went_well()
                resting.over(installation)
        return report

    def _rhythm_of(self, installation: Installation) -> Rhythm | None:
        if self._rhythm is None:
            with installation.database.read() as session:
                node_uid = session.scalars(select(Upstream.node_uid).order_by(Upstream.priority)).first()
            if node_uid is None:
                return None
            interval_s = float(installation.settings.sync_every_s)
            moment_s = polling.moment_s(node_uid, interval_s)
            self._rhythm = Rhythm(interval_s, moment_s, clock.monotonic_s(), random.random)
        return self._rhythm


turns = Turns()
