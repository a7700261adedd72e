"""Run the version of EduHub that `current` leads to, and change over to another one when asked.

Of a version the launcher knows only four things: `bin/eduhub serve`, `bin/eduhub release tables` (bring the tables up),
`bin/eduhub release look` (whether what serves here works), and the file `release.json` beside them.

Each step is written into the journal, and synced, before it begins. Whatever cuts it short, the next start ends
in the old version on its own tables, or, once the new one has proved itself, in the new one. Until then nobody reaches the
new one, so its tables can be thrown away; from then on they never are. See docs/decisions/0022 and docs/formats/releases.md.
This module must not know processes or signals (`processes`).
"""

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eduhub.ops.launching.files import facts, files_of, link_to, private, put_back, sync_file, sync_folder, write_whole

JOURNAL, REQUEST, CURRENT, KEPT = "journal.json", "request.json", "current", "kept.db"


@dataclass(frozen=True)
class Patience:
    """How long what may take, in seconds, and how often a new version may die."""

    stop: float = 30.0
    tables: float = 3600.0
    prove: float = 300.0  # within which it must work ...
    well: float = 20.0  # ... for so long without a break
    probation: float = 900.0  # after which a version that runs is believed
    deaths: int = 5
    look_every: float = 30.0
    tries: int = 3  # of one version that power cuts interrupt
    tick: float = 1.0


class Stopped(Exception):
    """The launcher was told to end."""


class Versions(Protocol):
    """What runs versions; tests have another one."""

    def tables(self, name: str) -> bool:
        """Bring the tables to that version; whether it went well."""

    def start(self, name: str, *, proving: bool) -> None:
        """Serve; `proving`: at a port of this machine alone, and doing no work."""

    def look(self, name: str) -> bool:
        """Whether what serves works: pages, a part, the worker's beat."""

    def is_running(self) -> bool:
        """Whether what was started is alive."""

    def stop(self) -> None:
        """End it, with all it started."""


