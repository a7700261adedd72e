"""Build the recorder and run the flow below it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.media import clips

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT_S = 300


def missing() -> str | None:
    """Why nothing can be recorded on this machine, if so."""
    return None if shutil.which("gcc") else "gcc is not installed: what a program writes cannot be recorded"


def record(folder: Path) -> Path:
    """Run the flow once in `folder`, which is empty; returns the recorder's log."""
    disk, clip = folder / "disk", folder / "clip.mp4"
    disk.mkdir()
    clips.make(
        clip, "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=3", "-f", "lavfi", "-i", "sine=f=300:r=44100:d=3",
        "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
    )
    return record_program("tests.power.flow", folder, disk, disk / "data", clip)


def record_program(module: str, folder: Path, disk: Path, *arguments: Path) -> Path:
    """Run a program that writes to `disk`, which is empty; returns the recorder's log of that, in `folder`."""
    log, library = folder / "log", folder / "recorder.so"
    build = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(HERE / "recorder.c"), "-ldl"]
    subprocess.run(build, check=True, timeout=60)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDUHUB_")}
    environment |= {"LD_PRELOAD": str(library), "POWER_FOLDER": str(disk), "POWER_LOG": str(log), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return log


def memory_folder(otherwise: Path) -> Path:
    """Where many small files are made and read quickly: what was synced is read from the log, not from the disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else otherwise
