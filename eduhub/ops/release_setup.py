"""Lay a box out for versions that come by themselves: their folder, the launcher, and the version that runs now as the first.

See docs/updates.md.
This module must not know how one version takes over from another (`launching`).
"""

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import eduhub
from eduhub import __version__
from eduhub.errors import N_, ReleaseRefused
from eduhub.ops import launching
from eduhub.ops.launching.files import FACTS, link_to, write_whole
from eduhub.ops.launching.launcher import CURRENT
from eduhub.ops.release_install import facts_here

LAUNCH = "launch"
_START = """import sys
from pathlib import Path

from eduhub.ops.launching.processes import main

main(Path(sys.argv[0]).resolve().parent)
"""
_WHEN = (1980, 1, 1, 0, 0, 0)


def set_up(folder: Path) -> Path:
    """Make the folder, or bring its launcher to that of this program; returns the launcher. Safe to repeat.

    Raises ReleaseRefused where no command `eduhub` lies beside this Python: the launcher could not start it.
    """
    if not (Path(sys.prefix) / "bin" / "eduhub").exists():
        raise ReleaseRefused(sys.prefix, reason=N_("EduHub is not installed in an environment of its own"))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / LAUNCH, launcher_bytes())
    if not (folder / CURRENT).is_symlink():
        name = f"{__version__}-here"
        (folder / name).mkdir(exist_ok=True)
        if not (folder / name / "bin").is_symlink():
            os.symlink(Path(sys.prefix) / "bin", folder / name / "bin")
        write_whole(folder / name / FACTS, json.dumps(facts_here()).encode())
        link_to(folder / CURRENT, name)
    return folder / LAUNCH


def launcher_bytes() -> bytes:
    """The launcher as one file that Python runs: its modules, and the two packages they lie in."""
    top = Path(eduhub.__file__).parent
    sources = [top / "__init__.py", top / "ops" / "__init__.py", *sorted(Path(launching.__file__).parent.glob("*.py"))]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _WHEN), _START)
        for source in sources:
            archive.writestr(zipfile.ZipInfo(str(source.relative_to(top.parent)), _WHEN), source.read_bytes())
    return packed.getvalue()
