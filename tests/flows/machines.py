"""Whole machines for flow tests: each an installation run by the command, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from eduhub import clock, config
from eduhub.config import Settings
from eduhub.db import Database
from tests.ports import free_port

START_LIMIT_S = 180
STOP_LIMIT_S = 90


class Machine:
    """A hub or a box. `host` is the name a browser knows it by; it is mapped to this machine."""

    def __init__(self, settings: Settings, host: str) -> None:
        port = free_port()
        self.host = host
        self.settings = replace(settings, port=port, public_url=f"http://{host}:{port}")
        self.address = f"http://127.0.0.1:{port}"
        self._log = settings.data_dir / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return self.settings.origin

    @property
    def pid(self) -> int:
        """The process of `eduhub serve`, which was started."""
        assert self._process is not None
        return self._process.pid

    def run(self, *arguments: str, limit_s: int = 180) -> str:
        """One command of `eduhub`, to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "eduhub", *arguments],
            env=config.as_environment(self.settings), capture_output=True, text=True, timeout=limit_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"eduhub {' '.join(arguments[:2])}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """`eduhub serve`, until /health answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "eduhub", "serve"],
                env=config.as_environment(self.settings), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        until = clock.monotonic_s() + START_LIMIT_S
        while not self.is_well():
            assert self._process.poll() is None, self.log()
            assert clock.monotonic_s() < until, self.log()
            clock.sleep_s(0.2)

    def stop(self) -> None:
        """SIGTERM, as a service manager would; it must end by itself and without complaint."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_LIMIT_S)
        self._process = None
        assert code == 0, self.log()

    def kill(self) -> None:
        """The plug is pulled."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def is_well(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-6000:] if self._log.exists() else ""

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A look into its database from outside."""
        database = Database(self.settings.database_url)
        with database.read() as session:
            yield session
        database.close()


def corpus_clip(name: str) -> Path | None:
    """A lecture clip that lies beside the project where it is measured; None elsewhere."""
    clip = Path(__file__).resolve().parents[3] / "shared" / "corpus" / name
    if clip.exists():
        return clip
    assert os.environ.get("CI") != "true", f"{name} is missing. In CI nothing may be left out."
    return None


def logged(machine: Machine, event: str) -> list[dict[str, Any]]:
    """The lines of a machine's log (format json) that report `event`."""
    lines = [json.loads(line) for line in machine.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]
