"""One machine of the county: its files, its clocks, and the program on it while it runs."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from eduhub import clock
from eduhub.clock import SteadyClock
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from tests.sync.world import app_of
from tests.year import releases
from tests.year.line import Answered, Asked, answer_of

# One for all starts of a machine: compiled statements are kept, connections are not.
_databases: dict[str, Database] = {}


class Time:
    """The true time of the county, as Unix milliseconds; it passes when the year says so."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms


class Machine:
    """A hub or a box. `disk` is what a power cut happens to; the data folder lies in it."""

    def __init__(self, name: str, role: str, folder: Path, time: Time, *, release: int = 0) -> None:
        self.name, self.role, self.time = name, role, time
        self.disk = folder / name
        self.settings = Settings(
            data_dir=self.disk / "data", role="hub" if role == "hub" else "node", secure_cookies=False, log_format="text",
            disk_spare_mb=0, default_language="en",
        )  # fmt: skip
        self.wrong_ms = 0  # how far its wall clock is off
        self.release = release
        self._boots, self._booted_ms = 0, time.now_ms
        self.here: Installation = self.start()
        self._app: Callable[..., Any] | None = None

    def start(self) -> Installation:
        """Start the program, after a boot of the machine."""
        self._boots += 1
        self._booted_ms = self.time.now_ms
        self._app = None
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        with self.at_work():
            here = open_installation(self.settings)
            here = replace(
                here, database=_databases.setdefault(here.database.url, here.database),
                steady=SteadyClock(self.settings.data_dir / "steady-clock.json", uptime_s=self._uptime_s, boot_id=self._boot),
            )  # fmt: skip
            migrate.bring_up(here.database, self.settings.data_dir)
        self.here = here
        return here

    def _uptime_s(self) -> float:
        return 20.0 + (self.time.now_ms - self._booted_ms) / 1000

    def _boot(self) -> str:
        return f"{self.name}-{self._boots}"

    def stop(self) -> None:
        """Let go of every file."""
        self.here.database.close()

    def empty(self) -> None:
        """A new disk."""
        self.stop()
        shutil.rmtree(self.disk)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The wall clock of this process is this machine's, and so is the release."""
        before, release = clock._frozen_ms, releases.chosen()
        clock.freeze(max(0, self.time.now_ms + self.wrong_ms))
        releases.choose(self.release)
        try:
            yield
        finally:
            clock.freeze(before)
            releases.choose(release)

    def answer(self, asked: Asked) -> Answered:
        """What this hub answers a box."""
        with self.at_work():
            if self._app is None:
                self._app = app_of(self.here)
            return answer_of(self._app, asked)


def seeded_uids(seed: int) -> random.Random:
    """Let uids come from a seed; returns where they come from, to be seeded anew before each act."""
    from eduhub import uids

    lot = random.Random(seed)

    class Seeded:
        """Stands in for `secrets` there."""

        randbits = staticmethod(lot.getrandbits)

    uids.secrets = Seeded  # type: ignore[attr-defined]
    return lot
