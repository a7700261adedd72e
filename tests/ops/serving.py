"""`eduhub serve` in a process of its own, for the tests that start, kill and stop it."""

import http.client
import json
import os
import selectors
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

from eduhub import clock, config
from eduhub.config import Settings
from tests.ops.commanding import ROOT

START_LIMIT_S = 180


class Served:
    """`eduhub serve` in a process of its own."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings, self._log = settings, log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "eduhub", "serve"], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, bufsize=0,
                env=config.as_environment(settings),
            )  # fmt: skip

    def wait_for_address(self) -> str:
        """The line that is printed once the pages answer."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(START_LIMIT_S), self.log()
        return os.read(self.process.stdout.fileno(), 4096).decode()

    def child(self, title: str, other_than: int = 0) -> int:
        """The process id of a running child, as the supervisor logged it."""
        until = clock.monotonic_s() + START_LIMIT_S
        while clock.monotonic_s() < until:
            lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
            started = [line["pid"] for line in lines if line["event"] == "started" and line["service"] == title]
            if started and started[-1] != other_than:
                return int(started[-1])
            clock.sleep_s(0.1)
        raise AssertionError(self.log())

    def wait_until_well(self) -> None:
        """Ask /health until database, disk and worker are well."""
        until = clock.monotonic_s() + START_LIMIT_S
        while self._status() != HTTPStatus.OK:
            assert clock.monotonic_s() < until, self.log()
            clock.sleep_s(0.1)

    def _status(self) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")


def json_lines(settings: Settings) -> dict[str, str]:
    """The environment of `settings`, with a log that a test can read."""
    environment = config.as_environment(settings)
    return {name: value for name, value in environment.items() if name.startswith("EDUHUB_")} | {
        "EDUHUB_LOG_FORMAT": "json"
    }
