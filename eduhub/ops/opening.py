"""Open this machine ready for use: folders, tables of this release, and a hub's first keys."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.errors import BadInput
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from eduhub.signing import SigningKey

root_key_option: Callable[[Any], Any] = click.option(
    "--root-key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The hub's root key file, where it has been taken away from the hub.",
)  # fmt: skip


def make_ready(settings: Settings) -> Installation:
    """The installation of `settings`; its first start makes everything that is missing."""
    installation = open_installation(settings)
    migrate.bring_up(installation.database, settings.data_dir)
    if settings.role == "hub":
        with installation.database.write() as session:
            keys.make_hub_keys(session, installation.keys)
    return installation


@contextmanager
def ready(settings: Settings) -> Iterator[Installation]:
    """The same for one command: the database is let go at the end."""
    installation = make_ready(settings)
    try:
        yield installation
    finally:
        installation.database.close()


@contextmanager
def ready_hub(settings: Settings, at_a_box: str = "this is done at the hub") -> Iterator[Installation]:
    """The same for a command of the hub. Raises BadInput at a box."""
    if settings.role != "hub":
        raise BadInput(at_a_box)
    with ready(settings) as installation:
        yield installation


def root_of(installation: Installation, file: Path | None) -> SigningKey:
    """The root key: that of `file`, or where it still lies at the hub. Raises KeyMissing."""
    return keys.read_key(file) if file else installation.keys.root
