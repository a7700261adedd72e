"""Writers that meet at one moment, on PostgreSQL: each goes so far that it waits for another, then all go on.

Nothing is left to chance: the database itself says who waits.
"""

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from eduhub import changes, clock
from eduhub.db import Database

_LONGEST_S = 60.0
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class Act:
    """What somebody does in a thread of its own, and how that ended."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self.answer: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = self._act()
        except BaseException as error:  # noqa: BLE001 - raised by `done`
            self.error = error

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def done(self) -> Any:
        """The answer, at the end; raises what it raised."""
        self._thread.join(_LONGEST_S)
        assert self.is_over(), "it waits for ever"
        if self.error is not None:
            raise self.error
        return self.answer


def waiting(database: Database) -> int:
    """How many wait for a lock that another transaction holds."""
    with database.engine.connect() as connection:
        return int(connection.execute(_WAITING).scalar_one())


def until(is_so: Callable[[], bool]) -> None:
    """Look again and again."""
    end_s = clock.monotonic_s() + _LONGEST_S
    while not is_so():
        assert clock.monotonic_s() < end_s, "nobody came so far"
        clock.sleep_s(0.01)


def start(database: Database, act: Callable[[], Any]) -> Act:
    """Start it; it waits for others, or is over, when this returns."""
    before = waiting(database)
    started = Act(act)
    until(lambda: waiting(database) > before or started.is_over())
    return started


def all_at_once(database: Database, *acts: Callable[[], Any]) -> list[Any]:
    """Let all of them come to the log while somebody else writes it, one after the other, and go on when that one is done.

    Returns their answers; raises what one of them raised.
    """
    with database.write() as session:
        changes.hold_machine(session)
        started = [start(database, act) for act in acts]
    return [act.done() for act in started]
