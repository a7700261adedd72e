"""The pages of one hub behind a real gunicorn that a test may kill and start again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from eduhub import clock, config
from eduhub.installation import Installation
from eduhub.media import intents
from eduhub.media.intents import UploadIntent
from eduhub.uids import new_uid
from tests.ports import free_port

CODE = Path(__file__).parents[2]


def intent_of(installation: Installation, **changed: object) -> UploadIntent:
    """The right to send one file to Tashi's school, for an hour."""
    made = UploadIntent(
        source_uid=new_uid(), org_uid=new_uid(), max_bytes=1 << 30, then=None, language="bo", back="/teaching",
        expires_steady_s=int(installation.steady.now_s()) + 3600,
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]


def credential(installation: Installation, intent: UploadIntent) -> dict[str, str]:
    """The headers that every request of an upload bears."""
    token = intents.sign(installation.keys.secret, intent)
    return {"Tus-Resumable": "1.0.0", "Authorization": f"EduHub-Intent {token}"}


class Served:
    """A hub's pages at an address of this machine."""

    def __init__(self, installation: Installation, log: Path, *, app: str = "tests.media.served_app:app") -> None:
        self.port: int = free_port()
        self.installation, self._log, self._app = installation, log, app
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where uploads begin."""
        return f"http://127.0.0.1:{self.port}/media/uploads"

    def start(self) -> None:
        """Start, and return when it answers."""
        settings = replace(self.installation.settings, port=self.port)
        command = [
            sys.executable, "-m", "gunicorn", self._app, "--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread",
            "--workers", "2", "--threads", "16", "--log-level", "warning", "--no-control-socket",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=CODE, env=config.as_environment(settings), start_new_session=True, stderr=log, stdout=log
            )
        until_s = clock.monotonic_s() + 180
        while True:
            with contextlib.suppress(OSError), self.connect() as line:
                line.sendall(b"OPTIONS /media/uploads HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
                if line.recv(100).startswith(b"HTTP/1.1 204"):
                    return
            assert self._process.poll() is None, self._log.read_text()
            assert clock.monotonic_s() < until_s, self._log.read_text()
            clock.sleep_s(0.05)

    def kill(self) -> None:
        """kill -9 of all its processes, as a power cut would, but for the disk."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextlib.contextmanager
def served(installation: Installation, log: Path, *, whole: bool = False) -> Iterator[Served]:
    """A started server, of the upload's addresses or of the `whole` application; gone afterwards."""
    server = Served(installation, log, **{"app": "wsgi:app"} if whole else {})
    try:
        server.start()
        yield server
    finally:
        server.kill()
