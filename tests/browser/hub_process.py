"""A hub's pages in processes of their own, without worker and supervisor: what a test may kill and start again."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from eduhub import config
from eduhub.installation import Installation
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 180


class HubProcess:
    """gunicorn with the hub's pages; it keeps its port."""

    def __init__(self, installation: Installation) -> None:
        self.port = free_port()
        self._settings = installation.settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until the pages answer."""
        command = [
            sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread",
            "--workers", "1", "--threads", "8", "--keep-alive", "30", "--no-control-socket", "--log-level", "error",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=config.as_environment(self._settings), start_new_session=True, stdin=subprocess.DEVNULL
        )
        until = time.monotonic() + START_LIMIT_S
        while not self._answers():
            assert self._process.poll() is None, "the hub's pages do not start"
            assert time.monotonic() < until, "the hub's pages do not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9 of all its processes at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/sign-in", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False
