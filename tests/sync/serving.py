"""The sync protocol of one hub behind a real gunicorn: `python -m tests.sync.serving SOCKET_FD SETTINGS_JSON`."""

import json
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from eduhub.config import Settings
from eduhub.installation import open_installation
from tests.sync.world import app_of


class Server(BaseApplication):
    """Two worker processes on one inherited socket."""

    def __init__(self, descriptor: int, settings: Settings) -> None:
        self._descriptor, self._settings = descriptor, settings
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("bind", [f"fd://{self._descriptor}"])
        self.cfg.set("workers", 2)
        self.cfg.set("worker_class", "gthread")
        self.cfg.set("threads", 4)
        self.cfg.set("control_socket_disable", True)

    def load(self) -> Any:
        return app_of(open_installation(self._settings))


if __name__ == "__main__":
    found = json.loads(sys.argv[2])
    Server(int(sys.argv[1]), Settings(**found | {"data_dir": Path(found["data_dir"])})).run()
