"""Node: how far this box is with the version it is offered, for pages and for what it tells the hub.

What the launcher did stands in its journal; this module reads it, and writes nothing.
This module must not know pages, nor the launcher's program.
"""

import fcntl
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from eduhub import __version__
from eduhub.delivery import release
from eduhub.installation import Installation
from eduhub.sync.releases import fetching, holding, machine, state_word
from eduhub.sync.releases.fetching import Offered

# Where the launcher writes (eduhub/ops/launching/), which lies above this room; a test holds them together.
JOURNAL, LOCK = "journal.json", "launch.lock"

COMING, READY, FAILED, BY_HAND, UNFIT = state_word.STAGES
NOTHING = "nothing"  # that it could tell its hub
_IN = "in"  # how a change over ended well, in the journal
_TRIES_OF_A_CUT_ONE = 3


@dataclass(frozen=True)
class State:
    """`stage`: nothing (no other version is offered), coming (its bytes are), ready (it is put in when school is over and
    nobody watches), failed (it did not work, and the old one goes on; `why`), by_hand (no launcher runs here), unfit (it is
    not for this box, or was refused by it; `why`).
    """

    running: str
    offered: str | None = None
    stage: str = NOTHING
    bytes_left: int = 0
    bytes_all: int = 0
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the status that a box sends."""
        return {
            "running": self.running, "offered": self.offered, "stage": self.stage, "bytes_left": self.bytes_left,
            "bytes": self.bytes_all, "why": self.why,
        }  # fmt: skip


def state_here(session: Session, installation: Installation) -> State:
    """How far this box is. Cheap enough for a page."""
    found = fetching.offered(session, __version__)
    if found is None:
        passed_by = fetching.unfit(session, __version__)
        return State(__version__) if passed_by is None else State(__version__, passed_by[0].version, UNFIT, why=passed_by[1])
    if found.manifest is None and fetching.was_refused(installation, found):
        return State(__version__, found.version, UNFIT, why="refused")
    left, whole = _bytes_left(installation, found)
    if left or found.manifest is None:
        return State(__version__, found.version, COMING, left, whole)
    failed = failure(installation.settings.releases_folder, name_of(found.version, found.release_id))
    if failed is not None:
        return State(__version__, found.version, FAILED, 0, whole, failed)
    stage = READY if has_launcher(installation.settings.releases_folder) else BY_HAND
    return State(__version__, found.version, stage, 0, whole)


def word_here(session: Session, installation: Installation) -> str | None:
    """How far this box is, as it tells its hub; None: there is nothing to tell."""
    now = state_here(session, installation)
    if now.offered is None:
        return None
    share = str(100 * (now.bytes_all - now.bytes_left) // now.bytes_all) if now.bytes_all else "0"
    return state_word.write(now.stage, now.offered, share if now.stage == COMING else now.why)


def _bytes_left(installation: Installation, found: Offered) -> tuple[int, int]:
    if found.manifest is None:
        return 0, 0
    sizes = release.sizes(found.manifest.wheels(machine.target()))
    lacking = holding.missing(installation.blobs, found.manifest, machine.target())
    return sum(sizes[name] for name in lacking), sum(sizes.values())


def name_of(version: str, release_id: str) -> str:
    """The folder of a version: people read the number, and two releases can never share one."""
    return f"{version}-{release_id[:12]}"


def journal(folder: Path) -> dict[str, Any]:
    """What the launcher wrote down last; empty where none has run."""
    with suppress(OSError, ValueError):
        found = json.loads((folder / JOURNAL).read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def failure(folder: Path, name: str) -> str | None:
    """Why a version is not tried again: tables, unwell, died, no_copy or cut; None: it may be."""
    found = journal(folder)
    last, tries = found.get("last"), found.get("tries")
    if not isinstance(last, dict) or last.get("to") != name or last.get("ended") == _IN:
        return None
    why = str(last.get("why"))
    if why == "no_room":
        return None
    if why == "cut" and (tries if isinstance(tries, dict) else {}).get(name, 0) < _TRIES_OF_A_CUT_ONE:
        return None
    return why


def has_launcher(folder: Path) -> bool:
    """Whether a launcher runs there: it holds a lock for as long as it lives."""
    with suppress(FileNotFoundError), (folder / LOCK).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
