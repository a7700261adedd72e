"""Open this machine ready for use: folders, tables of this release, and a hub's first keys."""

from collections.abc import Iterator
from contextlib import contextmanager

from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate


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
