"""`eduhub serve`: the whole system in the foreground, the pages and a worker under one supervisor.

This module must not import web or worker: both are child processes.
"""

import http.client
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import eduhub
from eduhub import clock, config, logs
from eduhub.config import Settings
from eduhub.errors import AddressInUse
from eduhub.installation import Installation
from eduhub.ops.opening import make_ready
from eduhub.ops.supervisor import Service, Supervisor

KEEP_CLOCK_EVERY_S = 60.0
CODE_FOLDER = Path(eduhub.__file__).parent.parent  # where wsgi.py lies

_log = logs.logger(__name__)


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run until Ctrl-C or SIGTERM; `say` is told the address once the pages answer. Raises AddressInUse."""
    logs.configure(settings)
    installation = prepare(settings)
    watch = Watch(installation, lambda: say(f"EduHub is running at {settings.origin}  (Ctrl-C stops it)"))
    Supervisor(services(settings), watch.tick).run()
    watch.close()
    _log.info("stopped")


def prepare(settings: Settings) -> Installation:
    """Check the address, bring the tables to this release, make what a first start makes."""
    check_address_is_free(settings)
    installation = make_ready(settings)
    installation.steady.keep()
    return installation


def services(settings: Settings) -> list[Service]:
    """The child processes of one installation."""
    environment = config.as_environment(settings)
    web = (
        sys.executable, "-m", "gunicorn", "wsgi:app",
        "--bind", f"{settings.bind}:{settings.port}",
        "--worker-class", "gthread",
        "--workers", str(settings.web_processes),
        "--threads", str(settings.web_threads),
        "--keep-alive", "30",
        "--timeout", "60",
        "--graceful-timeout", "5",
        "--worker-tmp-dir", "/dev/shm",  # noqa: S108 - heartbeats of workers; a disk under load would stall them
        "--no-control-socket",
        "--log-level", "warning",
    )  # fmt: skip
    worker = (sys.executable, "-m", "eduhub.worker")
    return [
        Service(f"{settings.role} pages", web, environment, CODE_FOLDER),
        Service(f"{settings.role} worker", worker, environment, CODE_FOLDER),
    ]


def check_address_is_free(settings: Settings) -> None:
    """Raises AddressInUse, before anything is started, when another program has the port."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.bind.strip("[]"), settings.port))
        except OSError as error:
            raise AddressInUse(str(error), address=f"{settings.bind}:{settings.port}") from error


def answers(settings: Settings, timeout_s: float = 0.5) -> bool:
    """Whether /health of an installation on this machine answers well."""
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "::": "::1"}.get(settings.bind, settings.bind)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.port, timeout=timeout_s)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Watch:
    """What the supervisor does beside watching: the steady clock, and telling when the pages answer."""

    def __init__(self, installation: Installation, on_ready: Callable[[], None]) -> None:
        self._installation, self._on_ready = installation, on_ready
        self._is_ready = False
        self._next_probe_s = self._next_keep_s = clock.monotonic_s()

    def tick(self) -> None:
        """Called four times a second."""
        now = clock.monotonic_s()
        if now >= self._next_keep_s:
            self._installation.steady.keep()
            self._next_keep_s = now + KEEP_CLOCK_EVERY_S
        if not self._is_ready and now >= self._next_probe_s:
            self._next_probe_s = now + 0.5
            if answers(self._installation.settings):
                self._is_ready = True
                self._on_ready()

    def close(self) -> None:
        """Write the clock down a last time and let the database go."""
        self._installation.steady.keep()
        self._installation.database.close()
