"""What takes seconds to make is made once in a run, by the test process that needs it first; the others wait for it."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Any:
    """What `make(folder)` returns; it is called once in a run, with a folder that every test process then reads.

    Nobody may change what lies there. What failed or was killed in the middle is made anew by the next.
    """
    own = factory.getbasetemp()
    root = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    root.mkdir(exist_ok=True)
    folder, result = root / name, root / f"{name}.result"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            made = pickle.dumps(make(folder))
            result.with_suffix(".new").write_bytes(made)
            result.with_suffix(".new").replace(result)
    return pickle.loads(result.read_bytes())  # noqa: S301 - this run wrote it
