"""Older versions of EduHub, and today's, as real processes: unpacked from their frozen files, on today's libraries."""

import functools
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from eduhub import clock
from tests.ports import free_port

FROZEN = Path(__file__).parent
ROOT = FROZEN.parents[1]
TODAY = "today"
LIMIT_S = 120.0


@functools.cache
def unpacked(version: str) -> Path:
    """The folder in which a version's code lies."""
    if version == TODAY:
        return ROOT
    folder = Path(tempfile.mkdtemp(prefix=f"eduhub-{version}-"))
    with zipfile.ZipFile(FROZEN / f"eduhub-{version}.zip") as frozen:
        frozen.extractall(folder)
    return folder


@dataclass
class Machine:
    """A hub or a box, whose program can be changed for another version."""

    version: str
    role: str
    data_dir: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EDUHUB_", "PYTHON"))}
        return kept | {
            "EDUHUB_ROLE": self.role, "EDUHUB_DATA_DIR": str(self.data_dir), "EDUHUB_PORT": str(self.port),
            "EDUHUB_SECURE_COOKIES": "no", "EDUHUB_SYNC_EVERY_S": "86400", "EDUHUB_WEB_PROCESSES": "1",
            "PYTHONPATH": str(unpacked(self.version)), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip

    def run(self, *command: str) -> str:
        """A command of its program, to its end."""
        done = subprocess.run(
            [sys.executable, *command], env=self.environment(), cwd=unpacked(self.version), capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{self.version}: {command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def eduhub(self, *arguments: str) -> str:
        return self.run("-m", "eduhub.ops.cli", *arguments)

    def act(self, name: str, argument: str = "") -> dict[str, Any]:
        """One of the acts of `county.py`."""
        found: dict[str, Any] = json.loads(self.run(str(FROZEN / "county.py"), name, argument).splitlines()[-1])
        return found

    @contextmanager
    def serving(self) -> Iterator[None]:
        """`eduhub serve`, until the block ends."""
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "eduhub.ops.cli", "serve"], env=self.environment(), cwd=unpacked(self.version),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                until = clock.monotonic_s() + LIMIT_S
                while self._health() != 200:
                    log.seek(0)
                    assert process.poll() is None, log.read()
                    assert clock.monotonic_s() < until, log.read()
                    clock.sleep_s(0.2)
                yield
            finally:
                process.terminate()
                process.wait(60)

    def _health(self) -> int | None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
