"""The last step before a jailed program: take on its limits, then become it.

Run by path, as `python -I -S launch.py LIMITS PROGRAM ARGUMENT...`; LIMITS is JSON. It is
a program of its own because limits set between fork and exec of a threaded process can
deadlock it. It must import nothing but the standard library.
"""

import ctypes
import json
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Set the limits and replace this process; returns never."""
    limits, command = json.loads(arguments[0]), arguments[1:]
    # A worker that is killed outright must not leave an encoder behind that burns the processor.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != limits["parent"]:
        sys.exit(1)
    os.nice(limits["nice"])
    for name in ("AS", "CPU", "FSIZE", "NOFILE", "CORE"):
        _lower(getattr(resource, f"RLIMIT_{name}"), limits[name.lower()])
    os.execv(command[0], command)  # noqa: S606 - an argument list, no shell


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


if __name__ == "__main__":
    main(sys.argv[1:])
