"""`eduhub doctor`: can this machine do the work? Each finding says what to do when it is not well."""

import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass

from eduhub import clock
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.errors import EduHubError
from eduhub.media import jail, program
from eduhub.ops import migrate, nginx

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35)  # RETURNING
LEAST_FREE_BYTES = 2 * 1024**3
RELEASED_MS = 1_790_000_000_000  # a clock before this release was made is wrong
_YEAR_MS = 366 * 24 * 3600 * 1000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    is_well: bool
    what: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order in which a person would put things right. Changes nothing."""
    looks: tuple[Callable[[Settings], Finding], ...] = (
        _python, _sqlite, _data_folder, _disk, _keys, _database, _damage, _ffmpeg, _jail, _web_server, _clock, _cookies,
    )  # fmt: skip
    return [look(settings) for look in looks]


def _python(_settings: Settings) -> Finding:
    return Finding(
        sys.version_info >= OLDEST_PYTHON,
        f"Python {sys.version.split()[0]}",
        "Install Python 3.11 or newer, remove .venv and start again.",
    )


def _sqlite(_settings: Settings) -> Finding:
    return Finding(
        sqlite3.sqlite_version_info >= OLDEST_SQLITE,
        f"SQLite {sqlite3.sqlite_version}",
        "This Python was built with an old SQLite; use your system's newer Python.",
    )


def _data_folder(settings: Settings) -> Finding:
    place = settings.data_dir
    while not place.exists():
        place = place.parent
    return Finding(
        os.access(place, os.W_OK | os.X_OK),
        f"data folder {settings.data_dir}{'' if settings.data_dir.exists() else ' (made at the first start)'}",
        f"This user may not write to {place}: change its owner, or choose another folder with EDUHUB_DATA_DIR.",
    )


def _disk(settings: Settings) -> Finding:
    place = settings.data_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return Finding(
        free >= LEAST_FREE_BYTES,
        f"{free / 1024**3:.1f} GB free on the disk of the data folder",
        "Make room: less than 2 GB is left for lessons and the database.",
    )


def _keys(settings: Settings) -> Finding:
    folder = settings.data_dir / "keys"
    open_to_others = [
        path.name
        for path in ([folder, *sorted(folder.iterdir())] if folder.exists() else [])
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if settings.role == "hub" and (folder / "root.key").exists():
        note = "; the root key lies here: 'eduhub keys put-away' moves it to a stick"
    else:
        note = ""
    return Finding(
        not open_to_others,
        f"key files{'' if folder.exists() else ' (made at the first start)'}{note}",
        f"Other users of this machine can read {', '.join(open_to_others)}: chmod -R go= {folder}",
    )


def _database(settings: Settings) -> Finding:
    if not settings.database and not (settings.data_dir / "eduhub.db").exists():
        return Finding(True, "database (made at the first start)")
    database = Database(settings.database_url)
    try:
        present = migrate.current(database)
    except Exception as error:  # noqa: BLE001 - any driver may say in its own way that the server is away
        return Finding(False, "database cannot be opened", f"{type(error).__name__}: look at EDUHUB_DATABASE.")
    finally:
        database.close()
    engine = "SQLite" if database.is_sqlite else "PostgreSQL"
    return Finding(
        present == migrate.head(),
        f"{engine} database at revision {present}",
        "It belongs to another release: 'eduhub serve' brings an older one up; a newer one needs the newer EduHub.",
    )


def _damage(settings: Settings) -> Finding:
    folder = settings.data_dir / "blobs" / "quarantine"
    count = len(list(folder.iterdir())) if folder.exists() else 0
    return Finding(
        count == 0,
        f"{count} stored files damaged by the disk",
        "They are mended where their bytes can be had again; docs/when-the-disk-is-damaged.md says what to do else.",
    )


def _ffmpeg(settings: Settings) -> Finding:
    try:
        found = program.find(settings)
    except EduHubError as error:
        return Finding(False, f"no ffmpeg with the needed encoders ({error.detail})", "apt-get install ffmpeg, or run 'make run' again.")
    version = ".".join(map(str, found.version)) or "of unknown version"
    return Finding(True, f"ffmpeg {version} ({found.origin}: {found.path}) with {', '.join(program.ENCODERS)}")


def _jail(settings: Settings) -> Finding:
    try:
        mode = jail.kind_of_jail(settings)
    except EduHubError as error:
        return Finding(False, "the jail that was asked for does not work here", f"{error.detail}: set EDUHUB_JAIL=auto.")
    if mode == "bubblewrap":
        return Finding(True, "ffmpeg is shut in by bubblewrap and resource limits")
    return Finding(
        settings.role == "node",  # a box encodes nothing
        "ffmpeg is shut in by resource limits alone",
        "Install bubblewrap (apt-get install bubblewrap), so that a hostile file finds nothing to read.",
    )


def _web_server(settings: Settings) -> Finding:
    found = nginx.program()
    if settings.web_server == "gunicorn":
        return Finding(True, "gunicorn answers alone, as it was told to")
    if found is not None:
        return Finding(True, f"nginx {nginx.version(found)} stands in front ({found})")
    return Finding(
        settings.web_server == "auto",
        "nginx is not installed: Python sends lessons itself, which costs several times the work",
        "Install nginx (apt-get install nginx-light), or set EDUHUB_WEB_SERVER=auto.",
    )


def _clock(_settings: Settings) -> Finding:
    now = clock.now_ms()
    return Finding(
        RELEASED_MS - _YEAR_MS < now < RELEASED_MS + 20 * _YEAR_MS,
        f"the clock says {clock.now():%Y-%m-%d %H:%M} UTC",
        "Set the date. Lessons and progress do not depend on it, but what pages show does.",
    )


def _cookies(settings: Settings) -> Finding:
    plain = settings.origin.startswith("http://")
    return Finding(
        not (settings.cookies_need_tls and plain),
        f"pages are reached at {settings.origin}",
        "Without TLS nobody can sign in at a hub while EDUHUB_SECURE_COOKIES=yes: put a TLS server in front and set "
        "EDUHUB_PUBLIC_URL=https://..., or, only to try it out on this machine, set it to no.",
    )
