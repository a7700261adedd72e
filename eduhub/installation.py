"""What this machine is: its settings, database, blob store, keys and steady clock, opened once.

Jobs, commands, protocol blueprints and pages all take an `Installation`. This is the one place
below the pages that chooses a blob store.

This module must not know HTTP, nor any domain above it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from eduhub.clock import SteadyClock
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.delivery.blobs import BlobStore
from eduhub.delivery.blobs_disk import DiskStore
from eduhub.delivery.keys import KeyChest
from eduhub.jobs import queue

# Folders below data_dir beside keys/ and those of the blob store.
FOLDERS = ("incoming", "work", "run")


@dataclass(frozen=True)
class Installation:
    """The five things that nearly everything needs."""

    settings: Settings
    database: Database
    blobs: BlobStore
    keys: KeyChest
    steady: SteadyClock

    @property
    def packages_dir(self) -> Path:
        """The folder that the media lane and nginx serve: packages/<package id>/<sha256>."""
        return self.settings.data_dir / "packages"


@dataclass(frozen=True)
class JobContext:
    """What a running job is handed."""

    installation: Installation
    job_uid: str
    # Takes 0.0 to 1.0; raises JobCancelled or LeaseLost, which the job lets through.
    progress: Callable[[float], None]
    attempt: int | None = None  # which claim of the job this is; None outside the queue

    def hold(self, session: Session) -> None:
        """The first thing to ask in a transaction that writes results: does this attempt hold the job still?

        Locks the job's row until the commit. Raises LeaseLost, and JobCancelled when it was asked to stop.
        """
        if self.attempt is not None:
            queue.hold(session, self.job_uid, self.attempt)


def open_installation(settings: Settings) -> Installation:
    """Open this machine's data folder, made at the first call. Raises DiskFull, PermissionError.

    It makes the machine's HMAC secret, because every machine needs one from the first page on;
    hub and node keys are made by `keys.make_hub_keys` and `KeyChest.make_node_keys`.
    """
    for name in FOLDERS:
        (settings.data_dir / name).mkdir(parents=True, exist_ok=True)
    keys = KeyChest(settings.data_dir / "keys")
    keys.make_secret()
    return Installation(
        settings=settings,
        database=Database(settings.database_url),
        blobs=DiskStore(settings.data_dir),
        keys=keys,
        steady=SteadyClock(settings.data_dir / "steady-clock.json"),
    )