class Launcher:
    """Works through the journal in `folder`. `database`: the SQLite file; None: there is none to copy."""

    def __init__(
        self, folder: Path, database: Path | None, versions: Versions, patience: Patience,
        *, now: Callable[[], float], wait: Callable[[float], None], say: Callable[[str], None] = lambda _text: None,
    ) -> None:  # fmt: skip
        self.folder, self._database, self._versions, self._patience = folder, database, versions, patience
        self._now, self._wait, self._say = now, wait, say
        self._journal: dict[str, Any] = {"format": 1, "step": "run"}

    # --- the journal --------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The name of the version that runs, or will."""
        return os.readlink(self.folder / CURRENT)

    def _note(self, step: str, **facts: Any) -> None:
        """Write down, before it begins, what is done next. A fact that is None is forgotten."""
        self._journal = {name: value for name, value in {**self._journal, "step": step, **facts}.items() if value is not None}
        write_whole(self.folder / JOURNAL, json.dumps(self._journal).encode())

    def _read(self) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            found = json.loads((self.folder / JOURNAL).read_bytes())
            if isinstance(found, dict):
                self._journal = found

    # --- starting -----------------------------------------------------------------------

    def recover(self) -> None:
        """End what a cut left half done. Safe to repeat, and to cut."""
        self._read()
        step = self._journal.get("step")
        if step == "keep":  # the tables are as they were
            self._ended("cut")
        elif step in {"migrate", "prove"}:
            self._give_back("cut")
        elif step == "restore":
            self._give_back(self._journal.get("why", "cut"))
        elif step == "open":
            self._open()

    def run(self) -> None:
        """Run what is current, until told to stop. Raises Stopped."""
        self.recover()
        pause = 1.0
        while True:
            name, began = self.current, self._now()
            self._versions.start(name, proving=False)
            self._say(f"runs {name}")
            asked = self._watch(name)
            if asked is not None:
                self._versions.stop()
                self.change_over(asked)
                pause = 1.0
                continue
            if self._take_back_if_it_keeps_dying(name):
                continue
            pause = 1.0 if self._now() - began > 60 else min(60.0, 2 * pause)
            self._wait(pause)

    def _watch(self, name: str) -> str | None:
        """Stay until it has died (None), or another version is asked for (its name)."""
        began = looked = self._now()
        bad_since: float | None = None
        while self._versions.is_running():
            self._wait(self._patience.tick)
            now = self._now()
            asked = self._asked()
            if asked is not None:
                if self._has_room():
                    return asked
                # Asked again and again on a full disk, it would else be away from the children each time.
                self._note("run", last={"to": asked, "ended": "not_in", "why": "no_room"})
                self._say(f"{asked} did not take over: no_room")
            if self._journal.get("opened") != name or now - looked < self._patience.look_every:
                continue
            looked = now
            if self._versions.look(name):
                bad_since = None
                if now - began > self._patience.probation:
                    self._believe(name)
            elif bad_since is None:
                bad_since = now
            elif now - bad_since > self._patience.prove:
                self._say(f"{name} runs, and does not work")
                self._versions.stop()
        return None

    def _believe(self, name: str) -> None:
        self._note("run", opened=None, before=None, deaths=None, tries=None)
        (self.folder / KEPT).unlink(missing_ok=True)
        self._say(f"{name} has run well")

    def _asked(self) -> str | None:
        path = self.folder / REQUEST
        try:
            asked = json.loads(path.read_bytes()).get("to")
        except FileNotFoundError:
            return None
        except (ValueError, AttributeError):
            asked = None
        path.unlink(missing_ok=True)
        sync_folder(self.folder)
        if not isinstance(asked, str) or asked in {"", ".", ".."} or "/" in asked or asked == self.current:
            return None
        return asked if facts(self.folder / asked) is not None else None

    # --- changing over ------------------------------------------------------------------

    def change_over(self, to: str) -> None:
        """Let version `to` take over, or nothing be changed. Nothing runs when this begins, and nothing when it ends."""
        tries = self._journal.get("tries") or {}
        self._note("keep", to=to, before=self.current, why=None, tries={to: tries.get(to, 0) + 1})
        why = self._try(to)
        if why is None:
            self._note("open")
            self._open()
        elif self._journal["step"] == "keep":
            self._ended(why)
        else:
            self._give_back(why)

    def _try(self, to: str) -> str | None:
        """Why it does not do; None: it does."""
        if self._journal["tries"][to] > self._patience.tries:
            return "cut"
        if self._database is None and not self._goes_back(to, self.current):
            return "no_copy"
        if not self._keep():
            return "no_room"
        self._note("migrate")
        if not self._versions.tables(to):
            return "tables"
        self._note("prove")
        return None if self._prove(to) else "unwell"

    def _keep(self) -> bool:
        """A copy of the database, on disk when this returns True."""
        if self._database is None:
            return True
        kept, new = self.folder / KEPT, self.folder / f"{KEPT}.new"
        new.unlink(missing_ok=True)
        if not self._has_room():
            return False
        private(new).close()
        with contextlib.closing(sqlite3.connect(self._database)) as source, contextlib.closing(sqlite3.connect(new)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        shutil.copymode(self._database, new)
        sync_file(new)
        os.replace(new, kept)
        sync_folder(self.folder)
        return True

    def _has_room(self) -> bool:
        """For the copy, and for what bringing up the tables may take beside it."""
        if self._database is None:
            return True
        size = sum(path.stat().st_size for path in files_of(self._database) if path.exists())
        return shutil.disk_usage(self.folder).free >= 2 * size + (64 << 20)

    def _prove(self, to: str) -> bool:
        """Let it serve behind closed doors until it has been well for a while."""
        self._versions.start(to, proving=True)
        try:
            until, well_since = self._now() + self._patience.prove, None
            while self._now() < until and self._versions.is_running():
                if not self._versions.look(to):
                    well_since = None
                elif well_since is None:
                    well_since = self._now()
                elif self._now() - well_since >= self._patience.well:
                    return True
                self._wait(self._patience.tick)
            return False
        finally:
            self._versions.stop()

    def _open(self) -> None:
        """The doors open: from here on its tables are what people were told is saved."""
        to = self._journal["to"]
        link_to(self.folder / CURRENT, to)
        self._note("run", opened=to, deaths=0, to=None, why=None, last={"to": to, "ended": "in"})
        self._say(f"{to} has taken over")

    def _give_back(self, why: str) -> None:
        """The old one's tables again; `current` never led anywhere else."""
        self._note("restore", why=why)
        if self._database is not None:
            put_back(self.folder / KEPT, self._database)
        self._ended(why)

    def _ended(self, why: str) -> None:
        to = self._journal.get("to")
        tries = self._journal.get("tries") if why == "cut" else None
        self._note("run", to=None, before=None, why=None, tries=tries, last={"to": to, "ended": "not_in", "why": why})
        for name in (KEPT, f"{KEPT}.new"):
            (self.folder / name).unlink(missing_ok=True)
        self._say(f"{to} did not take over: {why}")

    def _take_back_if_it_keeps_dying(self, name: str) -> bool:
        """Go back to the version before, on the tables as they are now, where that version can run on them."""
        if self._journal.get("opened") != name:
            return False
        self._note("run", deaths=self._journal.get("deaths", 0) + 1)
        before = self._journal.get("before")
        if self._journal["deaths"] < self._patience.deaths or not before or not self._goes_back(name, before):
            return False
        link_to(self.folder / CURRENT, before)
        self._note("run", opened=None, deaths=None, before=None, last={"to": name, "ended": "taken_back", "why": "died"})
        (self.folder / KEPT).unlink(missing_ok=True)
        self._say(f"{name} kept dying: {before} runs again")
        return True

    def _goes_back(self, to: str, before: str) -> bool:
        """Whether version `before` runs on the tables of `to`."""
        old, new = facts(self.folder / before) or {}, facts(self.folder / to) or {}
        return "schema" in old and old["schema"] in [new.get("schema"), *new.get("goes_back_to", ())]
