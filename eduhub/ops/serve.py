"""`eduhub serve`: the whole system in the foreground: pages, a worker, and nginx before them where it is installed.

This module must not import web or worker: both are child processes.
"""

import http.client
import os
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

import eduhub
from eduhub import clock, config, logs
from eduhub.config import Settings
from eduhub.errors import AddressInUse
from eduhub.installation import Installation
from eduhub.ops import nginx
from eduhub.ops.opening import make_ready
from eduhub.ops.supervisor import Service, Supervisor

KEEP_CLOCK_EVERY_S = 60.0
CODE_FOLDER = Path(eduhub.__file__).parent.parent
_MOST_READ_BYTES = 1 << 20

_log = logs.logger(__name__)


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run until Ctrl-C or SIGTERM; `say` is told the address once the pages answer. Raises AddressInUse."""
    logs.configure(settings)
    installation = prepare(settings)
    watch = Watch(installation, lambda: say(f"EduHub is running at {settings.origin}  (Ctrl-C stops it)"))
    Supervisor(services(installation), watch.tick).run()
    watch.close()
    _log.info("stopped")


def prepare(settings: Settings) -> Installation:
    """Check the address, bring the tables to this release, make what a first start makes."""
    check_address_is_free(settings)
    installation = make_ready(settings)
    installation.steady.keep()
    return installation


def services(installation: Installation) -> list[Service]:
    """The child processes of one installation. Raises BadSetting where nginx is demanded and cannot be used."""
    settings = installation.settings
    in_front = nginx.stand(installation)
    environment = config.as_environment(settings)
    web = (
        sys.executable, "-m", "gunicorn", "eduhub.app:create_app()",
        "--bind", in_front.gunicorn_bind if in_front else f"{settings.bind}:{settings.port}",
        "--worker-class", "gthread",
        "--workers", str(settings.web_processes),
        "--threads", str(settings.web_threads),
        "--worker-connections", str(max(1000, 2 * settings.web_threads)),
        "--keep-alive", "100",  # longer than nginx's, and where gunicorn answers alone longer than from one poll to the next
        "--timeout", "60",
        "--graceful-timeout", "5",
        "--forwarded-allow-ips", "",  # who tells of a client is decided in eduhub/app.py
        "--worker-tmp-dir", "/dev/shm",  # noqa: S108 - heartbeats of workers; a disk under load would stall them
        "--no-control-socket",
        "--log-level", "warning",
    )  # fmt: skip
    made = [
        Service(f"{settings.role} pages", web, environment, CODE_FOLDER),
        Service(f"{settings.role} worker", (sys.executable, "-m", "eduhub.worker"), environment, CODE_FOLDER),
    ]
    if in_front:
        made.append(Service(f"{settings.role} nginx", in_front.command, environment, in_front.folder))
    return made


def check_address_is_free(settings: Settings) -> None:
    """Raises AddressInUse, before anything is started, when another program has the port."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    for port in filter(None, (settings.port, settings.http_port)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind.strip("[]"), port))
            except OSError as error:
                raise AddressInUse(str(error), address=f"{settings.bind}:{port}") from error


def answers(settings: Settings, timeout_s: float = 0.5) -> bool:
    """Whether /health of an installation on this machine answers well."""
    return status_of(settings, "/health", timeout_s=timeout_s) == HTTPStatus.OK


def speaks(settings: Settings, timeout_s: float = 0.5) -> bool:
    """Whether the pages answer, whatever the state of the worker is. A box that has not joined leads to its first page."""
    return status_of(settings, "/sign-in", timeout_s=timeout_s) in {HTTPStatus.OK, HTTPStatus.SEE_OTHER}


def status_of(settings: Settings, path: str, headers: Mapping[str, str] = MappingProxyType({}), *, timeout_s: float) -> int | None:
    """The status with which the installation on this machine answers a GET; None: it does not."""
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "::": "::1"}.get(settings.bind, settings.bind)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.port, timeout=timeout_s)
    if settings.tls_certificate:  # our own server, asked on this machine: its certificate is for another name
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, settings.port, timeout=timeout_s, context=unverified)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        answer.read(_MOST_READ_BYTES)  # whoever hangs up in the middle makes the server clear up after a fault
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Watch:
    """What the supervisor does beside watching: the steady clock, a renewed certificate, and telling when the pages answer."""

    def __init__(self, installation: Installation, on_ready: Callable[[], None]) -> None:
        self._installation, self._on_ready = installation, on_ready
        self._is_ready = False
        self._certificate_ns = self._certificate_changed_ns()
        self._next_probe_s = self._next_keep_s = clock.monotonic_s()

    def tick(self) -> None:
        """Called four times a second."""
        now = clock.monotonic_s()
        if now >= self._next_keep_s:
            self._installation.steady.keep()
            self._next_keep_s = now + KEEP_CLOCK_EVERY_S
            self.look_at_certificate()
        if not self._is_ready and now >= self._next_probe_s:
            self._next_probe_s = now + 0.5
            if answers(self._installation.settings):
                self._is_ready = True
                self._on_ready()

    def look_at_certificate(self) -> None:
        """Once a minute: a certificate that was renewed is taken up by itself."""
        changed_ns = self._certificate_changed_ns()
        if changed_ns and changed_ns != self._certificate_ns:
            self._certificate_ns = changed_ns
            nginx.reload(self._installation.settings)
            _log.info("a new certificate is in use")

    def _certificate_changed_ns(self) -> int:
        try:
            return os.stat(self._installation.settings.tls_certificate).st_mtime_ns  # of what a link leads to
        except OSError:
            return 0  # none, or being replaced at this moment

    def close(self) -> None:
        """Write the clock down a last time and let the database go."""
        self._installation.steady.keep()
        self._installation.database.close()
