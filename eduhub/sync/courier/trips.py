"""What is done with the sticks that are plugged in, at the hub or at a box; several at once.

Several sticks are filled side by side: each is slow by itself, and what the hub reads for the first is in memory for
the others, because all are filled in the same order.

This module must not know who asked, nor where sticks are mounted.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from eduhub.errors import EduHubError, NodeRefused
from eduhub.installation import Installation
from eduhub.sync.courier import exporting, giving, receiving, taking
from eduhub.sync.courier.reports import BroughtHome, Exported, Given, TakenIn
from eduhub.sync.courier.stick import Stick
from eduhub.sync.models import Upstream

MAX_AT_ONCE = 20

Report = Exported | BroughtHome | TakenIn | Given
Act = Callable[[Installation, Path, Callable[[float], None]], Report]


def export(
    installation: Installation, folder: Path, *, nodes: Sequence[str], on_progress: Callable[[float], None]
) -> Report:
    """Fill the stick at `folder`: at the hub with what boxes lack, at a box with what goes home. Raises as those do."""
    with Stick(folder, make=True) as stick:
        return fill(installation, stick, nodes=nodes, on_progress=on_progress)


def fill(
    installation: Installation, stick: Stick, *, nodes: Sequence[str], on_progress: Callable[[float], None]
) -> Report:
    """The same for a stick, or a parcel, that is at hand."""
    if installation.settings.role == "hub":
        return exporting.export(installation, stick, nodes=nodes, on_progress=on_progress)
    with installation.database.read() as session:
        upstream = session.scalars(select(Upstream).order_by(Upstream.priority).limit(1)).first()
    if upstream is None:
        raise NodeRefused("this box has not joined a hub")
    return Given(giving.give(installation, stick, upstream))


def take_in(installation: Installation, folder: Path, *, on_progress: Callable[[float], None]) -> Report:
    """Take in what the stick at `folder` brings. Raises as `receiving.take` at the hub and `taking.take` at a box do."""
    with Stick(folder) as stick:
        return take(installation, stick, on_progress)


def take(installation: Installation, stick: Stick, on_progress: Callable[[float], None], *, gives: bool = True) -> Report:
    """The same of a stick, or a parcel, that is at hand. `gives`: a box leaves on it what goes home."""
    if installation.settings.role == "hub":
        return receiving.take(installation, stick, on_progress)
    return taking.take(installation, stick, on_progress, gives=gives)


@dataclass(frozen=True)
class Trip:
    """What came of one stick: a report, or why not."""

    folder: Path
    report: Report | None
    error: EduHubError | None


def each(installation: Installation, folders: Sequence[Path], act: Act, on_progress: Callable[[float], None]) -> list[Trip]:
    """Do it with each stick, at most 20 at once; one that fails stops no other. `on_progress` is told the mean."""
    shares, lock = dict.fromkeys(folders, 0.0), threading.Lock()

    def one(folder: Path) -> Trip:
        def move(share: float) -> None:
            with lock:
                shares[folder] = share
                on_progress(sum(shares.values()) / len(shares))

        try:
            return Trip(folder, act(installation, folder, move), None)
        except EduHubError as error:
            return Trip(folder, None, error)

    with ThreadPoolExecutor(max_workers=min(MAX_AT_ONCE, len(shares))) as pool:
        return list(pool.map(one, shares))
