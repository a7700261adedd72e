"""Both lanes over one data folder: gunicorn alone, and nginx before a gunicorn of its own, as `eduhub serve` runs them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from eduhub import clock
from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate, serve
from tests.delivery.conftest import HUB
from tests.ops.commanding import on_a_free_port

START_LIMIT_S = 180.0


def hub_in(folder: Path, **values: object) -> Installation:
    """A hub on SQLite: the lanes ask no database, so one engine is enough."""
    plain: dict[str, object] = {"secure_cookies": False, "web_processes": 1, "web_threads": 16, "default_language": "en"}
    made = open_installation(Settings(data_dir=folder, **(plain | values)))  # type: ignore[arg-type]
    migrate.upgrade(made.database)
    with made.database.write() as session:
        keys.make_hub_keys(session, made.keys, hub_uid=HUB)
    return made


@contextmanager
def running(hub: Installation, web_server: str) -> Iterator[int]:
    """What answers at a port, without a worker; gives the port once /health answers in any way."""
    settings = on_a_free_port(replace(hub.settings, web_server=web_server))
    here = open_installation(settings)
    processes = [
        subprocess.Popen(service.command, env=dict(service.environment), cwd=service.folder, stdin=subprocess.DEVNULL)
        for service in serve.services(here)
        if not service.title.endswith("worker")
    ]
    here.database.close()
    try:
        _wait_for(settings, processes)
        yield settings.port
    finally:
        for process in reversed(processes):
            process.terminate()
        codes = [process.wait(60) for process in processes]
    assert codes == [0] * len(processes)


def _wait_for(settings: Settings, processes: list[subprocess.Popen[bytes]]) -> None:
    until = clock.monotonic_s() + START_LIMIT_S
    while not serve.speaks(settings):
        assert clock.monotonic_s() < until
        assert [process.poll() for process in processes] == [None] * len(processes)
        clock.sleep_s(0.1)
