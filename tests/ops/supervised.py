"""A supervisor of small children, for test_supervisor.py: `python -m tests.ops.supervised CASE`.

Each child prints a line `<name> <pid>` when it is up, so that a test can wait for it.
"""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

from eduhub import logs
from eduhub.ops.supervisor import Service, Supervisor

UP = "import os, signal, subprocess, sys; name = sys.argv[1]; print(name, os.getpid(), flush=True); "
CHILDREN = {
    "steady": UP + "signal.pause()",
    "deaf": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + UP + "[signal.pause() for _ in iter(int, 1)]",
    "parent": "import subprocess, sys; subprocess.Popen([sys.executable, '-c', "
    + repr(UP + "signal.pause()")
    + ", 'grandchild']); "
    + UP
    + "signal.pause()",
    "brief": UP,
    "failing": UP + "sys.exit(3)",
}


def service(name: str, **more: object) -> Service:
    """A service that runs one of the children above."""
    command = (sys.executable, "-c", CHILDREN[name], name)
    return Service(name, command, dict(os.environ), Path.cwd(), **more)  # type: ignore[arg-type]


def main(case: str) -> None:
    """Supervise the children that `case` names, separated by commas; `brief` is a once-service before `steady`."""
    logs.configure(SimpleNamespace(log_format="json"))
    services = [
        service(name, once=True, then=lambda: [service("steady")]) if name == "brief" else service(name)
        for name in case.split(",")
    ]
    Supervisor(services, stop_within_s=1.0).run()
    sys.stdout.write("ended well\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
